package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// traffic looks a key up again and again, and now and then one that is not
// there.
func traffic(t *testing.T, c *jwks.Client, d time.Duration) {
	const every = 500 * time.Millisecond
	for n := 0; d > 0; d -= every {
		_, _ = c.Key(t.Context(), "k1")
		if n++; n%50 == 0 {
			_, _ = c.Key(t.Context(), "junk")
		}
		time.Sleep(every)
	}
}

// line is a line of a JSON log.
type line struct {
	Time, Until, Next       time.Time
	Level, Msg              string
	Issuer, URL, State, KID string
	Error                   string
	Failures                int
	Added, Removed, Changed []string
	AddedCount              int `json:"added_count"`
	Duration                time.Duration
}

func readLines(t *testing.T, log *bytes.Buffer) []line {
	t.Helper()
	var lines []line
	for text := range strings.Lines(log.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		lines = append(lines, l)
	}
	return lines
}

func find(lines []line, f func(line) bool) (line, bool) {
	if i := slices.IndexFunc(lines, f); i >= 0 {
		return lines[i], true
	}
	return line{}, false
}

func TestClient_OutageStory(t *testing.T) {
	for run := range 5 { // the jitter differs
		testkit.Bubble(t, fmt.Sprint("run ", run), func(t *testing.T) {
			env := testkit.NewEnv(t)
			var log bytes.Buffer
			c := env.NewClient(jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
			traffic(t, c, 20*time.Minute)
			env.Issuer.SetFault(jwkstest.Status(503))
			broken := time.Now()
			traffic(t, c, 100*time.Minute)
			env.Issuer.SetFault(jwkstest.None())
			mended := time.Now()
			traffic(t, c, 5*time.Minute)

			lines := readLines(t, &log)
			if len(lines) > 20 {
				t.Errorf("%d lines:\n%s", len(lines), log.String())
			}
			for _, l := range lines {
				if l.Issuer != env.Issuer.URL() || l.URL != env.Issuer.JWKSURL() {
					t.Errorf("a line without its place: %+v", l)
				}
			}
			checkOutage(t, lines, broken)
			checkRecovery(t, lines, mended)
			checkOutageEvents(t, env.TakeEvents())
		})
	}
}

// checkOutage looks for the first failure, the escalation and the expiry.
func checkOutage(t *testing.T, lines []line, broken time.Time) {
	t.Helper()
	first, ok := find(lines, func(l line) bool { return l.Level == "WARN" && l.Failures == 1 })
	if !ok || first.Time.Before(broken) || first.Time.After(broken.Add(testkit.DefaultTTL)) ||
		first.State != "fresh" || !strings.Contains(first.Error, "503") || !first.Next.After(first.Time) {
		t.Errorf("the first failure is told as %+v", first)
	}
	expired, ok := find(lines, func(l line) bool { return l.Level == "ERROR" })
	if !ok || !expired.Time.Truncate(time.Second).Equal(first.Until.Truncate(time.Second)) && expired.Time.Sub(first.Until) > time.Minute || expired.State != "expired" {
		t.Errorf("expired: %+v; the first warning said that keys serve until %v", expired, first.Until)
	}
	var failed []line
	for _, l := range lines {
		if l.Level == "WARN" && l.Failures > 0 {
			failed = append(failed, l)
		}
	}
	states := map[string]bool{}
	for i, l := range failed {
		states[l.State] = true
		if i > 0 && l.Time.Sub(failed[i-1].Time) > 10*time.Minute+time.Second {
			t.Errorf("silent from %v to %v", failed[i-1].Time, l.Time)
		}
		if i > 0 && l.Failures < 2*failed[i-1].Failures && l.Time.Sub(failed[i-1].Time) < 8*time.Minute {
			t.Errorf("a line for %d failures soon after one for %d", l.Failures, failed[i-1].Failures)
		}
	}
	if !states["fresh"] || !states["stale"] || !states["expired"] {
		t.Errorf("the warnings have the states %v", states)
	}
}

func checkRecovery(t *testing.T, lines []line, mended time.Time) {
	t.Helper()
	recovered := lines[len(lines)-1]
	if recovered.Level != "INFO" || !strings.Contains(recovered.Msg, "works again") || recovered.Failures < 50 ||
		recovered.Duration < 85*time.Minute || recovered.Duration > 102*time.Minute || recovered.Time.Before(mended) {
		t.Errorf("the recovery is told as %+v", recovered)
	}
}

func checkOutageEvents(t *testing.T, events []testkit.Event) {
	t.Helper()
	count := map[jwks.EventKind]int{}
	failures := 0
	for _, e := range events {
		count[e.Kind]++
		switch e.Kind {
		case jwks.EventRefreshFailed:
			if failures++; e.Failures != failures || e.Until.IsZero() {
				t.Errorf("failure %d: %+v", failures, e)
			}
		case jwks.EventExpired:
			if e.Failures != failures || !errors.Is(e.Err, jwks.ErrUnavailable) || e.Until.IsZero() {
				t.Errorf("expired: %+v", e)
			}
		case jwks.EventRecovered:
			if e.Failures != failures || e.Duration < 85*time.Minute || e.Err != nil {
				t.Errorf("recovered: %+v", e)
			}
		}
	}
	for _, kind := range []jwks.EventKind{jwks.EventServedStale, jwks.EventExpired, jwks.EventRecovered} {
		if count[kind] != 1 {
			t.Errorf("%v was told %d times", kind, count[kind])
		}
	}
}

func TestClient_ExpiryEvents(t *testing.T) {
	testkit.Bubble(t, "told again after the next success", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithMaxStale(0))
		for range 2 {
			testkit.WantKey(t, c, "k1")
			env.Issuer.SetFault(jwkstest.Status(404))
			time.Sleep(testkit.DefaultTTL)
			for range 5 {
				testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
				time.Sleep(time.Minute)
			}
			env.Issuer.SetFault(jwkstest.None())
			time.Sleep(time.Minute)
			if n := len(env.TakeEvents(jwks.EventExpired)); n != 1 {
				t.Errorf("told %d times", n)
			}
		}
	})
	testkit.Bubble(t, "told by a lookup that a backoff refuses", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithMaxStale(time.Minute))
		testkit.WantKey(t, c, "k1")
		env.EditResponses(failWithRetryAfter("600"))
		time.Sleep(testkit.DefaultTTL)
		testkit.WantKey(t, c, "k1")
		time.Sleep(time.Minute)
		if n := len(env.TakeEvents(jwks.EventExpired)); n != 0 {
			t.Error("told before anybody asked")
		}
		testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
		if n := len(env.TakeEvents(jwks.EventExpired)); n != 1 {
			t.Errorf("told %d times", n)
		}
	})
	testkit.Bubble(t, "not told after a quiet night at a good issuer", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log bytes.Buffer
		c := env.NewClient(jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		testkit.WantKey(t, c, "k1")
		time.Sleep(10 * time.Hour)
		testkit.WantKey(t, c, "k1")
		if n := len(env.TakeEvents(jwks.EventExpired, jwks.EventRecovered)); n != 0 || strings.Contains(log.String(), "ERROR") {
			t.Errorf("%d events, log %s", n, log.String())
		}
	})
	testkit.Bubble(t, "not told of a client that never had a set", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		env.Issuer.SetFault(jwkstest.Status(404))
		for range 200 {
			testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
			time.Sleep(time.Minute)
		}
		env.Issuer.SetFault(jwkstest.None())
		testkit.WantKey(t, c, "k1")
		events := env.TakeEvents(jwks.EventExpired, jwks.EventRecovered)
		if len(events) != 1 || events[0].Kind != jwks.EventRecovered || events[0].Duration != 200*time.Minute {
			t.Errorf("events %+v", events)
		}
	})
}

