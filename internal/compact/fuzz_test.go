package compact

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4/json"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
)

// FuzzOpenToken: a text that is accepted is the only one of its token, and
// golang-jwt and encoding/json read the header alike.
func FuzzOpenToken(f *testing.F) {
	ok := segment(`{"alg":"ES256","kid":"k1"}`) + "." + segment(`{"iss":"a"}`) + "." + segment("signature")
	for _, token := range []string{ok, ok + "\n", ok + "=", ok + ".", "Bearer " + ok, "..", "", strings.Replace(ok, ".", ".\r\n", 1), segment(`{"alg":1}`) + ".e30.AA", segment(`{"alg":"ES256","x":1e999}`) + "." + segment(`{"iss":"a","x":-1e999}`) + ".AA", "e30.e30.AB"} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		const limit = 4 << 10
		opened, err := Open(token, limit)
		if err != nil {
			if !errors.Is(err, fault.ErrTokenInvalid) || errors.Is(err, fault.ErrUnavailable) {
				t.Fatal(err)
			}
			if len(token) > limit != errors.Is(err, fault.ErrTokenTooLarge) {
				t.Fatalf("%d bytes: %v", len(token), err)
			}
			return
		}
		parts := strings.Split(token, ".")
		if len(parts) != 3 || opened.Signed != parts[0]+"."+parts[1] || opened.Raw != token {
			t.Fatalf("%q is opened as %+v", token, opened)
		}
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil || segment(string(header)) != parts[0] || segment(string(opened.payload)) != parts[1] || segment(string(opened.Signature)) != parts[2] {
			t.Fatalf("%q is one of several texts of a token: %v", token, err)
		}
		var h map[string]any
		if err := json.Unmarshal(header, &h); err != nil && !tooLarge(err) {
			t.Fatalf("encoding/json refuses the header %q: %v", header, err)
		}
		for name, value := range map[string]string{"alg": opened.Header.Algorithm, "kid": opened.Header.KeyID, "typ": opened.Header.Type, "x5t": opened.Header.X5t, "x5t#S256": opened.Header.X5tS256} {
			want, is := h[name].(string)
			if want != value || !is && h[name] != nil {
				t.Fatalf("%s of %q is read as %q", name, header, value)
			}
		}
		if opened.Algorithm != jws.Named(opened.Header.Algorithm) {
			t.Fatalf("alg %q is %d", opened.Header.Algorithm, opened.Algorithm)
		}
		if iss, _, err := opened.UnverifiedIssuer(); err == nil {
			var c map[string]any
			if err := jose.Unmarshal(opened.payload, &c); err != nil && !tooLarge(err) {
				t.Fatalf("go-jose refuses the payload %q: %v", opened.payload, err)
			}
			if want, _ := c["iss"].(string); want != iss {
				t.Fatalf("iss of %q is read as %q", opened.payload, iss)
			}
		} else if !errors.Is(err, jwt.ErrTokenMalformed) {
			t.Fatal(err)
		}
	})
}

// tooLarge says that a decoder found fault with a number that no float64 holds
// and with nothing else: it is JSON, and goes on to decode the rest.
func tooLarge(err error) bool {
	var standard *json.UnmarshalTypeError
	var strict *jose.UnmarshalTypeError
	return errors.As(err, &standard) && strings.HasPrefix(standard.Value, "number") ||
		errors.As(err, &strict) && strings.HasPrefix(strict.Value, "number")
}
