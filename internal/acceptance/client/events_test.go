package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestClient_Events(t *testing.T) {
	testkit.Bubble(t, "report what was added and removed", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		env.Issuer.SetFault(jwkstest.Delay(time.Second))
		testkit.WantKeyWithin(t, c, "k1", time.Minute)
		env.Issuer.Rotate()
		env.Issuer.Rotate()
		testkit.MustRefresh(t, c)
		env.Issuer.RemoveKey("k1")
		env.Issuer.RemoveKey("k2")
		testkit.MustRefresh(t, c)
		time.Sleep(testkit.DefaultTTL)
		testkit.WantKeyWithin(t, c, "k3", 2*time.Second) // for age, so that it asks with a condition
		env.Issuer.SetFault(jwkstest.Status(404))
		_, failed := c.Refresh(t.Context())
		type short struct {
			kind           jwks.EventKind
			added, removed string
			took           time.Duration
		}
		var got []short
		for _, e := range env.TakeEvents() {
			got = append(got, short{e.Kind, strings.Join(e.Added, " "), strings.Join(e.Removed, " "), e.Duration})
			if e.Issuer != env.Issuer.URL() || e.URL != env.Issuer.JWKSURL() {
				t.Errorf("%+v: wrong place", e)
			}
			if (e.Err != nil) != (e.Kind == jwks.EventRefreshFailed) {
				t.Errorf("%+v: wrong error", e)
			}
			if e.Err != nil && !errors.Is(e.Err, jwks.ErrUnavailable) {
				t.Errorf("%v: has no class", e.Err)
			}
		}
		want := []short{
			{jwks.EventRefreshed, "k1", "", 2 * time.Second},
			{jwks.EventRefreshed, "k2 k3", "", 2 * time.Second},
			{jwks.EventRefreshed, "", "k1 k2", 2 * time.Second},
			{jwks.EventNotModified, "", "", 2 * time.Second},
			{jwks.EventRefreshFailed, "", "", 0},
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		if failed == nil {
			t.Error("no error")
		}
	})
	testkit.Bubble(t, "come one at a time and in order, and the observer may ask for the status", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var c *jwks.Client
		var mu sync.Mutex
		busy := false
		fetches, failures, throttled := 0, 0, 0
		c = env.NewClientWithoutIssuer(jwks.WithIssuer(env.Issuer.URL()), jwks.WithRefreshLimit(time.Second, 1), jwks.WithObserver(func(e jwks.Event) {
			mu.Lock()
			if busy {
				t.Error("two events at once")
			}
			busy = true
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			switch e.Kind {
			case jwks.EventRefreshed, jwks.EventNotModified:
				fetches++
			case jwks.EventRefreshFailed:
				fetches++
				failures++
			case jwks.EventThrottled:
				throttled++
			}
			// The status may be ahead of the events, never behind.
			if st := c.Status(); st.Fetches < uint64(fetches) || st.Failures < uint64(failures) {
				t.Errorf("after %d fetches, %d failures: %+v", fetches, failures, st)
			}
			mu.Lock()
			busy = false
			mu.Unlock()
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					_, _ = c.Key(ctx, fmt.Sprint("junk-", i, "-", n))
					if i == 0 && n%10 == 0 {
						_, _ = c.Refresh(ctx)
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if st := c.Status(); st.Fetches != uint64(fetches) || throttled == 0 {
			t.Errorf("%d fetches and %d throttled lookups were reported, status %+v", fetches, throttled, st)
		}
	})
	testkit.Bubble(t, "a slow observer of a background refresh delays no lookup of a known key", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var slow atomic.Bool
		c := env.NewClientWithoutIssuer(jwks.WithIssuer(env.Issuer.URL()), jwks.WithObserver(func(jwks.Event) {
			if slow.Load() {
				time.Sleep(time.Hour)
			}
		}))
		testkit.WantKey(t, c, "k1")
		slow.Store(true)
		time.Sleep(testkit.DefaultTTL - time.Minute)
		testkit.WantKeySteadily(t, c, "k1", time.Second, 10*time.Minute)
	})
	testkit.Bubble(t, "an observer that panics leaves a client that works", func(t *testing.T) {
		env := testkit.NewEnv(t)
		angry := false
		c := env.NewClientWithoutIssuer(jwks.WithIssuer(env.Issuer.URL()), jwks.WithRefreshLimit(time.Hour, 1), jwks.WithObserver(func(e jwks.Event) {
			env.Observe(e)
			if angry {
				panic("observer")
			}
		}))
		testkit.WantKey(t, c, "k1")
		testkit.WantNoKey(t, c, "junk", jwks.ErrKeyNotFound)
		angry = true
		testkit.WantNoKey(t, c, "more junk", jwks.ErrKeyNotFound) // throttled, which is reported
		angry = false
		env.TakeEvents()
		testkit.WantKey(t, c, "k1")
		testkit.MustRefresh(t, c)
		if e := env.TakeEvents(); len(e) != 1 {
			t.Errorf("events %v", e)
		}
	})
	testkit.Bubble(t, "throttling is reported once a spell", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithRefreshLimit(24*time.Hour, 1))
		testkit.WantNoKey(t, c, "a", jwks.ErrKeyNotFound)
		testkit.WantNoKey(t, c, "b", jwks.ErrKeyNotFound)
		for range 100 {
			testkit.WantNoKey(t, c, "c", jwks.ErrKeyNotFound)
		}
		if n := len(env.TakeEvents(jwks.EventThrottled)); n != 1 {
			t.Errorf("reported %d times", n)
		}
		testkit.MustRefresh(t, c)
		testkit.WantNoKey(t, c, "d", jwks.ErrKeyNotFound)
		if n := len(env.TakeEvents(jwks.EventThrottled)); n != 1 {
			t.Errorf("the next spell was reported %d times", n)
		}
	})
}

