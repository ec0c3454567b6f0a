package fetch

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxForeign is how many bytes of a foreign text are shown.
const maxForeign = 64

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
		return "lookup of " + quote(dns.Name) + ": no such host"
	case errors.As(err, &dns):
		return "lookup of " + quote(dns.Name) + ": " + quote(dns.Err)
	case errors.As(err, &op) && errors.As(op.Err, &sys):
		text := op.Op + " " + op.Net
		if op.Addr != nil {
			text += " " + op.Addr.String()
		}
		return oneLine(text) + ": " + oneLine(sys.Err.Error()) // as in "connection refused"
	case errors.As(err, &name):
		return "the server's certificate is not for " + quote(name.Host)
	case errors.As(err, &authority):
		return "the server's certificate is signed by an unknown authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not yet valid"
	}
	// These prefixes alone would fill what is shown.
	text := strings.TrimPrefix(err.Error(), "net/http: HTTP/1.x transport connection broken: ")
	text = strings.TrimPrefix(text, "tls: failed to verify certificate: ")
	return quote(redact(text))
}

// quote quotes a foreign text and cuts it to 64 bytes.
func quote(s string) string {
	return strconv.Quote(cut(s))
}

// oneLine is quote for texts that are harmless as a rule and read better
// without quotes.
func oneLine(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return quote(s)
	}
	return cut(s)
}

// cut keeps the first 64 bytes of s, with a mark if there was more.
func cut(s string) string {
	const mark = "…"
	if len(s) <= maxForeign {
		return s
	}
	return s[:boundary(s, maxForeign-len(mark))] + mark
}

// boundary returns the largest index up to i where a character of s begins.
func boundary(s string, i int) int {
	for n := 0; i > 0 && n < utf8.UTFMax && !utf8.RuneStart(s[i]); n++ {
		i--
	}
	return i
}

// shorten keeps 64 bytes of a URL, from both of its ends: the documents of an
// issuer differ in how their URLs end.
func shorten(s string) string {
	const mark, tail = "…", 24
	if len(s) <= maxForeign {
		return s
	}
	i := len(s) - tail
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return s[:boundary(s, maxForeign-tail-len(mark))] + mark + s[i:]
}

// quoteURL is quote for the text of a URL.
func quoteURL(raw string) string { return strconv.Quote(shorten(DisplayURL(raw))) }

// showURL shortens a URL that DisplayURL returned, and quotes it only if it
// has characters that would break the line or its reading.
func showURL(display string) string {
	s := shorten(display)
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == '"' || isOdd(r) }) {
		return strconv.Quote(s)
	}
	return s
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
