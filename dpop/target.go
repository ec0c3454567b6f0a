package dpop

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// requestTarget is the URL that a request was sent to, as far as this process
// can tell.
func requestTarget(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + r.URL.EscapedPath()
}

// isRequestTarget says that an htu is requestTarget to the letter, as nearly all
// are.
func isRequestTarget(htu string, r *http.Request) bool {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	rest, ok := strings.CutPrefix(htu, scheme)
	if !ok || r.Host == "" {
		return false
	}
	path, ok := strings.CutPrefix(rest, r.Host)
	return ok && path == r.URL.EscapedPath()
}

// targetOf is the URL that the sender of a request saw.
func (c *Checker) targetOf(r *http.Request) string {
	if c.target != nil {
		return c.target(r)
	}
	return requestTarget(r)
}

// sameTarget compares an htu with the URL of a request (section 4.3, check 9).
// ok is false when the request's URL is not absolute.
func sameTarget(htu, target string) (same, ok bool) {
	if htu == target && strings.HasPrefix(htu, "http") && strings.Contains(htu, "://") && !strings.Contains(htu, ":///") {
		return true, true // as nearly all are
	}
	want, ok := normalize(target)
	if !ok {
		return false, false
	}
	got, valid := normalize(htu)
	return valid && got == want, true
}

// normalize makes URLs comparable: by syntax and by scheme (RFC 3986 sections
// 6.2.2 and 6.2.3), without query and fragment. It reports false for what is
// not an absolute URL of a host, and for user information, which no request has.
func normalize(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Opaque != "" || u.User != nil || !isHost(u.Hostname(), strings.HasPrefix(u.Host, "[")) {
		return "", false
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	switch {
	case port != "" && port != defaultPort(u.Scheme):
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	path := removeDotSegments(normalizeEscapes(u.EscapedPath()))
	if path == "" {
		path = "/"
	}
	return u.Scheme + "://" + host + path, true
}

// isHost says that a Host header may have this name, or this address in brackets.
// url.Parse also takes zones, sub-delimiters, and colons in a name.
func isHost(name string, inBrackets bool) bool {
	if inBrackets || strings.Contains(name, ":") {
		address, err := netip.ParseAddr(name)
		return err == nil && inBrackets && address.Is6() && address.Zone() == ""
	}
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r < 0x80 && !isUnreserved(byte(r)) })
}

func defaultPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	}
	return ""
}

// normalizeEscapes writes escapes in upper case, and those of unreserved
// characters as the characters (RFC 3986 sections 6.2.2.1 and 6.2.2.2). The path
// is validly escaped.
func normalizeEscapes(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	var b strings.Builder
	b.Grow(len(path))
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			b.WriteByte(path[i])
			continue
		}
		escape := strings.ToUpper(path[i : i+3])
		if char, err := url.PathUnescape(escape); err == nil && isUnreserved(char[0]) {
			b.WriteByte(char[0])
		} else {
			b.WriteString(escape)
		}
		i += 2
	}
	return b.String()
}

// isUnreserved is RFC 3986 section 2.3.
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// removeDotSegments is RFC 3986 section 5.2.4 for a path that begins with a
// slash or is empty. Unlike path.Clean it leaves empty segments alone.
func removeDotSegments(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path, "/")[1:]
	kept := segments[:0]
	for i, segment := range segments {
		switch segment {
		case ".":
		case "..":
			kept = kept[:max(0, len(kept)-1)]
		default:
			kept = append(kept, segment)
			continue
		}
		if i == len(segments)-1 {
			kept = append(kept, "") // what ends in a dot segment is a folder
		}
	}
	return "/" + strings.Join(kept, "/")
}
