package fetch

import (
	"bytes"
	"strings"

	"github.com/seed-22400188/jwks/internal/ascii"
	"github.com/seed-22400188/jwks/internal/show"
)

// Sniff says what a body is that should have been a JSON object, for the text
// of an error: "an HTML page", "PEM text". It looks at how it begins and shows
// none of it; contentType, "" for none, is added as it came, quoted and
// cut. The result is "" for what begins as a JSON object does and is not
// labelled as something else.
func Sniff[T ~string | ~[]byte](body T, contentType string) string {
	what := sniff([]byte(body))
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch {
	case what == "" && (media == "" || media == "application/json" || strings.HasSuffix(media, "+json") || strings.HasPrefix(media, "text/") || media == "application/octet-stream"):
		return ""
	case what == "":
		what = "a document"
	}
	if contentType != "" {
		what += ", Content-Type " + show.Quote(contentType)
	}
	return what
}

// sniff knows documents by how they begin.
func sniff(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		return "gzip data"
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "Zstandard data"
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return "UTF-16 text"
	case bytes.HasPrefix(b, []byte{0x30, 0x82}):
		return "DER data"
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	b = bytes.TrimLeft(b, " \t\r\n")
	if len(b) == 0 {
		return "empty"
	}
	switch {
	case b[0] == '{':
		return ""
	case bytes.HasPrefix(b, []byte("-----BEGIN ")):
		return "PEM text"
	case beginsWith(b, "<!doctype html"), beginsWith(b, "<html"), beginsWith(b, "<head"), beginsWith(b, "<body"):
		return "an HTML page"
	case beginsWith(b, "<?xml"):
		return "XML"
	case b[0] == '<':
		return "HTML or XML"
	case b[0] == '[':
		return "a JSON array"
	case b[0] == '"':
		return "a JSON string"
	case isToken(b):
		return "a token"
	case bytes.HasPrefix(b, []byte("null")), bytes.HasPrefix(b, []byte("true")), bytes.HasPrefix(b, []byte("false")), '0' <= b[0] && b[0] <= '9', b[0] == '-':
		return "a JSON value that is not an object"
	}
	return "text that is not JSON"
}

// beginsWith compares without regard to the case of ASCII. tag is in lower case.
func beginsWith(b []byte, tag string) bool {
	return ascii.EqualFold(string(b[:min(len(b), len(tag))]), tag)
}

// isToken tells a JWS or JWE in compact form: base64url of a JSON object and a
// dot.
func isToken(b []byte) bool {
	if !bytes.HasPrefix(b, []byte("ey")) {
		return false
	}
	for i, c := range b {
		switch {
		case c == '.':
			return i > 2
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true // a first segment
}
