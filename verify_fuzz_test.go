package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4/json"
)

// FuzzVerify signs any header and any payload. What is accepted, go-jose's
// reader (which compares names exactly and knows no duplicates) accepts too
// and reads alike; nobody accepts what is expired; and Explain says the same.
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
		if r := v.Explain(context.Background(), token); (r.Err == nil) != (err == nil) || err != nil && r.Err.Error() != err.Error() {
			t.Fatalf("Verify says %v, Explain %v", err, r.Err)
		}
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