func TestClient_ChangedKeys(t *testing.T) {
	testkit.Bubble(t, "a key replaced under its kid", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log bytes.Buffer
		c := env.NewClient(jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		serve := func(signers ...*testkit.Signer) {
			var entries []string
			for _, s := range signers {
				entries = append(entries, s.JWK())
			}
			env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + strings.Join(entries, ",") + `]}`)))
			testkit.MustRefresh(t, c)
		}
		a, b := testkit.NewSigner(t, "ES256", "a"), testkit.NewSigner(t, "ES256", "b")
		serve(a, b)
		before := c.Status().Hash
		serve(b, a)
		if h := c.Status().Hash; h != before || h == "" {
			t.Errorf("the hash went from %q to %q with the order", before, h)
		}
		env.TakeEvents()
		serve(a, testkit.NewSigner(t, "ES256", "b"))
		e := env.TakeEvents(jwks.EventRefreshed)
		if len(e) != 1 || len(e[0].Added)+len(e[0].Removed) != 0 || !slices.Equal(e[0].Changed, []string{"b"}) {
			t.Errorf("events %+v", e)
		}
		if h := c.Status().Hash; h == before {
			t.Errorf("the hash is still %q", h)
		}
		lines := readLines(t, &log)
		if last := lines[len(lines)-1]; last.Level != "INFO" || !slices.Equal(last.Changed, []string{"b"}) {
			t.Errorf("log %+v", last)
		}
	})
	testkit.Bubble(t, "a key without a kid", func(t *testing.T) {
		env := testkit.NewEnv(t, jwkstest.WithoutKeyIDs())
		c := env.NewClient()
		testkit.MustRefresh(t, c)
		before := c.Status().Hash
		env.TakeEvents()
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + strings.Replace(testkit.NewSigner(t, "ES256", "KID").JWK(), `"kid":"KID",`, "", 1) + `]}`)))
		testkit.MustRefresh(t, c)
		if e := env.TakeEvents(jwks.EventRefreshed); len(e) != 1 || len(e[0].Changed)+len(e[0].Added) == 0 || c.Status().Hash == before {
			t.Errorf("events %+v", e)
		}
	})
	testkit.Bubble(t, "many kids are shortened in the log, with their number", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log bytes.Buffer
		c := env.NewClient(jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		var entries []string
		s := testkit.NewSigner(t, "ES256", "KID").JWK()
		for i := range 40 {
			entries = append(entries, strings.Replace(s, "KID", fmt.Sprint("kid ", i), 1))
		}
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + strings.Join(entries, ",") + `]}`)))
		testkit.MustRefresh(t, c)
		l := readLines(t, &log)[0]
		if len(l.Added) != 16 || l.Added[0] != "kid 0" || l.AddedCount != 40 {
			t.Errorf("%+v", l)
		}
	})
}

