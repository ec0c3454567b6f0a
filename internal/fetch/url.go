package fetch

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-22400188/jwks/internal/show"
)

// maxURL is how many bytes a URL may have.
const maxURL = 2048

// CheckURL parses raw and checks that it may be fetched: an absolute URL with
// a host, with scheme https, or http if the host is loopback (127.0.0.0/8,
// ::1, localhost, *.localhost; RFC 6761 6.3) or allowHTTP is set, without user
// info and fragment, of at most 2048 bytes. The error is one line and quotes
// at most 64 bytes of raw, without user info, query and fragment.
func CheckURL(raw string, allowHTTP bool) (*url.URL, error) {
	u, err := parseURL(raw, allowHTTP)
	if err != nil {
		return nil, fmt.Errorf("URL %s: %w", show.QuoteURL(raw), err)
	}
	return u, nil
}

// CheckOwnURL is CheckURL for a URL that the configuration gave, which the error
// shows whole, without user info, query and fragment.
func CheckOwnURL(raw string, allowHTTP bool) error {
	if _, err := parseURL(raw, allowHTTP); err != nil {
		return fmt.Errorf("URL %s: %w", show.QuotePlace(raw), err)
	}
	return nil
}

// parseURL is CheckURL with errors that do not repeat the URL.
func parseURL(raw string, allowHTTP bool) (*url.URL, error) {
	switch {
	case raw == "":
		return nil, errors.New("it is empty")
	case len(raw) > maxURL:
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", len(raw), maxURL)
	case !utf8.ValidString(raw) || strings.ContainsFunc(raw, show.Odd):
		// Parsers disagree about these: some take a backslash for a slash.
		return nil, errors.New("it contains a space, a backslash, or a character that cannot be printed")
	case strings.Contains(raw, "#"):
		return nil, errors.New("it has a fragment")
	}
	u, err := url.Parse(raw)
	if err != nil {
		// The text of err quotes raw.
		return nil, errors.New("it is not a valid URL")
	}
	switch {
	case u.Scheme == "":
		return nil, errors.New("it is not absolute, expected https://host/path")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("expected scheme https, not %s", show.Quote(u.Scheme))
	case u.Opaque != "":
		return nil, errors.New("it has no host, expected https://host/path")
	case u.User != nil:
		return nil, errors.New("it contains user info")
	}
	if err := checkHost(u); err != nil {
		return nil, err
	}
	if u.Scheme == "http" && !allowHTTP && !isLoopback(u.Hostname()) {
		return nil, errors.New("expected scheme https: http is for loopback hosts only; AllowInsecureHTTP permits it")
	}
	return u, nil
}

// checkHost checks host and port. url.Parse permits more: a port alone,
// quotes and brackets in a name, and (escaped) any character beyond ASCII.
func checkHost(u *url.URL) error {
	host := u.Hostname()
	if strings.Trim(host, ".") == "" {
		return errors.New("it has no host")
	}
	if strings.HasPrefix(u.Host, "[") {
		if ip, err := netip.ParseAddr(host); err != nil || !ip.Is6() {
			return errors.New("its host is no IPv6 address")
		}
	} else if !utf8.ValidString(host) || strings.ContainsFunc(host, notInName) {
		return errors.New("its host contains a character that no host name has")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("its port is not between 1 and 65535")
		}
	}
	return nil
}

// notInName reports the characters that host names do not have. Names beyond
// ASCII are left to IDNA in net/http.
func notInName(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.', r == '_':
		return false
	}
	return r < utf8.RuneSelf || show.Odd(r)
}

// isLoopback reports whether a host can only be this machine.
func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	// RFC 6761 6.3: localhost and everything below it.
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
