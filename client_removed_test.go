package jwks_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestVanishedKidsHaveABudgetOfTheirOwn(t *testing.T) {
	// The set loses k1 and gets it back, as Entra's replicas do.
	flap := func(t *testing.T) (w *world, c *jwks.Client, with, without string) {
		w = newWorld(t)
		with = answerOf(t, w)
		w.issuer.Rotate()
		w.issuer.RemoveKey("k1")
		without = answerOf(t, w)
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(with)))
		c = w.client()
		finds(t, c, "k1")
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(without)))
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return w, c, with, without
	}
	drain := func(t *testing.T, c *jwks.Client) {
		t.Helper()
		for i := range 10 {
			misses(t, c, fmt.Sprint("junk-", time.Now().Unix(), i), jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		}
	}
	bubble(t, "junk kids cannot starve it", func(t *testing.T) {
		w, c, with, _ := flap(t)
		drain(t, c)
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(with)))
		finds(t, c, "k1")
	})
	bubble(t, "and it does not starve them", func(t *testing.T) {
		w, c, _, _ := flap(t)
		w.sent("")
		for range 10 {
			misses(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			time.Sleep(time.Minute + 1)
			if w.elapsed() > 9*time.Minute { // before refresh-ahead
				break
			}
		}
		w.sent("")
		drain(t, c)
		if n := len(w.sent(jwksPath)); n != 5 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "it is bounded as well", func(t *testing.T) {
		w, c, with, without := flap(t)
		c2 := w.client(jwks.WithKeyCacheSize(0)) // no memory of missing kids
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(with)))
		finds(t, c2, "k1")
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(without)))
		if _, err := c2.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.sent("")
		for range 100 {
			misses(t, c2, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		}
		if n := len(w.sent(jwksPath)); n != 5 {
			t.Errorf("%d requests", n)
		}
		_ = c
	})
	bubble(t, "for 48 h", func(t *testing.T) {
		w, c, with, _ := flap(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = c.Run(ctx) }()
		time.Sleep(48*time.Hour - time.Minute)
		drain(t, c)
		w.sent("")
		misses(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if n := len(w.sent(jwksPath)); n != 1 {
			t.Errorf("within them %d requests", n)
		}
		time.Sleep(10 * time.Minute)
		drain(t, c)
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(with)))
		misses(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
	bubble(t, "bad signatures draw on the other one", func(t *testing.T) {
		w, c, with, _ := flap(t)
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(with)))
		finds(t, c, "k1") // left and came back
		drain(t, c)
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		w.sent("")
		_, err = v.Verify(t.Context(), newSigner(t, "ES256", "k1").token(`{"iss":"`+w.issuer.URL()+`","exp":9999999999}`))
		wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
		if n := len(w.sent("")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestRemovedKey(t *testing.T) {
	for _, size := range []int{0, 1024} {
		bubble(t, fmt.Sprintf("is refused once a set without it was fetched, with WithKeyCacheSize(%d)", size), func(t *testing.T) {
			w := newWorld(t)
			w.issuer.Rotate()
			c := w.client(jwks.WithKeyCacheSize(size))
			v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithTokenCache(100))
			if err != nil {
				t.Fatal(err)
			}
			token := w.issuer.Sign(nil, jwkstest.WithKeyID("k1"))
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			w.issuer.RemoveKey("k1")
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Errorf("before: %v", err)
			}
			if _, err := c.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			_, err = v.Verify(t.Context(), token)
			wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			misses(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			if e := w.told(jwks.EventRefreshed); len(e) != 2 || len(e[1].Removed) != 1 || e[1].Removed[0] != "k1" {
				t.Errorf("told %v", e)
			}
		})
	}
	bubble(t, "at the latest a TTL after its removal, under traffic", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.Rotate()
		c := w.client()
		finds(t, c, "k1")
		w.issuer.RemoveKey("k1")
		removed := w.elapsed()
		for {
			if _, err := c.Key(t.Context(), "k1"); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := w.elapsed() - removed; took > ttl {
			t.Errorf("accepted for %v", took)
		}
	})
}

func TestReplacedKey(t *testing.T) {
	bubble(t, "verifies its first token", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		old := w.issuer.Sign(nil)
		if _, err := v.Verify(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		next := newSigner(t, "ES256", "k1")
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + next.jwk() + `]}`)))
		token := next.token(`{"iss":"` + w.issuer.URL() + `","exp":9999999999}`)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
		_, err = v.Verify(t.Context(), old)
		wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
	})
	for name, algs := range map[string][2]string{
		"of another type":  {"ES256", "EdDSA"},
		"of another curve": {"ES384", "ES256"},
		"of another alg":   {"RS256", "PS256"},
	} {
		bubble(t, "by one "+name+", it verifies its first token too, within the budget", func(t *testing.T) {
			w := newWorld(t)
			c := w.client()
			v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
			if err != nil {
				t.Fatal(err)
			}
			payload := `{"iss":"` + w.issuer.URL() + `","exp":9999999999}`
			old, next := newSigner(t, algs[0], "k1"), newSigner(t, algs[1], "k1")
			w.issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + old.jwkWith(old.alg) + `]}`)))
			accepted(t, v, old.token(payload))
			w.sent("")
			w.issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + next.jwkWith(next.alg) + `]}`)))
			time.Sleep(time.Second)
			accepted(t, v, next.token(payload))
			if n := len(w.sent("")); n != 1 {
				t.Errorf("%d requests", n)
			}
			time.Sleep(time.Second)
			for range 50 { // who goes on with the other alg does not drain the budget
				refusedOnce(t, v, old.token(payload), jwks.ErrAlgorithmNotAllowed)
				time.Sleep(time.Second)
			}
			if n := len(w.sent("")); n > 1 {
				t.Errorf("%d requests for tokens under another alg", n)
			}
		})
	}
	bubble(t, "with a retention too", func(t *testing.T) {
		w := newWorld(t)
		c := w.client(jwks.WithRetention(time.Hour))
		finds(t, c, "k1")
		next := newSigner(t, "ES256", "k1")
		w.issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + next.jwk() + `]}`)))
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		keys, err := c.SigningKeys(t.Context(), jwks.Header{KeyID: "k1"}, "")
		if err != nil || len(keys) != 1 || !next.key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(keys[0].Public()) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		if st := c.Status(); len(st.Retained) != 0 {
			t.Errorf("retained %v", st.Retained)
		}
	})
	bubble(t, "nobody waits for one while attempts fail", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		finds(t, c, "k1")
		w.issuer.SetFault(jwkstest.Hang())
		time.Sleep(ttl + time.Minute)
		findsWithin(t, c, "k1", time.Minute)
		payload := `{"iss":"` + w.issuer.URL() + `","exp":9999999999}`
		for token, want := range map[string]error{
			newSigner(t, "ES256", "k1").token(payload): jwt.ErrTokenSignatureInvalid,
			newSigner(t, "EdDSA", "k1").token(payload): jwks.ErrAlgorithmNotAllowed,
		} {
			for range 300 {
				finds(t, c, "k1") // at once, and looks again when the backoff is over
				var err error
				if took := timed(func() { _, err = v.Verify(t.Context(), token) }); took != 0 {
					t.Fatalf("it took %v: %v", took, err)
				}
				wantError(t, err, jwks.ErrTokenInvalid, want)
				time.Sleep(time.Second)
			}
		}
	})
	for name, fault := range map[string]jwkstest.Fault{"while the refresh fails": jwkstest.Status(404), "while it hangs": jwkstest.Hang()} {
		bubble(t, "the key at hand decides "+name, func(t *testing.T) {
			w := newWorld(t)
			c := w.client()
			v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
			if err != nil {
				t.Fatal(err)
			}
			finds(t, c, "k1")
			w.issuer.SetFault(fault)
			forged := newSigner(t, "ES256", "k1").token(`{"iss":"` + w.issuer.URL() + `","exp":9999999999}`)
			_, err = v.Verify(t.Context(), forged)
			wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
			took := timed(func() { _, err = v.Verify(t.Context(), forged) }) // a backoff runs
			wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
			if took != 0 {
				t.Errorf("during the backoff it took %v", took)
			}
		})
	}
	bubble(t, "a caller who has gone asks nobody", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		finds(t, c, "k1")
		w.sent("")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = v.Verify(ctx, newSigner(t, "ES256", "k1").token(`{"iss":"`+w.issuer.URL()+`","exp":9999999999}`))
		wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
		synctest.Wait()
		if n := len(w.sent("")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "a caller who leaves gets the answer of the key at hand", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		finds(t, c, "k1")
		w.issuer.SetFault(jwkstest.Hang())
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		took := timed(func() {
			_, err = v.Verify(ctx, newSigner(t, "ES256", "k1").token(`{"iss":"`+w.issuer.URL()+`","exp":9999999999}`))
		})
		wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid)
		if took != 100*time.Millisecond || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", took, err)
		}
	})
}