func TestClient_ThrottledKid(t *testing.T) {
	testkit.Bubble(t, "the event and the warning have the kid", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log bytes.Buffer
		c := env.NewClient(jwks.WithRefreshLimit(time.Hour, 0), jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		testkit.WantKey(t, c, "k1")
		testkit.WantNoKey(t, c, "stranger", jwks.ErrKeyNotFound)
		if e := env.TakeEvents(jwks.EventThrottled); len(e) != 1 || e[0].KeyID != "stranger" {
			t.Errorf("events %+v", e)
		}
		lines := readLines(t, &log)
		if last := lines[len(lines)-1]; last.Level != "WARN" || last.KID != "stranger" {
			t.Errorf("log %+v", last)
		}
	})
	testkit.Bubble(t, "at most one warning a minute", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log bytes.Buffer
		c := env.NewClient(jwks.WithRefreshLimit(time.Second, 1), jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		for i := range 600 {
			testkit.WantNoKey(t, c, fmt.Sprint("a", i), jwks.ErrKeyNotFound)
			testkit.WantNoKey(t, c, fmt.Sprint("b", i), jwks.ErrKeyNotFound)
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), `"WARN"`); n < 9 || n > 11 {
			t.Errorf("%d warnings in ten minutes", n)
		}
	})
}

