package client

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
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
		want.Fetches = 3
		check("after the same set", want)
		for i := range 10 {
			testkit.WantNoKey(t, c, fmt.Sprint("junk-", i), jwks.ErrKeyNotFound)
		}
		want.Fetches, want.Throttled = 7, 6
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
	for _, test := range []struct {
		got  fmt.Stringer
		want string
	}{
		{jwks.StateEmpty, "empty"}, {jwks.StateFresh, "fresh"}, {jwks.StateStale, "stale"}, {jwks.StateExpired, "expired"},
		{jwks.EventRefreshed, "refreshed"}, {jwks.EventNotModified, "not modified"}, {jwks.EventRefreshFailed, "refresh failed"},
		{jwks.EventServedStale, "served stale"}, {jwks.EventThrottled, "throttled"}, {jwks.EventExpired, "expired"},
		{jwks.EventRecovered, "recovered"}, {jwks.EventEvicted, "evicted"}, {jwks.EventStoreFailed, "store failed"},
	} {
		if got := test.got.String(); got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
	if s, k := jwks.State(99).String(), jwks.EventKind(0).String(); s != "unknown" || k != "unknown" {
		t.Errorf("%s, %s", s, k)
	}
}

func TestStatus_JSON(t *testing.T) {
	testkit.Bubble(t, "an empty client", func(t *testing.T) {
		env := testkit.NewEnv(t)
		got := marshal(t, env.NewClient().Status())
		want := `{"issuer":"` + env.Issuer.URL() + `","jwks_url":"","state":"empty","consecutive_failures":0,"fetches":0,"not_modified":0,"failures":0,"throttled":0,"hash":""}`
		if got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	})
	testkit.Bubble(t, "states and errors are texts, times are there", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		env.Issuer.SetFault(jwkstest.Status(404))
		testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
		env.Issuer.SetFault(jwkstest.None())
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[{"kty":"oct","kid":"b"},` + testkit.NewSigner(t, "ES256", "a").JWK() + `]}`)))
		testkit.MustRefresh(t, c)
		var got map[string]any
		if err := json.Unmarshal([]byte(marshal(t, c.Status())), &got); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]any{
			"issuer": env.Issuer.URL(), "jwks_url": env.Issuer.JWKSURL(), "state": "fresh", "key_ids": []any{"a"},
			"fetched_at": time.Now().Format(time.RFC3339Nano), "last_error": c.Status().LastError.Error(), "fetches": 2.0, "failures": 1.0,
			"hash": c.Status().Hash, "skipped": []any{map[string]any{"index": 0.0, "key_id": "b", "error": c.Status().Skipped[0].Err.Error()}},
		} {
			if !reflect.DeepEqual(got[name], want) {
				t.Errorf("%s: %v, want %v", name, got[name], want)
			}
		}
		for _, name := range []string{"next_attempt", "retained", "stored"} {
			if v, ok := got[name]; ok {
				t.Errorf("%s is there: %v", name, v)
			}
		}
	})
	if text, err := jwks.StateStale.MarshalText(); string(text) != "stale" || err != nil {
		t.Errorf("%s, %v", text, err)
	}
	if got := marshal(t, jwks.Status{JWKSURL: "https://idp.example/keys?key=SECRET"}); strings.Contains(got, "SECRET") {
		t.Error(got)
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStatus_Hash(t *testing.T) {
	a, b := testkit.NewSigner(t, "ES256", "a"), testkit.NewSigner(t, "RS256", "b")
	hash := func(document string) string {
		set, err := jwks.ParseKeySet([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		c, err := jwks.NewClient(jwks.WithKeySet(set))
		if err != nil {
			t.Fatal(err)
		}
		return c.Status().Hash
	}
	both := hash(`{"keys":[` + a.JWK() + `,` + b.JWK() + `]}`)
	if h := hash(` {"keys": [` + b.JWK() + ` ,` + a.JWK() + `] , "more": 1}`); h != both {
		t.Error("the hash depends on the text or the order")
	}
	for _, other := range []string{
		`{"keys":[` + a.JWK() + `]}`,
		`{"keys":[` + strings.Replace(a.JWK(), `"a"`, `"c"`, 1) + `,` + b.JWK() + `]}`,
		`{"keys":[` + testkit.NewSigner(t, "ES256", "a").JWK() + `,` + b.JWK() + `]}`,
	} {
		if hash(other) == both {
			t.Errorf("the hash of %s is the same", other)
		}
	}
}
