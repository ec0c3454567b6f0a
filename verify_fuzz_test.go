package jwks

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4/json"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// FuzzVerify signs any header and any payload. What is accepted, go-jose's
// reader (which compares names exactly and knows no duplicates) accepts too
// and reads alike; and nobody accepts what is expired.
func FuzzVerify(f *testing.F) {
	for _, header := range []string{`{"alg":"EdDSA","kid":"k1"}`, `{"alg":"Ed25519"}`, `{"alg":"EdDSA","kid":"k1","crit":["exp"]}`, `{"alg":"EdDSA","\u0061lg":"none"}`, `{"alg":"none"}`, `null`, `{"alg":"EdDSA","x":[33e333331]}`} {
		for _, payload := range []string{
			`{"iss":"https://issuer.example","aud":["a","b"],"exp":1767229200.5,"nbf":1.7e9,"iat":0,"sub":"\ud83d\ude00","scope":"a b"}`,
			`{"exp":1,"EXP":9999999999}`, `{"exp":9999999999,"exp":1}`, `{"exp":"9999999999"}`, `{"exp":1e300}`, `{"aud":{}}`, `[]`, `null`, `{"exp":9999999999,"x":[33e333331]}`, "{\"x\":\"\xff\"}",
		} {
			f.Add(header, payload)
		}
	}
	s := newEdSigner(f, "k1", nil)
	now := time.Unix(1767225600, 0)
	v, err := NewVerifier(&KeySet{keys: []*Key{s.key}, byID: map[string][]*Key{"k1": {s.key}}},
		WithoutAudienceCheck(), WithoutIssuerCheck(), WithLeeway(0), WithNow(func() time.Time { return now }))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		token := s.sign(header, payload)
		got, err := v.Verify(context.Background(), token)
		if err != nil {
			if got != nil || errors.Is(err, ErrTokenInvalid) == errors.Is(err, ErrUnavailable) || strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 1000 {
				t.Fatalf("%v and %v", got, err)
			}
			return
		}
		var h map[string]any
		if err := jose.Unmarshal([]byte(header), &h); err != nil && !tooLarge(err) {
			t.Fatalf("go-jose refuses the header %q: %v", header, err)
		}
		kid, _ := h["kid"].(string)
		if alg := h["alg"]; alg != got.Header().Algorithm || alg != "EdDSA" && alg != "Ed25519" || kid != got.Header().KeyID {
			t.Fatalf("%q is read as %+v", header, got.Header())
		}
		for _, name := range []string{"crit", "b64"} {
			if _, there := h[name]; there {
				t.Fatalf("accepted with %s: %q", name, header)
			}
		}
		var c map[string]any
		if err := jose.Unmarshal([]byte(payload), &c); err != nil && !tooLarge(err) {
			t.Fatalf("go-jose refuses the payload %q: %v", payload, err)
		}
		for name, value := range map[string]string{"iss": got.Issuer(), "sub": got.Subject(), "jti": got.ID()} {
			if want, _ := c[name].(string); want != value {
				t.Fatalf("%s of %q is read as %q", name, payload, value)
			}
		}
		for name, value := range map[string]time.Time{"exp": got.ExpiresAt(), "nbf": got.NotBefore(), "iat": got.IssuedAt()} {
			want, there := c[name].(float64)
			if there == value.IsZero() || there && !near(value, want) {
				t.Fatalf("%s of %q is read as %v", name, payload, value)
			}
		}
		var aud []string
		switch a := c["aud"].(type) {
		case string:
			aud = []string{a}
		case []any:
			for _, v := range a {
				aud = append(aud, v.(string))
			}
		}
		if !slices.Equal(aud, got.Audience()) {
			t.Fatalf("aud of %q is read as %q", payload, got.Audience())
		}
		if !got.ExpiresAt().After(now) || got.NotBefore().After(now) || got.IssuedAt().After(now) {
			t.Fatalf("accepted at the wrong time: %q", payload)
		}
		if again, err := v.Verify(context.Background(), token); err != nil || again.Header() != got.Header() {
			t.Fatalf("the second time: %+v, %v", again, err)
		}
		if _, err := ClaimsAs[map[string]json.RawMessage](got); err != nil {
			t.Fatalf("encoding/json refuses %q: %v", payload, err)
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

// near allows for what a float64 cannot hold.
func near(t time.Time, seconds float64) bool {
	return t.Sub(time.Unix(0, 0)) > 1<<62 || t.Sub(time.UnixMicro(int64(seconds*1e6))).Abs() < time.Millisecond
}

// FuzzOpenToken: a text that is accepted is the only one of its token, and
// golang-jwt and encoding/json read the header alike.
func FuzzOpenToken(f *testing.F) {
	ok := unpadded(`{"alg":"ES256","kid":"k1"}`) + "." + unpadded(`{"iss":"a"}`) + "." + unpadded("signature")
	for _, token := range []string{ok, ok + "\n", ok + "=", ok + ".", "Bearer " + ok, "..", "", strings.Replace(ok, ".", ".\r\n", 1), unpadded(`{"alg":1}`) + ".e30.AA", unpadded(`{"alg":"ES256","x":1e999}`) + "." + unpadded(`{"iss":"a","x":-1e999}`) + ".AA", "e30.e30.AB"} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		const limit = 4 << 10
		opened, err := openToken(token, limit)
		if err != nil {
			if !errors.Is(err, ErrTokenInvalid) || errors.Is(err, ErrUnavailable) {
				t.Fatal(err)
			}
			if len(token) > limit != errors.Is(err, ErrTokenTooLarge) {
				t.Fatalf("%d bytes: %v", len(token), err)
			}
			return
		}
		parts := strings.Split(token, ".")
		if len(parts) != 3 || opened.signed != parts[0]+"."+parts[1] || opened.raw != token {
			t.Fatalf("%q is opened as %+v", token, opened)
		}
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil || unpadded(string(header)) != parts[0] || unpadded(string(opened.payload)) != parts[1] || unpadded(string(opened.signature)) != parts[2] {
			t.Fatalf("%q is one of several texts of a token: %v", token, err)
		}
		var h map[string]any
		if err := json.Unmarshal(header, &h); err != nil && !tooLarge(err) {
			t.Fatalf("encoding/json refuses the header %q: %v", header, err)
		}
		for name, value := range map[string]string{"alg": opened.header.Algorithm, "kid": opened.header.KeyID, "typ": opened.header.Type, "x5t": opened.header.X5t, "x5t#S256": opened.header.X5tS256} {
			want, is := h[name].(string)
			if want != value || !is && h[name] != nil {
				t.Fatalf("%s of %q is read as %q", name, header, value)
			}
		}
		if opened.alg != algorithmNamed(opened.header.Algorithm) {
			t.Fatalf("alg %q is %d", opened.header.Algorithm, opened.alg)
		}
		if iss, _, err := opened.unverifiedIssuer(); err == nil {
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

// FuzzNumericDate compares with exact arithmetic.
func FuzzNumericDate(f *testing.F) {
	for _, text := range []string{"0", "-0", "1.5", "15e-1", "1e9", "253402300799", "253402300799.0", "253402300799.000000000000000001", "253402300800", "2534023007990e-1", "0.1e-300", "1E+011", "0e99", "100000e-5"} {
		f.Add(text)
	}
	limit := new(big.Rat).SetInt64(maxNumericDate)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 || strictjson.Valid(text) != nil {
			return
		}
		m := strictjson.Object(`{"exp":` + text + `}`)
		m.Next()
		text = m.Value().Raw() // without spaces
		if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok {
			if n, err := strconv.Atoi(exponent); err != nil || n > 400 || n < -400 {
				return // big.Rat would take its time
			}
		}
		got, ok := numericDate(m.Value())
		exact, number := new(big.Rat).SetString(text)
		if !number || m.Value().Kind() != strictjson.Number {
			if ok {
				t.Fatalf("%q is read as %v", text, got)
			}
			return
		}
		if want := exact.Sign() >= 0 && exact.Cmp(limit) <= 0 && text[0] != '-'; ok != want {
			t.Fatalf("%q: accepted %t, want %t", text, ok, want)
		}
		if !ok {
			return
		}
		nanos := new(big.Rat).Mul(exact, new(big.Rat).SetInt64(1e9))
		want := new(big.Int).Quo(nanos.Num(), nanos.Denom())
		have := new(big.Int).Add(new(big.Int).Mul(big.NewInt(got.Unix()), big.NewInt(1e9)), big.NewInt(int64(got.Nanosecond())))
		if have.Cmp(want) != 0 {
			t.Fatalf("%q is read as %d ns, want %d", text, have, want)
		}
	})
}
