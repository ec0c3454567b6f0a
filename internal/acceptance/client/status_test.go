package client

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_StatusOverALifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := testkit.NewEnv(t)
		start := time.Now()
		c := env.NewClient()
		check := func(when string, want jwks.Status) {
			t.Helper()
			got := c.Status()
			if (got.NextAttempt.IsZero()) != want.NextAttempt.IsZero() {
				t.Errorf("%s: next attempt %v", when, got.NextAttempt)
			}
			if (got.LastError == nil) != want.LastErrorAt.IsZero() || !got.LastErrorAt.Equal(want.LastErrorAt) {
				t.Errorf("%s: last error %v at %v, want at %v", when, got.LastError, got.LastErrorAt, want.LastErrorAt)
			}
			if !got.FetchedAt.Equal(want.FetchedAt) || !got.ExpiresAt.Equal(want.ExpiresAt) || !got.StaleUntil.Equal(want.StaleUntil) {
				t.Errorf("%s: fetched %v, expires %v, stale until %v; want %v, %v, %v", when,
					got.FetchedAt, got.ExpiresAt, got.StaleUntil, want.FetchedAt, want.ExpiresAt, want.StaleUntil)
			}
			if !slices.Equal(got.KeyIDs, want.KeyIDs) || !slices.Equal(got.Retained, want.Retained) || len(got.Skipped) != len(want.Skipped) {
				t.Errorf("%s: keys %v, retained %v, skipped %v", when, got.KeyIDs, got.Retained, got.Skipped)
			}
			if got.Issuer != env.Issuer.URL() || got.JWKSURL != want.JWKSURL {
				t.Errorf("%s: issuer %q, key set at %q", when, got.Issuer, got.JWKSURL)
			}
			type rest struct {
				state                                    jwks.State
				failing                                  int
				fetches, notModified, failures, throttle uint64
			}
			of := func(s jwks.Status) rest {
				return rest{s.State, s.ConsecutiveFailures, s.Fetches, s.NotModified, s.Failures, s.Throttled}
			}
			if of(got) != of(want) {
				t.Errorf("%s: %+v, want %+v", when, of(got), of(want))
			}
		}
		want := jwks.Status{}
		check("at first", want)

		env.Issuer.SetFault(jwkstest.Status(404))
		testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
		want.Fetches, want.Failures, want.ConsecutiveFailures = 1, 1, 1
		want.LastErrorAt, want.NextAttempt = start, start.Add(1)
		check("after a failure", want)

		env.Issuer.SetFault(jwkstest.None())
		time.Sleep(time.Second)
		testkit.WantKey(t, c, "k1")
		fetched := time.Now()
		want.State, want.Fetches, want.ConsecutiveFailures, want.NextAttempt = jwks.StateFresh, 2, 0, time.Time{}
		want.FetchedAt, want.ExpiresAt, want.StaleUntil = fetched, fetched.Add(testkit.DefaultTTL), fetched.Add(testkit.DefaultTTL+time.Hour)
		want.KeyIDs, want.JWKSURL = []string{"k1"}, env.Issuer.JWKSURL()
		check("after a success", want)

		testkit.WantNoKey(t, c, "junk", jwks.ErrKeyNotFound)
		want.Fetches, want.NotModified = 3, 1
		check("after a 304", want)
		for i := range 10 {
			testkit.WantNoKey(t, c, fmt.Sprint("junk-", i), jwks.ErrKeyNotFound)
		}
		want.Fetches, want.NotModified, want.Throttled = 7, 5, 6
		check("when the budget is spent", want)

		env.Issuer.SetFault(jwkstest.Status(404))
		time.Sleep(testkit.DefaultTTL)
		testkit.WantKey(t, c, "k1")
		want.State, want.Fetches, want.Failures, want.ConsecutiveFailures = jwks.StateStale, 8, 2, 1
		want.LastErrorAt, want.NextAttempt = time.Now(), time.Now().Add(1)
		check("stale", want)

		time.Sleep(time.Hour)
		want.State, want.NextAttempt = jwks.StateExpired, time.Time{}
		check("expired", want)

		env.Issuer.SetFault(jwkstest.None())
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + testkit.NewSigner(t, "ES256", "a").JWK() + `,{"kty":"oct","kid":"b","k":"c2VjcmV0"},` + testkit.NewSigner(t, "ES256", "c").JWK() + `]}`)))
		testkit.WantKey(t, c, "c")
		fetched = time.Now()
		want.State, want.Fetches, want.ConsecutiveFailures = jwks.StateFresh, 9, 0
		want.FetchedAt, want.ExpiresAt, want.StaleUntil = fetched, fetched.Add(testkit.DefaultTTL), fetched.Add(testkit.DefaultTTL+time.Hour)
		want.KeyIDs, want.Skipped = []string{"a", "c"}, make([]jwks.SkippedKey, 1)
		check("with another set", want)
		if s := c.Status().Skipped; s[0].KeyID != "b" || s[0].Index != 1 || s[0].Err == nil {
			t.Errorf("skipped %+v", s)
		}
	})
}

func TestClient_StateAndEventNames(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"empty": jwks.StateEmpty, "fresh": jwks.StateFresh, "stale": jwks.StateStale, "expired": jwks.StateExpired,
		"refreshed": jwks.EventRefreshed, "not modified": jwks.EventNotModified, "refresh failed": jwks.EventRefreshFailed,
		"served stale": jwks.EventServedStale, "throttled": jwks.EventThrottled,
	} {
		if got.String() != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	if s, k := jwks.State(99).String(), jwks.EventKind(0).String(); s != "unknown" || k != "unknown" {
		t.Errorf("%s, %s", s, k)
	}
}
