package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

// explanation is a text about an error of a transport and the option that may
// help; "" where there is none.
type explanation struct{ text, option string }

// explain finds errors whose cause is the configuration. proxy is the host of
// the proxy on the way, or "".
func explain(err error, proxy string) explanation {
	var (
		authority x509.UnknownAuthorityError
		refused   *proxyError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &refused):
		return explanation{text: refused.Error()}
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return explanation{text: "the proxy " + show.Quote(proxy) + " could not be reached: " + describe(op.Err)}
	case errors.As(err, &authority):
		return explanation{"the server's certificate is signed by " + signer(authority.Cert), "WithTLSConfig"}
	case alert(err) == alertCertificateRequired:
		return explanation{"the server asks for a client certificate", "WithTLSConfig"}
	case proxy != "":
		return explanation{text: describe(err) + ", by way of the proxy " + show.Quote(proxy)}
	}
	return explanation{}
}

// signer names the issuer of a certificate, which nobody here knows.
func signer(c *x509.Certificate) string {
	if c == nil {
		return "an unknown authority"
	}
	name := c.Issuer.CommonName
	if name == "" {
		name = c.Issuer.String()
	}
	return show.Quote(name) + ", an unknown authority"
}

// isLasting says that another attempt would fail as this one did: because of a
// certificate, a server that does not speak TLS, or a proxy that refuses.
func isLasting(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		name         x509.HostnameError
		authority    x509.UnknownAuthorityError
		invalid      x509.CertificateInvalidError
		roots        x509.SystemRootsError
		record       tls.RecordHeaderError
		proxy        *proxyError
	)
	if errors.As(err, &proxy) {
		return proxy.code < http.StatusInternalServerError && proxy.code != http.StatusRequestTimeout && proxy.code != http.StatusTooManyRequests
	}
	return errors.As(err, &verification) || errors.As(err, &name) || errors.As(err, &authority) || errors.As(err, &invalid) ||
		errors.As(err, &roots) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch) || isCertificateAlert(alert(err))
}

// The alerts of TLS by which a server refuses our certificate, or its absence
// (RFC 8446 section 6.2).
const (
	alertBadCertificate      = 42
	alertCertificateUnknown  = 46
	alertUnknownCA           = 48
	alertAccessDenied        = 49
	alertCertificateRequired = 116
)

func isCertificateAlert(code uint64) bool {
	return alertBadCertificate <= code && code <= alertCertificateUnknown ||
		code == alertUnknownCA || code == alertAccessDenied || code == alertCertificateRequired
}

// alert returns the number of the alert with which a server ended a TLS
// handshake, 0 for another error. crypto/tls does not export the type; it is a
// number.
func alert(err error) (code uint64) {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
			code = v.Uint()
		}
	}
	return code
}

// describe returns a text for an error of a transport. The common ones are
// written anew from their parts, and those of this module are in order; any other
// text may quote what a server, a proxy or a certificate says, at any length, and
// is quoted and cut.
func describe(err error) string {
	if text, ok := fault.Text(err); ok {
		return text
	}
	var (
		dns     *net.DNSError
		op      *net.OpError
		sys     *os.SyscallError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the answer ended too early (unexpected EOF)"
	case errors.Is(err, io.EOF):
		return "the connection was closed before an answer came (EOF)"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "lookup of " + show.Quote(dns.Name) + ": no such host"
	case errors.As(err, &dns):
		return "lookup of " + show.Quote(dns.Name) + ": " + show.Quote(dns.Err)
	case errors.As(err, &op) && errors.As(op.Err, &sys):
		text := op.Op + " " + op.Net
		if op.Addr != nil {
			text += " " + op.Addr.String()
		}
		return show.Line(text) + ": " + show.Line(sys.Err.Error()) // as in "connection refused"
	case errors.As(err, &op) && op.Op == "remote error": // an alert of TLS
		return show.Quote(op.Error())
	case errors.As(err, &name):
		return "the server's certificate is not for " + show.Quote(name.Host)
	case errors.Is(err, http.ErrSchemeMismatch):
		return "the server speaks plain HTTP at this https URL"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not yet valid"
	}
	// These prefixes alone would fill what is shown.
	text := strings.TrimPrefix(err.Error(), "net/http: HTTP/1.x transport connection broken: ")
	text = strings.TrimPrefix(text, "tls: failed to verify certificate: ")
	return show.Quote(redact(text))
}

// redact takes what may be secret out of the URLs in a text: queries, and
// user info (of a proxy, for example).
func redact(text string) string {
	const ends = " \t\r\n\"'`<>()"
	var b strings.Builder
	for text != "" {
		i := strings.IndexAny(text, ends)
		if i < 0 {
			i = len(text)
		}
		b.WriteString(redactWord(text[:i]))
		if i < len(text) {
			b.WriteByte(text[i])
			i++
		}
		text = text[i:]
	}
	return b.String()
}

func redactWord(w string) string {
	if scheme, rest, ok := strings.Cut(w, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			if strings.Contains(w, "?") { // which of them belongs to what is anybody's guess
				return scheme + "://…"
			}
			return scheme + "://…@" + rest[at+1:]
		}
	}
	if rest, query, _ := strings.Cut(w, "?"); query != "" {
		return rest + "?…"
	}
	return w
}
