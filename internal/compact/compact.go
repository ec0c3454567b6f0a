// Package compact opens tokens in the JWS compact serialization (RFC 7515
// section 7.1): size, form and header, which come before any key. Nothing of an
// opened token is verified.
package compact

import (
	"errors"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/ascii"
	"github.com/seed-22400188/jwks/internal/base64url"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// DefaultMaxSize is the limit of a token in bytes. Identity providers stay
// below 8 KiB, which is what most web servers take for all headers together.
const DefaultMaxSize = 16 << 10

// Header is jwks.Header, the part of a token's header that selects a key.
type Header struct{ Algorithm, KeyID, Type, X5t, X5tS256 string }

// Token is a token of the right form whose header was read.
type Token struct {
	Raw       string
	Header    Header
	Algorithm jws.Algorithm // of Header.Algorithm
	Signed    string        // what the signature covers: RFC 7515 section 5.2, step 8
	Signature []byte
	Bound     bool  // the payload has a "cnf" that is not null; known once UnverifiedIssuer was called
	Stage     Stage // how far Open got

	encodedHeader string // the header as it stands in the token
	cached        bool   // Header came from a cache
	payload       []byte // decoded from base64url, not looked at
	text          string // payload, once somebody asked for it
}

// Stage is what holds of a token.
type Stage uint8

// The stages of Open.
const (
	Unseen Stage = iota
	Sized        // it is within the limit
	Formed       // it is three segments of base64url
	Opened       // the header was read
)

// Open opens a token of at most limit bytes.
//
// Errors, all ErrTokenInvalid: ErrTokenTooLarge, before anything is decoded;
// ErrUnsupportedCritical; or golang-jwt's ErrTokenMalformed, with
// ErrAlgorithmNotAllowed for an empty "alg".
func Open(token string, limit int) (Token, error) {
	var t Token
	var buffer []byte
	err := t.Open(token, limit, &buffer, nil)
	return t, err
}

// Open is the function Open into memory of the caller: signature and payload
// lie in buffer, which grows as needed, and a header that the cache has is not
// read again. The zero Token is to be opened, once.
func (t *Token) Open(token string, limit int, buffer *[]byte, headers *HeaderCache) error {
	if len(token) > limit {
		return fault.Invalid("it has "+strconv.Itoa(len(token))+" bytes, want at most "+strconv.Itoa(limit), fault.ErrTokenTooLarge)
	}
	t.Stage = Sized
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok || header == "" || payload == "" || signature == "" || strings.IndexByte(signature, '.') >= 0 {
		return malformedSegments(token)
	}
	t.Raw, t.encodedHeader = token, header
	t.Signed = token[:len(header)+1+len(payload)]

	split := base64url.DecodedLen(len(payload))
	size := split + base64url.DecodedLen(len(signature))
	if cap(*buffer) < size {
		*buffer = make([]byte, size)
	}
	t.payload, t.Signature = (*buffer)[:split:split], (*buffer)[split:size:size]
	if !base64url.Decode(t.payload, payload) {
		return malformedBase64("payload")
	}
	if !base64url.Decode(t.Signature, signature) {
		return malformedBase64("signature")
	}
	if known := headers.find(header); known != nil {
		t.Header, t.Algorithm, t.cached, t.Stage = known.header, known.algorithm, true, Opened
		return nil
	}
	text := make([]byte, base64url.DecodedLen(len(header)))
	if !base64url.Decode(text, header) {
		return malformedBase64("header")
	}
	t.Stage = Formed
	if err := t.readHeader(string(text)); err != nil {
		return err
	}
	t.Stage = Opened
	return nil
}

func malformedBase64(segment string) error {
	return fault.Malformed("the " + segment + " is not base64url as in RFC 7515 section 2")
}

// malformedSegments says what is wrong with the parts between the dots.
func malformedSegments(token string) error {
	switch n := strings.Count(token, ".") + 1; {
	case token == "":
		return fault.Malformed("it is empty")
	case n == 3:
		return fault.Malformed("it has an empty segment")
	case n == 5: // RFC 7516 section 3.1
		return fault.Malformed("it has 5 segments, like an encrypted token (JWE); want a signed token, with 3")
	default:
		text := "it has " + show.Count(n, "segment") + ", want 3"
		if n < 3 {
			text += ": perhaps an opaque token, which only its issuer can check"
		}
		return fault.Malformed(text)
	}
}

// readHeader reads the decoded header (RFC 7515 section 4). Parameters that
// are not named here are ignored, which is what section 4 asks for. That
// includes "jku", "jwk", "x5u" and "x5c": the sender does not choose the key.
func (t *Token) readHeader(text string) error {
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
			// be in "crit"; a token where it is not is refused all the same.
			critical = members.Name()
		}
	}
	if err := members.Err(); err != nil {
		return fault.Malformed("header: " + describe(err))
	}
	if critical != "" {
		return UnsupportedCritical(critical)
	}
	notString := ""
	read := func(name string, v strictjson.Value) string {
		s, ok := v.OptionalText()
		if !ok && notString == "" {
			notString = name
		}
		return s
	}
	t.Header = Header{
		Algorithm: read("alg", alg),
		KeyID:     read("kid", kid),
		Type:      read("typ", typ),
		X5t:       read("x5t", x5t),
		X5tS256:   read("x5t#S256", x5tS256),
	}
	switch {
	case notString != "":
		return fault.Malformed("header: " + notString + " is not a string")
	case alg.Kind() != strictjson.String:
		return fault.Malformed("header: alg is missing")
	case t.Header.Algorithm == "":
		return fault.Invalid("malformed: header: alg is empty", jwt.ErrTokenMalformed, fault.ErrAlgorithmNotAllowed)
	}
	t.Algorithm = jws.Named(t.Header.Algorithm)
	return nil
}

