package freshness

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// pathCache is a cache on the way to an issuer, as a CDN or a company's proxy is
// (RFC 9111). It keeps an answer for life. Where it obeys, a request's max-age
// bounds the age of what it gives, and no-cache makes it ask the origin.
type pathCache struct {
	origin http.RoundTripper
	life   time.Duration
	obeys  bool

	mu     sync.Mutex
	copies map[string]*pathCopy
}

type pathCopy struct {
	made   time.Time
	header http.Header
	body   []byte
}

func (p *pathCache) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.copies[r.URL.Path]
	if known == nil || p.mustAsk(known, r) {
		asked := r.Clone(r.Context())
		asked.Header.Del("If-None-Match")
		resp, err := p.origin.RoundTrip(asked)
		if err != nil || resp.StatusCode != http.StatusOK {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		known = &pathCopy{time.Now(), resp.Header, body}
		if p.copies == nil {
			p.copies = make(map[string]*pathCopy)
		}
		p.copies[r.URL.Path] = known
	}
	header := known.header.Clone()
	header.Set("Age", strconv.Itoa(int(time.Since(known.made)/time.Second)))
	header.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(p.life/time.Second)))
	resp := &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(bytes.NewReader(known.body)), ContentLength: int64(len(known.body)), Request: r}
	if tag := r.Header.Get("If-None-Match"); tag != "" && tag == header.Get("ETag") {
		resp.StatusCode, resp.Body, resp.ContentLength = http.StatusNotModified, http.NoBody, 0
	}
	return resp, nil
}

// mustAsk says whether a copy will not do for a request.
func (p *pathCache) mustAsk(known *pathCopy, r *http.Request) bool {
	age := time.Since(known.made)
	if age >= p.life {
		return true
	}
	control := r.Header.Get("Cache-Control")
	limit, bounded := strings.CutPrefix(control, "max-age=")
	seconds, _ := strconv.Atoi(limit)
	return p.obeys && (control == "no-cache" || bounded && age > time.Duration(seconds)*time.Second)
}

// refusedAfter removes k1 and returns how long it is accepted from then on, asked
// for every so often.
func refusedAfter(t *testing.T, env *testkit.Env, c *jwks.Client, every, limit time.Duration) time.Duration {
	t.Helper()
	env.Issuer.RemoveKey("k1")
	removed := time.Now()
	for time.Since(removed) < limit {
		time.Sleep(every)
		if _, err := c.Key(t.Context(), "k1"); err != nil {
			testkit.WantError(t, err, jwks.ErrKeyNotFound)
			return time.Since(removed)
		}
	}
	t.Fatalf("accepted for more than %v", limit)
	return 0
}

// twoKeys is an environment whose issuer publishes k1 and k2.
func twoKeys(t *testing.T) *testkit.Env {
	env := testkit.NewEnv(t)
	env.Issuer.Rotate()
	return env
}

// untilRefused is the most that a key may be accepted for after its removal.
const untilRefused = testkit.DefaultTTL + 15*time.Second

