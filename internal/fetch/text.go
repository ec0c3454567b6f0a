package fetch

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	"github.com/seed-22400188/jwks/internal/show"
)

// describe returns a text for an error of a transport. The common ones are
// written anew from their parts; any other text may quote what a server, a
// proxy or a certificate says, at any length, and is quoted and cut.
func describe(err error) string {
	var (
		dns       *net.DNSError
		op        *net.OpError
		sys       *os.SyscallError
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
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
	case errors.As(err, &name):
		return "the server's certificate is not for " + show.Quote(name.Host)
	case errors.As(err, &authority):
		return "the server's certificate is signed by an unknown authority"
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
	query := strings.IndexByte(w, '?')
	if scheme, rest, ok := strings.Cut(w, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			if query >= 0 { // which of them belongs to what is anybody's guess
				return scheme + "://…"
			}
			return scheme + "://…@" + rest[at+1:]
		}
	}
	if query >= 0 && query < len(w)-1 {
		return w[:query] + "?…"
	}
	return w
}