// describe is the text of an error of strictjson, with the name of a member that
// is there twice.
func describe(err error) string {
	var e *strictjson.Error
	if errors.As(err, &e) && e.Member != "" {
		return strings.Replace(e.Error(), "member", "member "+show.Quote(e.Member), 1)
	}
	return err.Error()
}

// UnsupportedCritical is the error for a header with "crit" or "b64".
func UnsupportedCritical(parameter string) error {
	return fault.Invalid("the header has "+show.Quote(parameter)+", and no extension is supported", fault.ErrUnsupportedCritical)
}

// Payload returns the payload as a string of its own, made once.
func (t *Token) Payload() string {
	if t.text == "" {
		t.text = string(t.payload)
	}
	return t.text
}

// UnverifiedIssuer reads "iss" and "tid" before the signature is checked, for
// a source that chooses its keys by them. Both are "" when absent or null. A
// tid that is not a string counts as absent: it is not a registered claim.
// Errors are ErrTokenInvalid and match golang-jwt's ErrTokenMalformed.
func (t *Token) UnverifiedIssuer() (iss, tid string, err error) {
	var issuer, tenant strictjson.Value
	members := strictjson.Object(t.Payload())
	for members.Next() {
		switch members.Name() {
		case "iss":
			issuer = members.Value()
		case "tid":
			tenant = members.Value()
		case "cnf":
			t.Bound = members.Value().Kind() != strictjson.Null
		}
	}
	if err := members.Err(); err != nil {
		return "", "", fault.Malformed("claims: " + describe(err))
	}
	iss, ok := issuer.OptionalText()
	if !ok {
		return "", "", fault.MalformedClaim("iss is not a string")
	}
	tid, _ = tenant.OptionalText()
	return iss, tid, nil
}

// StripBearer strips the scheme that an Authorization header begins with (RFC
// 6750 section 2.1; any case) and the spaces after it. It looks at no more of
// them than a token may have bytes, so that megabytes of spaces do not cost
// what the size limit saves.
func StripBearer(token string) string {
	const scheme = "bearer"
	if len(token) > len(scheme) && token[len(scheme)] == ' ' && ascii.EqualFold(token[:len(scheme)], scheme) {
		rest := token[len(scheme):]
		head := rest[:min(len(rest), DefaultMaxSize)]
		return rest[len(head)-len(strings.TrimLeft(head, " ")):]
	}
	return token
}
