package fetch

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-22400188/jwks/internal/show"
)

// headerHost is a host that configured headers may go to.
type headerHost struct {
	name string // in lower case, IPv6 without brackets
	port string // "" for the scheme's default
}

// CheckHeaderHost says what is wrong with an entry of [Config.HeaderHosts].
func CheckHeaderHost(s string) error {
	_, err := parseHeaderHost(s)
	return err
}

// HeaderHostOf returns the entry of [Config.HeaderHosts] for the host of u, a
// URL that [CheckURL] accepts. That of an https URL permits https alone; that
// of an http URL without a port permits an upgrade to https.
func HeaderHostOf(u *url.URL) string {
	port := u.Port()
	if port == "" && u.Scheme == "https" {
		port = "443"
	}
	if port == "" {
		return u.Hostname()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

func parseHeaderHost(s string) (headerHost, error) {
	name, port := s, ""
	bare := s
	if inner, ok := strings.CutPrefix(s, "["); ok {
		bare = strings.TrimSuffix(inner, "]")
	}
	if ip, err := netip.ParseAddr(bare); err == nil && strings.HasPrefix(s, "[") == strings.HasSuffix(s, "]") {
		return headerHost{name: ip.String()}, nil
	}
	if strings.Contains(s, ":") {
		var err error
		if name, port, err = net.SplitHostPort(s); err != nil {
			return headerHost{}, errors.New("expected a host, or a host and a port, not " + show.Quote(s))
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return headerHost{}, errors.New("the port in " + show.Quote(s) + " is not between 1 and 65535")
		}
	}
	if _, err := netip.ParseAddr(name); err != nil && (strings.Trim(name, ".") == "" || strings.ContainsFunc(name, notInName)) {
		return headerHost{}, errors.New("expected a host, or a host and a port, not " + show.Quote(s))
	}
	return headerHost{strings.ToLower(name), port}, nil
}

// is says whether u is at this host.
func (h headerHost) is(u *url.URL) bool {
	standard := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	want, port := h.port, u.Port()
	if want == "" {
		want = standard
	}
	if port == "" {
		port = standard
	}
	return want == port && h.name == strings.ToLower(u.Hostname())
}

// hostPort returns the host and port of u in a form that can be compared. The
// default port of the scheme is left out, so that an upgrade from http to
// https is not a change of host.
func hostPort(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	port := u.Port()
	if port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return host
	}
	return host + " port " + port
}

// quoteHost shows the host of a URL.
func quoteHost(host string) string { return show.Quote(host) }
