package accel

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-22400188/jwks"
)

// BenchmarkWholeOverBare is a whole verification, with every check and the
// claims, beside the bare signature check of the standard library. x-bare is
// with the accelerator, x-bare-without without it.
func BenchmarkWholeOverBare(b *testing.B) {
	for _, bench := range benchmarked {
		b.Run(bench.name, func(b *testing.B) {
			key := testKey(b, bench.key)
			header := `{"alg":"` + bench.alg + `","typ":"at+jwt","kid":"k1"}`
			payload := `{"iss":"https://issuer.example","sub":"user-4711","aud":["orders-api"],"exp":4102444800,"iat":1700000000,` +
				`"nbf":1700000000,"jti":"0b1f6a1e-8d0f-4f57-9f1c-2d6b1f3a7c55","client_id":"web","scope":"orders:read orders:write profile",` +
				`"email":"user@example.com","name":"A. User","roles":["admin","auditor"],"tenant":"acme","amr":["pwd","otp"],"acr":"2"}`
			signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
			signature := key.sign(b, bench.alg, signed)
			token := signed + "." + base64.RawURLEncoding.EncodeToString(signature)
			bare := key.bare(bench.alg, signed, signature)

			entry, err := jose.JSONWebKey{Key: key.public, KeyID: "k1"}.MarshalJSON()
			if err != nil {
				b.Fatal(err)
			}
			document, err := json.Marshal(map[string]any{"keys": []json.RawMessage{entry}})
			if err != nil {
				b.Fatal(err)
			}
			set, err := jwks.ParseKeySet(document)
			if err != nil {
				b.Fatal(err)
			}
			verifier := func(opts ...jwks.ClientOption) func() {
				c, err := jwks.NewClient(append(opts, jwks.WithKeySet(set))...)
				if err != nil {
					b.Fatal(err)
				}
				v, err := jwks.NewVerifier(c, jwks.WithExpectedIssuer("https://issuer.example"), jwks.WithAudience("orders-api"))
				if err != nil {
					b.Fatal(err)
				}
				return func() {
					if _, err := v.Verify(b.Context(), token); err != nil {
						b.Fatal(err)
					}
				}
			}
			with, without := verifier(jwks.WithAccelerator(New())), verifier()
			with() // prepares
			without()

			const turn = 8
			timed := func(f func()) float64 {
				began := time.Now()
				for range turn {
					f()
				}
				return float64(time.Since(began))
			}
			var faster, plain []float64
			for b.Loop() {
				base := timed(func() { bare() })
				faster = append(faster, timed(with)/base)
				plain = append(plain, timed(without)/base)
			}
			slices.Sort(faster)
			slices.Sort(plain)
			b.ReportMetric(faster[len(faster)/2], "x-bare")
			b.ReportMetric(plain[len(plain)/2], "x-bare-without")
			b.ReportMetric(0, "ns/op") // of a turn: of no meaning
		})
	}
}
