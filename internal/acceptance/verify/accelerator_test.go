package verify

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"math/big"
	"slices"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// accelerator writes down what it is asked, and answers as it is told to.
type accelerator struct {
	prepare func(crypto.PublicKey) jwks.PreparedKey
	verify  func(alg, signed string, signature []byte) bool

	mu       sync.Mutex
	prepared int
	algs     []string
}

func (a *accelerator) Prepare(key crypto.PublicKey) jwks.PreparedKey {
	a.mu.Lock()
	a.prepared++
	a.mu.Unlock()
	if a.prepare != nil {
		return a.prepare(key)
	}
	return a
}

func (a *accelerator) Verify(alg, signed string, signature []byte) bool {
	a.mu.Lock()
	a.algs = append(a.algs, alg)
	a.mu.Unlock()
	return a.verify(alg, signed, signature)
}

// accelerated is a verifier whose client uses a.
func accelerated(t *testing.T, issuer *jwkstest.Issuer, a jwks.Accelerator) (*jwks.Client, *jwks.Verifier) {
	c, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithAccelerator(a))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c, testkit.NewSourceVerifier(t, c, jwks.WithTokenCache(0))
}

func TestAccelerator_Decides(t *testing.T) {
	algs := []string{"RS256", "PS512", "ES256", "ES384", "EdDSA"}
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms(algs...))
	answer := true
	a := &accelerator{verify: func(string, string, []byte) bool { return answer }}
	c, v := accelerated(t, issuer, a)
	set, err := c.KeySet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if a.prepared != 0 {
		t.Errorf("%d keys were prepared before they checked a signature", a.prepared)
	}
	var tokens []string
	for k := range set.All() {
		tokens = append(tokens, issuer.Sign(nil, jwkstest.WithKeyID(k.ID())))
	}
	for range 2 {
		for _, token := range tokens {
			testkit.AcceptOnce(t, v, token)
		}
	}
	if a.prepared != len(algs) {
		t.Errorf("%d preparations of %d keys", a.prepared, len(algs))
	}
	if want := slices.Concat(algs, algs); !slices.Equal(a.algs, want) {
		t.Errorf("asked about %q, want %q", a.algs, want)
	}
	// Its no is final, also where the standard library would say yes.
	answer = false
	for _, token := range tokens {
		_, err := v.Verify(t.Context(), token)
		testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
	}
}

// A refresh keeps what was prepared for an entry that did not change.
func TestAccelerator_RefreshKeepsKeys(t *testing.T) {
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	a := &accelerator{verify: func(string, string, []byte) bool { return true }}
	c, v := accelerated(t, issuer, a)
	token := issuer.Sign(nil)
	testkit.AcceptOnce(t, v, token)
	issuer.AddKey("ES256")
	testkit.MustRefresh(t, c)
	testkit.AcceptOnce(t, v, token)
	if a.prepared != 1 {
		t.Errorf("prepared %d times, want once", a.prepared)
	}
}

// What goes wrong in an accelerator neither ends the program nor lets a token
// pass.
func TestAccelerator_DeclinesAndPanics(t *testing.T) {
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	token, forged := issuer.Sign(nil), issuer.Sign(map[string]any{"sub": "somebody else"})
	forged = forged[:len(forged)-86] + token[len(token)-86:]
	for name, a := range map[string]*accelerator{
		"declines": {prepare: func(crypto.PublicKey) jwks.PreparedKey { return nil }},
		"panics":   {prepare: func(crypto.PublicKey) jwks.PreparedKey { panic("unprepared") }},
	} {
		t.Run("Prepare "+name, func(t *testing.T) {
			_, v := accelerated(t, issuer, a)
			testkit.AcceptOnce(t, v, token)
			testkit.AcceptOnce(t, v, token)
			_, err := v.Verify(t.Context(), forged)
			testkit.WantError(t, err, jwt.ErrTokenSignatureInvalid)
			if a.prepared != 1 {
				t.Errorf("prepared %d times, want once", a.prepared)
			}
		})
	}
	t.Run("Verify panics", func(t *testing.T) {
		_, v := accelerated(t, issuer, &accelerator{verify: func(string, string, []byte) bool { panic("unverified") }})
		_, err := v.Verify(t.Context(), token)
		testkit.WantError(t, err, jwt.ErrTokenSignatureInvalid)
	})
}

// An accelerator that writes to the key it was given changes nothing here.
func TestAccelerator_GetsACopy(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		issuer := jwkstest.New(t, jwkstest.WithAlgorithms(alg))
		_, v := accelerated(t, issuer, &accelerator{prepare: func(key crypto.PublicKey) jwks.PreparedKey {
			switch key := key.(type) {
			case *rsa.PublicKey:
				key.N.SetInt64(3)
			case *ecdsa.PublicKey:
				key.X = big.NewInt(1)
			case ed25519.PublicKey:
				clear(key)
			default:
				t.Errorf("%s: a %T", alg, key)
			}
			return nil
		}})
		testkit.AcceptOnce(t, v, issuer.Sign(nil))
		testkit.AcceptOnce(t, v, issuer.Sign(nil))
	}
}

// A seed is the program's own set: other clients use it without the
// accelerator.
func TestAccelerator_SeedIsCopied(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	seed := testkit.KeySetOf(t, s)
	a := &accelerator{verify: func(string, string, []byte) bool { return false }}
	c, err := jwks.NewClient(jwks.WithKeySet(seed), jwks.WithAccelerator(a))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	token := s.Token(testkit.Payload(nil))
	testkit.Accept(t, testkit.NewVerifier(t, seed), token)
	_, err = testkit.NewVerifier(t, c).Verify(t.Context(), token)
	testkit.WantError(t, err, jwt.ErrTokenSignatureInvalid)
	testkit.Accept(t, testkit.NewVerifier(t, seed), token)
}

func TestAccelerator_NilIsRefused(t *testing.T) {
	for _, a := range []jwks.Accelerator{nil, (*accelerator)(nil)} {
		_, err := jwks.NewClient(jwks.WithJWKSURL("https://issuer.example/jwks"), jwks.WithAccelerator(a))
		if !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("%#v: %v", a, err)
		}
	}
}

func TestAccelerator_Concurrent(t *testing.T) {
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	a := &accelerator{verify: func(string, string, []byte) bool { return true }}
	_, v := accelerated(t, issuer, a)
	token := issuer.Sign(nil)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { testkit.AcceptOnce(t, v, token) })
	}
	wg.Wait()
	if a.prepared != 1 {
		t.Errorf("prepared %d times, want once", a.prepared)
	}
}
