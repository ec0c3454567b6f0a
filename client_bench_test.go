package jwks_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// clientOf makes a client, loaded, of a set with n keys: k-0, k-1 and so on.
func clientOf(tb testing.TB, n int) *jwks.Client {
	tb.Helper()
	entry := newSigner(tb, "ES256", "KID").jwk()
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

func TestFindingAKnownKeyAllocatesNothing(t *testing.T) {
	if raceEnabled {
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
	for _, n := range []int{1, 1000} {
		c := clientOf(b, n)
		const some = 64
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