// records collects what is logged.
type records struct {
	mu  sync.Mutex
	all []slog.Record
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }
func (r *records) Handle(_ context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, record)
	return nil
}

// at lists what was logged on a level since the last call.
func (r *records) at(level slog.Level) []slog.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	var some, others []slog.Record
	for _, record := range r.all {
		if record.Level == level {
			some = append(some, record)
		} else {
			others = append(others, record)
		}
	}
	r.all = others
	return some
}

func keysOf(r slog.Record) []string {
	var keys []string
	r.Attrs(func(a slog.Attr) bool { keys = append(keys, a.Key); return true })
	return keys
}

func TestClient_Logging(t *testing.T) {
	testkit.Bubble(t, "a failing issuer is one warning for each doubling of its failures", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log records
		c := env.NewClient(jwks.WithLogger(slog.New(&log)))
		testkit.WantKey(t, c, "k1")
		if warned := log.at(slog.LevelWarn); len(warned) != 0 {
			t.Errorf("a healthy issuer: %v", warned)
		}
		env.Issuer.SetFault(jwkstest.Status(503))
		time.Sleep(testkit.DefaultTTL)
		testkit.WantKeySteadily(t, c, "k1", 100*time.Millisecond, 30*time.Minute)
		for range 100 {
			_, _ = c.Key(t.Context(), "junk")
		}
		warned := log.at(slog.LevelWarn)
		if st := c.Status(); st.Failures < 20 || len(warned) < 5 || len(warned) > 10 {
			t.Errorf("%d warnings for %d failures", len(warned), st.Failures)
		}
		for _, r := range warned {
			keys := slices.DeleteFunc(keysOf(r), func(k string) bool { return k == "duration" })
			if !slices.Equal(keys, []string{"issuer", "url", "state", "failures", "until", "next", "error"}) {
				t.Fatalf("%s: %v", r.Message, keys)
			}
		}
		if n := len(log.at(slog.LevelError)); n != 0 {
			t.Errorf("%d errors", n)
		}
		if n := len(log.at(slog.LevelInfo)); n != 1 { // the first set
			t.Errorf("%d on level info", n)
		}
	})
	testkit.Bubble(t, "no next attempt is told while one is under way", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log records
		c := env.NewClient(jwks.WithLogger(slog.New(&log)))
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Status(404))
		_, _ = c.Refresh(t.Context())
		env.Issuer.SetFault(jwkstest.Status(502)) // which is tried again after a pause
		time.Sleep(testkit.DefaultTTL + time.Minute)
		testkit.WantKeyWithin(t, c, "k1", time.Second)
		r := log.at(slog.LevelDebug)
		if len(r) != 1 || !strings.Contains(r[0].Message, "past their TTL") || !slices.Equal(keysOf(r[0]), []string{"issuer", "url", "failures", "until", "error"}) {
			t.Errorf("%v", r)
		}
	})
	testkit.Bubble(t, "a changed set is info, an unchanged one debug", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log records
		c := env.NewClient(jwks.WithLogger(slog.New(&log)))
		testkit.WantKey(t, c, "k1")
		env.Issuer.Rotate()
		testkit.MustRefresh(t, c)
		if r := log.at(slog.LevelInfo); len(r) != 2 || !slices.Equal(keysOf(r[1]), []string{"issuer", "url", "added", "removed", "changed"}) {
			t.Errorf("%v", r)
		}
		testkit.MustRefresh(t, c)
		if r := log.at(slog.LevelDebug); len(r) != 1 || len(log.at(slog.LevelInfo)) != 0 {
			t.Errorf("%v", r)
		}
	})
	testkit.Bubble(t, "an issuer that only discovery names is one warning", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log records
		c := env.NewClientWithoutIssuer(jwks.WithDiscoveryURL(env.Issuer.URL()+testkit.DiscoveryPath), jwks.WithLogger(slog.New(&log)))
		for range 3 {
			testkit.MustRefresh(t, c)
		}
		r := log.at(slog.LevelWarn)
		if len(r) != 1 || !strings.Contains(r[0].Message, "WithIssuer") || !slices.Equal(keysOf(r[0]), []string{"issuer", "url"}) {
			t.Errorf("%v", r)
		}
		if e := env.TakeEvents(); len(e) != 3 {
			t.Errorf("events %v", e)
		}
		if st := c.Status(); st.Issuer != env.Issuer.URL() {
			t.Errorf("%+v", st)
		}
	})
	testkit.Bubble(t, "what an issuer makes up stays on its line", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var out strings.Builder
		kid := strings.Repeat("x", 200) + `\nlevel=ERROR`
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + strings.Replace(testkit.NewSigner(t, "ES256", "KID").JWK(), "KID", kid, 1) + `]}`)))
		c := env.NewClient(jwks.WithLogger(slog.New(slog.NewTextHandler(&out, nil))))
		testkit.MustRefresh(t, c)
		if text := out.String(); strings.Count(text, "\n") != 1 || len(text) > 500 || strings.Contains(text, strings.Repeat("x", 65)) {
			t.Errorf("%s", text)
		}
	})
}