func TestRemovedKey_BehindACacheOnTheWay(t *testing.T) {
	behind := func(t *testing.T, life time.Duration, obeys bool, opts ...jwks.ClientOption) (*testkit.Env, *jwks.Client) {
		t.Helper()
		env := twoKeys(t)
		client := &http.Client{Transport: &pathCache{origin: env, life: life, obeys: obeys}}
		return env, env.NewClient(append([]jwks.ClientOption{jwks.WithHTTPClient(client)}, opts...)...)
	}
	for _, life := range []time.Duration{20 * time.Minute, time.Hour, 24 * time.Hour} {
		for _, every := range []time.Duration{time.Second, 7 * time.Minute} {
			testkit.Bubble(t, "that obeys, of "+life.String()+", asked each "+every.String(), func(t *testing.T) {
				env, c := behind(t, life, true)
				testkit.WantKey(t, c, "k1")
				time.Sleep(3 * time.Hour)
				testkit.WantKey(t, c, "k1")
				if took := refusedAfter(t, env, c, every, 25*time.Hour); took > untilRefused+every {
					t.Errorf("accepted for %v", took)
				}
			})
		}
	}
	testkit.Bubble(t, "at once after Refresh", func(t *testing.T) {
		env, c := behind(t, 24*time.Hour, true)
		testkit.WantKey(t, c, "k1")
		env.Issuer.RemoveKey("k1")
		testkit.MustRefresh(t, c)
		testkit.WantNoKey(t, c, "k1", jwks.ErrKeyNotFound)
	})
	testkit.Bubble(t, "a cold start takes a copy within the TTL, and counts from its origin", func(t *testing.T) {
		env := twoKeys(t)
		client := &http.Client{Transport: &pathCache{origin: env, life: 24 * time.Hour, obeys: true}}
		testkit.WantKey(t, env.NewClient(jwks.WithHTTPClient(client)), "k1")
		time.Sleep(10 * time.Minute)
		env.TakeRequests("")
		c := env.NewClient(jwks.WithHTTPClient(client))
		testkit.WantKey(t, c, "k1")
		st := c.Status()
		if n := len(env.TakeRequests("")); n != 0 || time.Since(st.FetchedAt) != 10*time.Minute || time.Until(st.ExpiresAt) != 5*time.Minute {
			t.Errorf("%d requests, %+v", n, st)
		}
		testkit.WantNoKey(t, c, strings.Repeat("k", 257), jwks.ErrKeyNotFound)
		if _, err := c.SigningKeys(t.Context(), jwks.Header{Algorithm: "RS256", KeyID: "k1"}, ""); err == nil || !strings.Contains(err.Error(), "fetched 10m0s ago") {
			t.Errorf("%v does not count from the origin", err)
		}
		if took := refusedAfter(t, env, c, time.Second, time.Hour); took > untilRefused {
			t.Errorf("accepted for %v", took)
		}
	})
	testkit.Bubble(t, "that obeys nobody: until its copy ends, and one warning", func(t *testing.T) {
		var log strings.Builder
		env, c := behind(t, 40*time.Minute, false, jwks.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		testkit.WantKey(t, c, "k1")
		if took := refusedAfter(t, env, c, time.Second, 25*time.Hour); took > 40*time.Minute+2*time.Minute {
			t.Errorf("accepted for %v, and the copy lived for 40 min", took)
		}
		testkit.WantKeySteadily(t, c, "k2", time.Second, 3*time.Hour)
		if n := strings.Count(log.String(), "does not obey"); n != 1 {
			t.Errorf("%d warnings", n)
		}
	})
	for _, tt := range []struct {
		rule        string
		age, maxAge string
		trusted     time.Duration
	}{
		{"at most the TTL", "1200", "max-age=86400", testkit.DefaultTTL},
		{"until the copy ends", "1200", "max-age=1500", 5 * time.Minute},
		{"at least WithMinTTL", "1200", "max-age=1201", time.Minute},
		{"where no end is named", "1200", "", time.Minute},
		{"stale already", "1200", "max-age=60", time.Minute},
		{"absurd", "99999999999", "no-store", time.Minute},
		{"just as old", "900", "max-age=86400", testkit.DefaultTTL},
		{"just as old, and stale", "900", "max-age=900", time.Minute}, // trusted for no time, it would be renewed at once, and again
	} {
		testkit.Bubble(t, "an answer that stays older than the TTL: "+tt.rule, func(t *testing.T) {
			env := twoKeys(t)
			env.EditResponses(func(_ *http.Request, resp *http.Response) {
				resp.Header.Set("Age", tt.age)
				resp.Header.Set("Cache-Control", tt.maxAge)
			})
			var log strings.Builder
			c := env.NewClient(jwks.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			testkit.WantKey(t, c, "k1")
			if n := strings.Count(log.String(), "does not obey"); n != 1 {
				t.Errorf("%d warnings", n)
			}
			if got := time.Until(c.Status().ExpiresAt); got != tt.trusted {
				t.Errorf("trusted for %v, want %v", got, tt.trusted)
			}
			r := env.TakeRequests(testkit.KeySetPath)
			if len(r) != 2 || r[0].Header.Get("Cache-Control") != "max-age=900" || r[1].Header.Get("Cache-Control") != "no-cache" {
				t.Errorf("requests %v", r)
			}
		})
	}
}

// frozen is a transport in whose requests the process may stand still, as one
// does that is stopped between requests: nothing answers, and the deadline of the
// refresh passes unnoticed.
type frozen struct {
	env         *testkit.Env
	standsStill atomic.Int64 // nanoseconds
	lies        bool         // the answer was there before the process stood still
}

func (f *frozen) RoundTrip(r *http.Request) (*http.Response, error) {
	d := time.Duration(f.standsStill.Swap(0))
	if d == 0 {
		return f.env.RoundTrip(r)
	}
	if f.lies {
		resp, err := f.env.RoundTrip(r)
		time.Sleep(d)
		return resp, err
	}
	time.Sleep(d)
	return nil, io.ErrUnexpectedEOF
}

func TestRemovedKey_FrozenProcess(t *testing.T) {
	for _, tt := range []struct {
		rule    string
		asked   time.Duration // after the fetch, when the refresh begins that freezes
		freezes time.Duration
		lies    bool
	}{
		{"in a refresh before expiry", testkit.DefaultTTL * 9 / 10, 10 * time.Minute, false},
		{"whose answer came before it stood still", testkit.DefaultTTL * 9 / 10, 10 * time.Minute, true},
		{"for a moment longer than the deadline", testkit.DefaultTTL - time.Second, 17 * time.Second, false},
		{"for most of max-stale", testkit.DefaultTTL * 9 / 10, 50 * time.Minute, false},
	} {
		testkit.Bubble(t, tt.rule, func(t *testing.T) {
			env := twoKeys(t)
			transport := &frozen{env: env, lies: tt.lies}
			c := env.NewClient(jwks.WithHTTPClient(&http.Client{Transport: transport}))
			testkit.WantKey(t, c, "k1")
			time.Sleep(tt.asked)
			transport.standsStill.Store(int64(tt.freezes))
			testkit.WantKey(t, c, "k1") // begins the refresh
			synctest.Wait()
			env.Issuer.RemoveKey("k1")
			time.Sleep(tt.freezes - time.Millisecond)
			if _, err := c.Key(t.Context(), "k1"); err == nil && env.Elapsed() > untilRefused {
				t.Errorf("accepted when the process goes on, at %v", env.Elapsed())
			}
			time.Sleep(time.Second)
			if _, err := c.Key(t.Context(), "k1"); err == nil && env.Elapsed() > untilRefused {
				t.Errorf("accepted after the process went on, at %v", env.Elapsed())
			}
			testkit.WantKeyWithin(t, c, "k2", time.Second)
		})
	}
	testkit.Bubble(t, "again and again, and the issuer answers whenever it is asked", func(t *testing.T) {
		env := twoKeys(t)
		transport := &frozen{env: env}
		c := env.NewClient(jwks.WithHTTPClient(&http.Client{Transport: transport}))
		testkit.WantKey(t, c, "k1")
		env.Issuer.RemoveKey("k1")
		for env.Elapsed() < 3*time.Hour {
			transport.standsStill.Store(int64(time.Minute)) // each refresh gets nowhere before the next request
			_, err := c.Key(t.Context(), "k1")
			if err == nil && env.Elapsed() > untilRefused {
				t.Fatalf("accepted at %v", env.Elapsed())
			}
			time.Sleep(time.Minute)
			testkit.WantKeyWithin(t, c, "k2", time.Hour)
		}
	})
}

// A refresh that outlived its deadline says nothing about the issuer, and is tried
// again; but only once, or who waits for a transport that knows no deadline would
// wait for ever.
func TestRefresh_OutlivesItsDeadline(t *testing.T) {
	testkit.Bubble(t, "twice, and who waits is told", func(t *testing.T) {
		env := testkit.NewEnv(t)
		var requests atomic.Int64
		c := env.NewClient(jwks.WithHTTPClient(&http.Client{Transport: testkit.RoundTripFunc(func(*http.Request) (*http.Response, error) {
			requests.Add(1)
			time.Sleep(time.Minute)
			return nil, io.ErrUnexpectedEOF
		})}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var err error
		took := testkit.Measure(func() { _, err = c.Key(ctx, "k1") })
		testkit.WantError(t, err, jwks.ErrUnavailable)
		if n := requests.Load(); n != 2 || took != 2*time.Minute || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d requests in %v: %v", n, took, err)
		}
	})
	testkit.Bubble(t, "twice for a bad signature, and the key at hand decides", func(t *testing.T) {
		env := testkit.NewEnv(t)
		frozen := false
		c := env.NewClient(jwks.WithHTTPClient(&http.Client{Transport: testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			if !frozen {
				return env.RoundTrip(r)
			}
			time.Sleep(time.Minute)
			return nil, io.ErrUnexpectedEOF
		})}))
		v := testkit.NewSourceVerifier(t, c)
		testkit.WantKey(t, c, "k1")
		frozen = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		forged := testkit.NewSigner(t, "ES256", "k1").Token(always(env))
		var err error
		took := testkit.Measure(func() { _, err = v.Verify(ctx, forged) })
		if testkit.WantError(t, err, jwks.ErrTokenInvalid, jwt.ErrTokenSignatureInvalid); took != 2*time.Minute {
			t.Errorf("it took %v", took)
		}
	})
	testkit.Bubble(t, "once, and the next refresh answers", func(t *testing.T) {
		env := testkit.NewEnv(t)
		transport := &frozen{env: env}
		transport.standsStill.Store(int64(time.Minute))
		c := env.NewClient(jwks.WithHTTPClient(&http.Client{Transport: transport}))
		testkit.WantKeyWithin(t, c, "k1", time.Minute)
	})
}

func TestRemovedKey_OldFailures(t *testing.T) {
	for _, silence := range []time.Duration{2 * time.Minute, 20 * time.Minute, 59 * time.Minute} {
		for name, fault := range map[string]jwkstest.Fault{"a 404": jwkstest.Status(404), "an error": jwkstest.DropConnection()} {
			testkit.Bubble(t, "after "+name+" just before expiry and then "+silence.String()+" of silence", func(t *testing.T) {
				env := twoKeys(t)
				c := env.NewClient()
				testkit.WantKey(t, c, "k1")
				time.Sleep(testkit.DefaultTTL - 10*time.Second)
				env.Issuer.SetFault(fault)
				testkit.WantKey(t, c, "k1")
				time.Sleep(5 * time.Second)
				env.Issuer.SetFault(jwkstest.None())
				env.Issuer.RemoveKey("k1")
				time.Sleep(silence)
				testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
			})
		}
	}
	testkit.Bubble(t, "while it still fails, one attempt is waited for and then the set answers", func(t *testing.T) {
		env := twoKeys(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		env.Issuer.SetFault(jwkstest.Status(404))
		time.Sleep(testkit.DefaultTTL)
		testkit.WantKey(t, c, "k1")
		time.Sleep(20 * time.Minute)
		env.Issuer.SetFault(jwkstest.Hang())
		took := testkit.Measure(func() {
			if _, err := c.Key(t.Context(), "k1"); err != nil {
				t.Error(err)
			}
		})
		if took != 5*time.Second {
			t.Errorf("it waited for %v, want one attempt", took)
		}
	})
}

func TestRemovedKey_SeedAndRetention(t *testing.T) {
	testkit.Bubble(t, "a seed is not retained", func(t *testing.T) {
		env := testkit.NewEnv(t)
		seeded := testkit.NewSigner(t, "ES256", "seeded")
		c := env.NewClient(jwks.WithKeySet(testkit.KeySetOf(t, seeded)), jwks.WithRetention(48*time.Hour))
		testkit.WantNoKey(t, c, "seeded", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		if st := c.Status(); len(st.Retained) != 0 {
			t.Errorf("retained %q", st.Retained)
		}
	})
	testkit.Bubble(t, "with a seed and without retention as well, a TTL and a fetch later", func(t *testing.T) {
		env := twoKeys(t)
		c := env.NewClient(jwks.WithKeySet(testkit.ParseKeySet(t, answerOf(t, env))))
		testkit.WantKey(t, c, "k1")
		if took := refusedAfter(t, env, c, time.Second, 2*time.Hour); took > untilRefused {
			t.Errorf("accepted for %v", took)
		}
	})
	for _, silence := range []time.Duration{testkit.DefaultTTL + time.Hour, 30 * 24 * time.Hour} {
		testkit.Bubble(t, "nothing is retained over a silence of "+silence.String(), func(t *testing.T) {
			env := twoKeys(t)
			c := env.NewClient(jwks.WithRetention(time.Hour))
			testkit.WantKey(t, c, "k1")
			env.Issuer.RemoveKey("k1")
			time.Sleep(silence)
			testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
		})
	}
	testkit.Bubble(t, "nor what was retained before it", func(t *testing.T) {
		env := twoKeys(t)
		c := env.NewClient(jwks.WithRetention(48 * time.Hour))
		testkit.WantKey(t, c, "k1")
		env.Issuer.RemoveKey("k1")
		testkit.MustRefresh(t, c)
		testkit.WantKey(t, c, "k1") // retained
		time.Sleep(testkit.DefaultTTL + time.Hour)
		testkit.WantKey(t, c, "k2") // the same set again
		testkit.WantNoKey(t, c, "k1", jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	})
}
