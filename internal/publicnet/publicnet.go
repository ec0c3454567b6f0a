// Package publicnet keeps an HTTP client on the public Internet: for URLs that
// come from tokens nobody has verified yet. Names are judged before any I/O,
// addresses when they are dialled, so that a public name that resolves to a
// private address (DNS rebinding) is refused as well.
package publicnet

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/seed-22400188/jwks/internal/fetch"
)

// ErrNotPublic is matched by every refusal of this package.
var ErrNotPublic = errors.New("not a public address")

// refusal says why, and that another attempt would be refused as well.
func refusal(why string) error {
	return fetch.Permanent(fmt.Errorf("%w: %s", ErrNotPublic, why))
}

// special lists what netip's own predicates leave out of the special-purpose
// registries of RFC 6890, and metadata services on public addresses. IPv4
// embedded in IPv6 is judged as IPv4.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),        // this network
	netip.MustParsePrefix("100.64.0.0/10"),    // shared address space, RFC 6598; Alibaba's metadata
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's wire server
	netip.MustParsePrefix("192.0.0.0/24"),     // IETF protocol assignments; Oracle's metadata
	netip.MustParsePrefix("192.0.2.0/24"),     // documentation
	netip.MustParsePrefix("192.88.99.0/24"),   // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),    // benchmarking
	netip.MustParsePrefix("198.51.100.0/24"),  // documentation
	netip.MustParsePrefix("203.0.113.0/24"),   // documentation
	netip.MustParsePrefix("240.0.0.0/4"),      // reserved, broadcast
	netip.MustParsePrefix("2001::/23"),        // IETF protocol assignments: Teredo, ORCHID
	netip.MustParsePrefix("2001:db8::/32"),    // documentation
	netip.MustParsePrefix("3fff::/20"),        // documentation, RFC 9637
}

var (
	// global is all of IPv6 that is for global unicast (RFC 4291 section 2.4
	// as IANA hands it out); the rest is special, reserved or not assigned.
	global = netip.MustParsePrefix("2000::/3")
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixTo4 = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

// IsPublic says whether an address may be dialled.
func IsPublic(a netip.Addr) bool {
	a = a.Unmap() // ::ffff:127.0.0.1
	b := a.As16()
	switch {
	case !a.IsValid(), a.Zone() != "", a.IsUnspecified(), a.IsLoopback(), a.IsPrivate(), a.IsMulticast(), a.IsLinkLocalUnicast():
		return false
	case nat64.Contains(a):
		return IsPublic(netip.AddrFrom4([4]byte(b[12:16])))
	case sixTo4.Contains(a):
		return IsPublic(netip.AddrFrom4([4]byte(b[2:6])))
	case a.Is6() && !global.Contains(a):
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// CheckURL judges a URL without any I/O: https on its own port, no user info,
// a literal address that is public or a name of several labels that is not for
// local use. The text of the error does not quote the URL.
func CheckURL(u *url.URL) error {
	switch {
	case u.Scheme != "https":
		return refusal("the scheme is not https")
	case u.User != nil:
		return refusal("the URL has user info")
	case u.Port() != "" && u.Port() != "443":
		return refusal("the port is not 443")
	case strings.HasSuffix(u.Host, ":"):
		return refusal("the port is empty")
	default:
		return checkHost(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")))
	}
}

// localSuffixes are for local use: RFC 6761, 6762, 8375, ICANN's .internal,
// and what private networks have long used for it.
var localSuffixes = []string{".localhost", ".local", ".internal", ".home.arpa", ".localdomain", ".lan", ".intranet", ".corp", ".home"}

func checkHost(host string) error {
	if a, err := netip.ParseAddr(host); err == nil {
		if !IsPublic(a) {
			return refusal("a special-purpose address")
		}
		return nil
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch {
	case strings.ContainsFunc(host, func(r rune) bool { return r > 0x7e }):
		// Whoever resolves it may take "１２７.０.０.１" for an address.
		return refusal("a name that is not ASCII")
	case last == host:
		return refusal("a name of a single label")
	case !strings.ContainsFunc(last, func(r rune) bool { return 'a' <= r && r <= 'z' }) || strings.HasPrefix(last, "0x"):
		return refusal("a number for a name") // 127.1, 0x7f.0x1
	}
	for _, suffix := range localSuffixes {
		if strings.HasSuffix(host, suffix) {
			return refusal("a name for local use")
		}
	}
	return nil
}
