package jwks

import (
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/base64url"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// defaultMaxTokenSize is the limit of a token in bytes. Identity providers stay
// below 8 KiB, which is what most web servers take for all headers together.
const defaultMaxTokenSize = 16 << 10

// Header is the part of a token's JOSE header that selects a key (RFC 7515
// section 4.1): "alg", "kid", "typ", "x5t" and "x5t#S256", "" when absent.
// Nothing in it is verified until [Verifier.Verify] returned a [Token].
type Header struct{ Algorithm, KeyID, Type, X5t, X5tS256 string }

// openedToken is a token of the right form with a header that was read. Nothing
// in it is verified.
type openedToken struct {
	raw       string
	header    Header
	alg       algorithm // algUnknown when not one of ours
	segment   string    // the header as it stands in the token
	signed    string    // what the signature covers: RFC 7515 section 5.2, step 8
	signature []byte
	payload   []byte // decoded from base64, not looked at
	text      string // payload, once somebody asked for it

	remembered bool // the header came from the memo
}

// openToken does what comes before any key: size, form and header. Errors are
// [ErrTokenInvalid], and [ErrTokenTooLarge], [ErrUnsupportedCritical] or
// golang-jwt's ErrTokenMalformed. The payload is only checked to be base64url.
func openToken(token string, limit int) (openedToken, error) {
	var t openedToken
	var buffer []byte
	err := t.open(token, limit, &buffer, nil)
	return t, err
}

// open is openToken into memory of the caller: signature and payload lie in
// buffer, which grows as needed, and the headers in memo need not be read.
func (t *openedToken) open(token string, limit int, buffer *[]byte, memo *headerMemo) error {
	if len(token) > limit {
		return invalid("it has "+strconv.Itoa(len(token))+" bytes, want at most "+strconv.Itoa(limit), ErrTokenTooLarge)
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok || header == "" || payload == "" || signature == "" || strings.IndexByte(signature, '.') >= 0 {
		return malformedSegments(token)
	}
	t.raw, t.segment = token, header
	t.signed = token[:len(header)+1+len(payload)]

	split := base64url.DecodedLen(len(payload))
	size := split + base64url.DecodedLen(len(signature))
	if cap(*buffer) < size {
		*buffer = make([]byte, size)
	}
	t.payload, t.signature = (*buffer)[:split:split], (*buffer)[split:size:size]
	if !base64url.Decode(t.payload, payload) {
		return malformed("the payload is not base64url as RFC 7515 section 2 has it")
	}
	if !base64url.Decode(t.signature, signature) {
		return malformed("the signature is not base64url as RFC 7515 section 2 has it")
	}
	if known := memo.find(header); known != nil {
		t.header, t.alg, t.remembered = known.header, known.alg, true
		return nil
	}
	text := make([]byte, base64url.DecodedLen(len(header)))
	if !base64url.Decode(text, header) {
		return malformed("the header is not base64url as RFC 7515 section 2 has it")
	}
	return t.readHeader(string(text))
}

// malformedSegments says what is wrong with the parts between the dots.
func malformedSegments(token string) error {
	switch n := strings.Count(token, ".") + 1; {
	case token == "":
		return malformed("it is empty")
	case n == 3:
		return malformed("it has an empty segment")
	case n == 5:
		// RFC 7516 section 3.1. To accept it as something to decrypt would
		// be another library.
		return malformed("it has 5 segments as an encrypted token (JWE) has, want a signed one of 3")
	default:
		return malformed("it has " + count(n, "segment") + ", want 3")
	}
}

// malformed is an error about the form of a token.
func malformed(text string) error { return invalid("malformed: "+text, jwt.ErrTokenMalformed) }

// readHeader reads the decoded header (RFC 7515 section 4). Parameters that
// are not named here are ignored, which is what section 4 asks for; that
// includes "jku", "jwk", "x5u" and "x5c", the sender's own idea of the key.
func (t *openedToken) readHeader(text string) error {
	var alg, kid, typ, x5t, x5tS256 strictjson.Value
	critical := ""
	members := strictjson.Object(text)
	for members.Next() {
		switch members.Name() {
		case "alg":
			alg = members.Value()
		case "kid":
			kid = members.Value()
		case "typ":
			typ = members.Value()
		case "x5t":
			x5t = members.Value()
		case "x5t#S256":
			x5tS256 = members.Value()
		case "crit", "b64":
			// Section 4.1.11: refuse what is not understood, and we understand
			// no extension. "b64" changes what is signed (RFC 7797) and must
			// be in "crit"; a token where it is not is no better.
			critical = members.Name()
		}
	}
	if err := members.Err(); err != nil {
		return malformed("header: " + err.Error())
	}
	if critical != "" {
		return invalid("the header has "+quote(critical)+", and no extension is supported", ErrUnsupportedCritical)
	}
	odd := ""
	read := func(name string, v strictjson.Value) string {
		s, ok := optionalString(v)
		if !ok && odd == "" {
			odd = name
		}
		return s
	}
	t.header = Header{
		Algorithm: read("alg", alg),
		KeyID:     read("kid", kid),
		Type:      read("typ", typ),
		X5t:       read("x5t", x5t),
		X5tS256:   read("x5t#S256", x5tS256),
	}
	switch {
	case odd != "":
		return malformed("header: " + odd + " is not a string")
	case alg.Kind() != strictjson.String:
		return malformed("header: alg is missing")
	case t.header.Algorithm == "":
		return invalid("malformed: header: alg is empty", jwt.ErrTokenMalformed, ErrAlgorithmNotAllowed)
	}
	t.alg = algorithmNamed(t.header.Algorithm)
	return nil
}

// optionalString reads a string; null is absence.
func optionalString(v strictjson.Value) (string, bool) {
	switch v.Kind() {
	case strictjson.Absent, strictjson.Null:
		return "", true
	}
	s, err := v.Text()
	return s, err == nil
}

// payloadText is the payload as a string of its own, made once.
func (t *openedToken) payloadText() string {
	if t.text == "" {
		t.text = string(t.payload)
	}
	return t.text
}

// unverifiedIssuer reads "iss" and "tid" before the signature is checked, for
// a source that chooses its keys by them. Both are "" when absent or null; a
// tid that is no string counts as absent, for it is not a registered claim.
// Errors are [ErrTokenInvalid] and match golang-jwt's ErrTokenMalformed.
func (t *openedToken) unverifiedIssuer() (iss, tid string, err error) {
	var issuer, tenant strictjson.Value
	members := strictjson.Object(t.payloadText())
	for members.Next() {
		switch members.Name() {
		case "iss":
			issuer = members.Value()
		case "tid":
			tenant = members.Value()
		}
	}
	if err := members.Err(); err != nil {
		return "", "", malformed("claims: " + err.Error())
	}
	iss, ok := optionalString(issuer)
	if !ok {
		return "", "", malformedClaim("iss is not a string")
	}
	tid, _ = optionalString(tenant)
	return iss, tid, nil
}

// malformedClaim is an error about the form of a claim.
func malformedClaim(text string) error {
	return invalid("malformed: claims: "+text, jwt.ErrTokenMalformed, jwt.ErrTokenInvalidClaims)
}

// stripBearer strips the scheme that an Authorization header begins with, and
// the spaces behind it: as many as a token may have bytes, for to look at
// megabytes of them would cost as much as the size limit saves.
func stripBearer(token string) string {
	const scheme = "bearer"
	if len(token) > len(scheme) && token[len(scheme)] == ' ' && equalFoldASCII(token[:len(scheme)], scheme) {
		rest := token[len(scheme):]
		head := rest[:min(len(rest), defaultMaxTokenSize)]
		return rest[len(head)-len(strings.TrimLeft(head, " ")):]
	}
	return token
}

// equalFoldASCII compares s with lower, which is in lower case. Unlike
// strings.EqualFold it knows no Kelvin sign.
func equalFoldASCII(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
