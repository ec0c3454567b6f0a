package speed

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// clientOf makes a client, loaded, of a set with n keys: k-0, k-1 and so on.
func clientOf(tb testing.TB, n int) *jwks.Client {
	tb.Helper()
	entry := testkit.NewSigner(tb, "ES256", "KID").JWK()
	entries := make([]string, n)
	for i := range entries {
		entries[i] = strings.Replace(entry, "KID", fmt.Sprint("k-", i), 1)
	}
	issuer := jwkstest.New(tb, jwkstest.WithAlgorithms("ES256"))
	issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + strings.Join(entries, ",") + `]}`)))
	c, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	if err := c.Ready(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestClient_KnownKeyAllocatesNothing(t *testing.T) {
	if testkit.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, n := range []int{1, 1000} {
		c := clientOf(t, n)
		ctx := context.Background()
		for name, find := range map[string]func() error{
			"SigningKeys": func() error {
				_, err := c.SigningKeys(ctx, jwks.Header{Algorithm: "ES256", KeyID: "k-0", Type: "JWT"}, "https://issuer.example")
				return err
			},
			"Key":    func() error { _, err := c.Key(ctx, "k-0"); return err },
			"KeySet": func() error { _, err := c.KeySet(ctx); return err },
		} {
			allocs := testing.AllocsPerRun(1000, func() {
				if err := find(); err != nil {
					t.Fatal(err)
				}
			})
			if allocs != 0 {
				t.Errorf("%s with %d keys: %v allocations", name, n, allocs)
			}
		}
	}
}

// BenchmarkKnownKey is what finding a key costs, alone and on all cores.
func BenchmarkKnownKey(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{1, 10, 100, 1000} { // the largest set that is accepted
		c := clientOf(b, n)
		const some = 1024
		headers := make([]jwks.Header, some)
		for i := range headers {
			headers[i] = jwks.Header{Algorithm: "ES256", KeyID: fmt.Sprint("k-", i*n/some), Type: "JWT"}
		}
		b.Run(fmt.Sprintf("SigningKeys/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := c.SigningKeys(ctx, headers[i%some], "https://issuer.example"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("SigningKeys/%d/parallel", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := c.SigningKeys(ctx, headers[i%some], "https://issuer.example"); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
		b.Run(fmt.Sprintf("Key/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := c.Key(ctx, headers[i%some].KeyID); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("Key/%d/parallel", n), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := c.Key(ctx, headers[i%some].KeyID); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkUnknownKey is what refusing a key costs once the budget is spent.
func BenchmarkUnknownKey(b *testing.B) {
	c := clientOf(b, 10)
	for i := range 10 {
		_, _ = c.Key(context.Background(), fmt.Sprint("junk-", i))
	}
	kids := make([]string, 1024)
	for i := range kids {
		kids[i] = fmt.Sprint("unknown-", i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := c.Key(context.Background(), kids[i%len(kids)]); err == nil {
			b.Fatal("found")
		}
		i++
	}
}

// BenchmarkColdStart is what the first token of a service costs: a client and a
// verifier are made, discovery and key set are fetched from an issuer in
// memory, the token is verified.
func BenchmarkColdStart(b *testing.B) {
	issuer := jwkstest.New(b, jwkstest.WithAlgorithms("ES256"))
	token := issuer.Sign(nil)
	b.ReportAllocs()
	for b.Loop() {
		c, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
		if err != nil {
			b.Fatal(err)
		}
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := v.Verify(context.Background(), token); err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadAgain is what a client spends on a set of 1,000 RSA keys, with
// the request: the first reading, one where a key has changed, one of the same
// document, and an answer of 304. They take turns; x-faster is how many times
// faster than the first reading it is, as the median of the turns.
func BenchmarkReadAgain(b *testing.B) {
	documents := [2][]byte{manyRSAKeys(b, 1000, 0), manyRSAKeys(b, 1000, 5000)}
	rotated := bytes.Replace(documents[1], []byte(`"key-7"`), []byte(`"key-new"`), 1)
	var answer []byte // nil: not modified
	c, err := jwks.NewClient(jwks.WithJWKSURL("https://issuer.example/jwks"), jwks.WithHTTPClient(&http.Client{
		Transport: testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Etag": {`"1"`}}, Request: r, ContentLength: int64(len(answer))}
			if answer == nil {
				resp.StatusCode = http.StatusNotModified
			}
			resp.Body = io.NopCloser(bytes.NewReader(answer))
			return resp, nil
		})}))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	read := func(document []byte) float64 {
		answer = document
		began := time.Now()
		if _, err := c.Refresh(context.Background()); err != nil {
			b.Fatal(err)
		}
		return float64(time.Since(began))
	}
	var first, changed, unchanged, notModified []float64
	for i := 0; b.Loop(); i++ {
		a := read(documents[i%2])
		first = append(first, a)
		unchanged = append(unchanged, a/read(documents[i%2]))
		notModified = append(notModified, a/read(nil))
		if i%2 == 1 {
			changed = append(changed, a/read(rotated))
		}
	}
	b.ReportMetric(0, "ns/op") // of a turn: meaningless
	for unit, values := range map[string][]float64{"ns-first": first, "x-faster-changed": changed, "x-faster-same": unchanged, "x-faster-304": notModified} {
		if slices.Sort(values); len(values) > 0 {
			b.ReportMetric(values[len(values)/2], unit)
		}
	}
}
