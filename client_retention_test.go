package jwks_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestRetention(t *testing.T) {
	// left makes a client of a set that has just lost k1.
	left := func(t *testing.T, d time.Duration) (*world, *jwks.Client) {
		w := newWorld(t)
		w.issuer.Rotate()
		c := w.client(jwks.WithRetention(d), jwks.WithTTL(1000*time.Hour))
		finds(t, c, "k1")
		w.issuer.RemoveKey("k1")
		refreshed(t, c)
		return w, c
	}
	bubble(t, "by default there is none", func(t *testing.T) {
		_, c := left(t, 0)
		misses(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if st := c.Status(); len(st.Retained) != 0 {
			t.Errorf("retained %v", st.Retained)
		}
	})
	bubble(t, "keeps a key for d from the first set without it, and no longer", func(t *testing.T) {
		w, c := left(t, time.Hour)
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck(), jwks.WithoutExpiry())
		if err != nil {
			t.Fatal(err)
		}
		token := w.issuer.Sign(map[string]any{"exp": nil}, jwkstest.WithKeyID("k1"))
		w.sent("")
		for range 60 {
			finds(t, c, "k1")
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			if st := c.Status(); !slices.Equal(st.Retained, []string{"k1"}) || !slices.Equal(st.KeyIDs, []string{"k2"}) {
				t.Fatalf("%+v", st)
			}
			time.Sleep(time.Minute - 1)
			refreshed(t, c) // later sets do not prolong it
			time.Sleep(time.Nanosecond)
		}
		w.sent("")
		misses(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		_, err = v.Verify(t.Context(), token)
		wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if st := c.Status(); len(st.Retained) != 0 {
			t.Errorf("retained %v", st.Retained)
		}
	})
	bubble(t, "later changes of the set do not prolong it", func(t *testing.T) {
		w, c := left(t, time.Hour)
		for range 4 {
			time.Sleep(14 * time.Minute)
			w.issuer.Rotate()
			refreshed(t, c)
			finds(t, c, "k1")
		}
		time.Sleep(4 * time.Minute)
		misses(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
	bubble(t, "each key has its own time", func(t *testing.T) {
		w, c := left(t, time.Hour)
		w.issuer.Rotate()
		time.Sleep(30 * time.Minute)
		w.issuer.RemoveKey("k2")
		refreshed(t, c)
		if st := c.Status(); !slices.Equal(st.Retained, []string{"k2", "k1"}) {
			t.Errorf("retained %v", st.Retained)
		}
		time.Sleep(30 * time.Minute)
		misses(t, c, "k1", jwks.ErrKeyNotFound)
		finds(t, c, "k2")
		time.Sleep(30 * time.Minute)
		misses(t, c, "k2", jwks.ErrKeyNotFound)
	})
	bubble(t, "KeySet stays what the issuer published", func(t *testing.T) {
		_, c := left(t, time.Hour)
		if kids := kidsIn(t, c); !slices.Equal(kids, []string{"k2"}) {
			t.Errorf("%v", kids)
		}
	})
	bubble(t, "a token without a kid does not see it", func(t *testing.T) {
		w := newWorld(t)
		w.issuer.AddKey("ES384")
		c := w.client(jwks.WithRetention(time.Hour))
		if _, err := c.SigningKeys(t.Context(), jwks.Header{Algorithm: "ES384"}, ""); err != nil {
			t.Fatal(err)
		}
		w.issuer.RemoveKey("k2")
		refreshed(t, c)
		finds(t, c, "k2")
		_, err := c.SigningKeys(t.Context(), jwks.Header{Algorithm: "ES384"}, "")
		wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
	bubble(t, "finding it asks nobody", func(t *testing.T) {
		w, c := left(t, time.Hour)
		w.sent("")
		for range 100 {
			finds(t, c, "k1")
		}
		if n := len(w.sent("")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "the algorithm of the key is still checked", func(t *testing.T) {
		_, c := left(t, time.Hour)
		_, err := c.SigningKeys(t.Context(), jwks.Header{KeyID: "k1", Algorithm: "ES384"}, "")
		wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrAlgorithmNotAllowed)
	})
	bubble(t, "a forged token under it is refused", func(t *testing.T) {
		w, c := left(t, time.Hour)
		_, err := c.KeyForToken(t.Context(), w.issuer.Sign(map[string]any{"iss": "https://other.example"}, jwkstest.WithKeyID("k1")))
		wantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer)
	})

	// What a later set says of the kid.
	for _, tt := range []struct {
		rule  string
		entry func(old string) string
		found bool
	}{
		{"a kid that comes back as it was is an ordinary key", func(old string) string { return old }, true},
		{"other material under the kid ends it at once", func(string) string { return newSigner(t, "ES256", "k1").jwk() }, true},
		{"a skipped entry with the kid ends it at once", func(string) string { return `{"kty":"EC","crv":"P-256","kid":"k1","x":"bad"}` }, false},
		{"an entry that is not for signatures ends it at once", func(old string) string { return strings.Replace(old, `"sig"`, `"enc"`, 1) }, false},
	} {
		bubble(t, tt.rule, func(t *testing.T) {
			w := newWorld(t)
			first, second := newSigner(t, "ES256", "k1"), newSigner(t, "ES256", "k2")
			publish := func(entries ...string) {
				w.issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + strings.Join(entries, ",") + `]}`)))
			}
			c := w.client(jwks.WithRetention(time.Hour))
			publish(first.jwk(), second.jwk())
			before, err := c.Key(t.Context(), "k1")
			if err != nil {
				t.Fatal(err)
			}
			publish(second.jwk())
			refreshed(t, c)
			if key, err := c.Key(t.Context(), "k1"); err != nil || key != before {
				t.Fatalf("not retained: %v", err)
			}
			entry := tt.entry(first.jwk())
			publish(second.jwk(), entry)
			refreshed(t, c)
			if st := c.Status(); len(st.Retained) != 0 {
				t.Errorf("retained %v", st.Retained)
			}
			key, err := c.Key(t.Context(), "k1")
			switch {
			case !tt.found:
				wantError(t, err, jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			case err != nil:
				t.Error(err)
			case (key.Thumbprint() == before.Thumbprint()) != (entry == first.jwk()):
				t.Error("the wrong key was found")
			}
			publish(second.jwk())
			refreshed(t, c)
			if key, err := c.Key(t.Context(), "k1"); tt.found != (err == nil) || err == nil && key.Thumbprint() == before.Thumbprint() != (entry == first.jwk()) {
				t.Errorf("when it leaves again: %v", err)
			}
		})
	}
}

// refreshed forces a refresh.
func refreshed(t *testing.T, c *jwks.Client) {
	t.Helper()
	if _, err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}