func TestClient_LogPlace(t *testing.T) {
	testkit.Bubble(t, "the URL is there before discovery", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log bytes.Buffer
		c := env.NewClient(jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		env.Issuer.SetFault(jwkstest.Status(404))
		testkit.WantNoKey(t, c, "k1", jwks.ErrUnavailable)
		if l := readLines(t, &log)[0]; !strings.HasPrefix(l.URL, env.Issuer.URL()+"/.well-known/") || l.State != "empty" || !l.Until.IsZero() {
			t.Errorf("%+v", l)
		}
	})
	testkit.Bubble(t, "a long one is whole, and its query stays out", func(t *testing.T) {
		env := testkit.NewEnv(t, jwkstest.WithPath("/"+strings.Repeat("tenant-", 20)+"one"))
		var log bytes.Buffer
		c := env.NewClientWithoutIssuer(jwks.WithJWKSURL(env.Issuer.JWKSURL()+"?key=SECRET"), jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		testkit.MustRefresh(t, c)
		e := env.TakeEvents()
		want := env.Issuer.JWKSURL() + "?…"
		if l := readLines(t, &log)[0]; l.URL != want || e[0].URL != want || c.Status().JWKSURL != want {
			t.Errorf("log %q, event %q, status %q", l.URL, e[0].URL, c.Status().JWKSURL)
		}
	})
	testkit.Bubble(t, "a long issuer is whole", func(t *testing.T) {
		env := testkit.NewEnv(t, jwkstest.WithPath("/"+strings.Repeat("tenant-", 20)+"one"))
		var log bytes.Buffer
		testkit.MustRefresh(t, env.NewClient(jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil)))))
		if text := log.String(); !strings.Contains(text, `"issuer":"`+env.Issuer.URL()+`"`) {
			t.Error(text)
		}
	})
	testkit.Bubble(t, "entries that are skipped are told once", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log bytes.Buffer
		c := env.NewClient(jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		for i := range 3 {
			env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"x":` + fmt.Sprint(i) + `,"keys":[{"kty":"oct","kid":"shared","k":"c2VjcmV0"},` + testkit.NewSigner(t, "ES256", "a").JWK() + `]}`)))
			testkit.MustRefresh(t, c)
		}
		if text := log.String(); strings.Count(text, "not usable") != 1 || !strings.Contains(text, `"kid":["shared"]`) || strings.Contains(text, "c2VjcmV0") {
			t.Error(text)
		}
	})
	testkit.Bubble(t, "a key that should be secret warns, others do not", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var log bytes.Buffer
		c := env.NewClient(jwks.WithLogger(slog.New(slog.NewJSONHandler(&log, nil))))
		good, leaked, encrypting := testkit.NewSigner(t, "ES256", "a"), testkit.NewSigner(t, "ES256", "leaked"), testkit.NewSigner(t, "ES256", "enc")
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(testkit.KeySetDocument(good.JWK(), testkit.WithMembers(leaked.JWK(), `"d":"c2VjcmV0"`),
			strings.Replace(encrypting.JWK(), `"use":"sig"`, `"use":"enc"`, 1)))))
		for range 3 {
			testkit.MustRefresh(t, c)
		}
		levels := map[string]string{}
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "not usable") {
				var l struct {
					Level string   `json:"level"`
					Kid   []string `json:"kid"`
					Error string   `json:"error"`
				}
				if err := json.Unmarshal([]byte(line), &l); err != nil || len(l.Kid) != 1 || levels[l.Kid[0]] != "" || l.Error == "" {
					t.Fatalf("%s (%v)", line, err)
				}
				levels[l.Kid[0]] = l.Level
			}
		}
		if len(levels) != 2 || levels["leaked"] != "WARN" || levels["enc"] != "INFO" || strings.Contains(log.String(), "c2VjcmV0") {
			t.Errorf("%v in\n%s", levels, log.String())
		}
	})
}

// failWithRetryAfter makes each response a 503 that asks to come back later.
func failWithRetryAfter(seconds string) func(*http.Request, *http.Response) {
	return func(_ *http.Request, r *http.Response) {
		r.StatusCode = http.StatusServiceUnavailable
		r.Header.Set("Retry-After", seconds)
	}
}
