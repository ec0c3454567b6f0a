package jwks

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/compact"
)

// BenchmarkPath shows what Verify does besides looking up a key and checking a
// signature, in parts.
func BenchmarkPath(b *testing.B) {
	v, err := NewVerifier(new(KeySet), WithAudience("api"), WithExpectedIssuer("https://issuer.example"), WithNow(func() time.Time { return time.Unix(1767225600, 0) }))
	if err != nil {
		b.Fatal(err)
	}
	payload := `{"exp":1767232800,"iat":1767225600,"nbf":1767225540,"jti":"0b4f6a1e-3f2c-4f67-8a35-9d1e6c2b7f80",` +
		`"iss":"https://issuer.example","aud":["api","account"],"sub":"f3b1c9d2-7a64-4b0e-9c1d-5e8f0a2b4c6d","typ":"Bearer",` +
		`"azp":"web-frontend","sid":"2d7f1f5e-4f7e-46a5-8a3c-0f5c3d1e9b21","scope":"openid profile email orders:read orders:write",` +
		`"email":"renee.example@customer.example","email_verified":true,"preferred_username":"renee.example",` +
		`"realm_access":{"roles":["offline_access","uma_authorization","default-roles-production","orders-reader"]}}`
	token := unpadded(`{"alg":"RS256","typ":"JWT","kid":"key-prod-000001"}`) + "." + unpadded(payload) + "." + unpadded(string(make([]byte, 256)))
	var buffer []byte
	var opened compact.Token
	if err := opened.Open(token, compact.DefaultMaxSize, &buffer, nil); err != nil {
		b.Fatal(err)
	}
	v.headers.Add(&opened)
	verified := newToken(token, Header(opened.Header), new(Key), v.policies.common)
	if err := verified.claims.Read(opened.Payload(), nil); err != nil {
		b.Fatal(err)
	}
	for _, part := range []struct {
		name string
		do   func() error
	}{
		{"open, an unknown header", func() error {
			var o compact.Token
			return o.Open(token, compact.DefaultMaxSize, &buffer, nil)
		}},
		{"open", func() error {
			var o compact.Token
			return o.Open(token, compact.DefaultMaxSize, &buffer, v.headers)
		}},
		{"claims", func() error {
			t := newToken(token, Header(opened.Header), nil, nil)
			return t.claims.Read(strings.Clone(opened.Payload()), nil)
		}},
		{"policy", func() error { return validate(context.Background(), verified, nil) }},
	} {
		b.Run(part.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := part.do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
