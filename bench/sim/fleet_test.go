package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwksstore"
)

// transport is the issuer that the model asks, for real clients in a synctest
// bubble.
type transport struct {
	*issuer
	began time.Time
}

const (
	issuerURL = "https://issuer.example"
	newKid    = "new"
)

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	what := metadata
	if r.URL.Path == "/jwks" {
		what = keySet
	}
	a := t.ask(time.Since(t.began), what, r.Header.Get("Cache-Control") == "no-cache")
	time.Sleep(latency)
	response := &http.Response{
		StatusCode: http.StatusServiceUnavailable, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}
	if a.retryAfter > 0 {
		response.Header.Set("Retry-After", seconds(a.retryAfter))
	}
	if !a.ok {
		return response, nil
	}
	response.StatusCode = http.StatusOK
	if a.maxAge > 0 {
		response.Header.Set("Cache-Control", "public, max-age="+seconds(a.maxAge))
		response.Header.Set("Age", seconds(a.age))
	}
	body := documents[what]
	if what == keySet && a.version == 0 {
		body = oldKeySet
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

var (
	oldKeySet = published("old")
	documents = map[document][]byte{
		metadata: []byte(`{"issuer":"` + issuerURL + `","jwks_uri":"` + issuerURL + `/jwks"}`),
		keySet:   published("old", newKid),
	}
)

func published(kids ...string) []byte {
	var keys []map[string]string
	for _, kid := range kids {
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			panic(err)
		}
		keys = append(keys, map[string]string{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": base64.RawURLEncoding.EncodeToString(public)})
	}
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return text
}

// clients runs the fleet with real clients. Each is kept warm by Run, which
// refreshes when a lookup would, or by lookups.
func (f fleet) clients(t *testing.T, i *issuer, lookups bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithTimeout(t.Context(), f.horizon)
		defer end()
		link := &transport{i, time.Now()}
		store := &leasing{Store: jwksstore.Memory()}
		var all sync.WaitGroup
		for range f.replicas {
			all.Go(func() {
				time.Sleep(time.Duration(rand.Int64N(int64(f.spread))))
				if f.restartTo > 0 {
					at := f.restartFrom + time.Duration(rand.Int64N(int64(f.restartTo-f.restartFrom)))
					life, end := context.WithTimeout(ctx, at-time.Since(link.began))
					client := f.client(t, link, store)
					_ = client.Run(life) // life's end
					end()
					client.Close()
				}
				client := f.client(t, link, store)
				defer client.Close()
				var signed sync.WaitGroup
				if f.signs > 0 {
					signed.Go(func() {
						time.Sleep(f.firstToken(rand.New(rand.NewPCG(rand.Uint64(), 1))) - time.Since(link.began))
						if ctx.Err() != nil {
							return
						}
						if _, err := client.Key(ctx, newKid); err != nil {
							t.Errorf("the first token under the new key: %v", err)
						}
					})
				}
				if !lookups {
					_ = client.Run(ctx) // ctx's end
				}
				for ctx.Err() == nil {
					_, _ = client.Key(ctx, "old") // fails while the issuer is down at the start
					time.Sleep(time.Second)
				}
				signed.Wait()
			})
		}
		all.Wait()
	})
}

// leasing is a store in memory with leases.
type leasing struct {
	jwks.Store
	mu    sync.Mutex
	until time.Time
}

func (l *leasing) Lease(_ context.Context, _ string, d time.Duration) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Now().Before(l.until) {
		return false, nil
	}
	l.until = time.Now().Add(d)
	return true, nil
}

func (f *fleet) client(t *testing.T, link http.RoundTripper, store *leasing) *jwks.Client {
	t.Helper()
	options := []jwks.ClientOption{
		jwks.WithHTTPClient(&http.Client{Transport: link}), jwks.WithTTL(f.ttl), jwks.WithRefreshAhead(f.ahead),
		jwks.WithRetries(f.retries), jwks.WithRefreshLimit(f.limitEvery, f.limitBurst),
	}
	if f.discovery {
		options = append(options, jwks.WithIssuer(issuerURL))
	} else {
		options = append(options, jwks.WithJWKSURL(issuerURL+"/jwks"))
	}
	switch secret := make([]byte, 32); {
	case f.leases:
		options = append(options, jwks.WithStore(store, secret))
	case f.store:
		options = append(options, jwks.WithStore(store.Store, secret))
	}
	client, err := jwks.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// situation is a fleet and what its issuer does.
type situation struct {
	fleet   fleet
	conduct conduct
	lookups bool // real clients do lookups instead of Run
}

func situations() map[string]situation {
	const half = 30 * time.Minute
	of := func(n int, horizon time.Duration, changes ...func(*fleet)) fleet {
		f := started(n, horizon)
		for _, change := range changes {
			change(&f)
		}
		return f
	}
	sharing := func(f *fleet) { f.store, f.leases = true, true }
	signing := func(f *fleet) { f.signs, f.tokens, f.tokenLife = 25*time.Minute, 10, 10*time.Minute }
	down := conduct{downFrom: 15 * time.Minute, downTo: 25 * time.Minute}
	polite, short := down, down
	polite.retryAfter, short.capacity = 2*time.Minute, 10
	return map[string]situation{
		"one replica":             {fleet: of(1, 2*time.Hour)},
		"started together":        {fleet: of(1000, half)},
		"in their stride":         {fleet: of(100, 3*time.Hour)},
		"started over a minute":   {fleet: of(100, half, func(f *fleet) { f.spread = time.Minute })},
		"lookups instead of Run":  {fleet: of(10, half), lookups: true},
		"without discovery":       {fleet: of(100, half, func(f *fleet) { f.discovery = false })},
		"refresh-ahead off":       {fleet: of(100, half, func(f *fleet) { f.ahead = 1 })},
		"max-age of 5 min":        {fleet: of(100, half), conduct: conduct{maxAge: 5 * time.Minute}},
		"max-age of 5 s":          {fleet: of(100, half), conduct: conduct{maxAge: 5 * time.Second}},
		"cache in front":          {fleet: of(100, 2*time.Hour), conduct: conduct{maxAge: 15 * time.Minute, cached: true}},
		"outage":                  {fleet: of(300, half), conduct: down},
		"outage, Retry-After":     {fleet: of(300, half), conduct: polite},
		"outage, no retries":      {fleet: of(300, half, func(f *fleet) { f.retries = 0 }), conduct: down},
		"recovery at a limit":     {fleet: of(200, half+10*time.Minute), conduct: short},
		"down at the start":       {fleet: of(100, 15*time.Minute), conduct: conduct{downTo: 5 * time.Minute}},
		"outage seen by lookups":  {fleet: of(30, half), conduct: down, lookups: true},
		"rotation":                {fleet: of(500, half, signing), conduct: conduct{publishes: 25 * time.Minute}},
		"published 5 min before":  {fleet: of(500, half, signing), conduct: conduct{publishes: 20 * time.Minute}},
		"published 15 min before": {fleet: of(100, half, signing), conduct: conduct{publishes: 10 * time.Minute}},

		"store, started together":      {fleet: of(300, half, sharing)},
		"store, in their stride":       {fleet: of(30, 6*time.Hour, sharing)},
		"store, without leases":        {fleet: of(100, 3*time.Hour, sharing, func(f *fleet) { f.leases = false })},
		"store, rotation":              {fleet: of(300, half, sharing, signing), conduct: conduct{publishes: 25 * time.Minute}},
		"store, outage":                {fleet: of(100, half, sharing), conduct: down},
		"store, restarts in an outage": {fleet: of(100, half, sharing, func(f *fleet) { f.restartFrom, f.restartTo = down.downFrom, down.downTo }), conduct: down},
		"store, one replica":           {fleet: of(1, 2*time.Hour, sharing)},
		"restarts in an outage":        {fleet: of(100, half, func(f *fleet) { f.restartFrom, f.restartTo = down.downFrom, down.downTo }), conduct: down},
	}
}

// TestTheModelDoesWhatClientsDo runs both against equal issuers and compares
// what those saw: the numbers of requests, and when they came.
func TestTheModelDoesWhatClientsDo(t *testing.T) {
	for name, s := range situations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var found []string
			for draw := range uint64(4) { // what both draw may for once be far apart
				model, real := &issuer{conduct: s.conduct}, &issuer{conduct: s.conduct}
				simulate(s.fleet, model, draw+1)
				s.fleet.clients(t, real, s.lookups)
				if found = differences(s.fleet, model, real); found == nil {
					return
				}
			}
			for _, difference := range found {
				t.Error(difference)
			}
		})
	}
}

// TestAWrongModelIsNoticed shows that the comparison can fail.
func TestAWrongModelIsNoticed(t *testing.T) {
	for name, c := range map[string]struct {
		situation string
		change    func(*policy)
	}{
		"no jitter of refresh-ahead": {"started together", func(p *policy) { p.jitterAhead = false }},
		"a fixed backoff":            {"outage", func(p *policy) { p.jitterBackoff = false }},
		"another TTL":                {"in their stride", func(p *policy) { p.ttl = 14 * time.Minute }},
		"one retry fewer":            {"outage", func(p *policy) { p.retries = 1 }},
		"refresh-ahead at 75 %":      {"started together", func(p *policy) { p.ahead = 0.75 }},
		"no discovery":               {"in their stride", func(p *policy) { p.discovery = false }},
		"no store":                   {"store, in their stride", func(p *policy) { p.store = false }},
		"no leases":                  {"store, started together", func(p *policy) { p.leases = false }},
		"a store that restarts lack": {"store, restarts in an outage", func(p *policy) { p.store = false }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := situations()[c.situation]
			wrong := s.fleet
			c.change(&wrong.policy)
			for range 5 { // what real clients draw may for once look like the wrong model
				model, real := &issuer{conduct: s.conduct}, &issuer{conduct: s.conduct}
				simulate(wrong, model, 1)
				s.fleet.clients(t, real, false)
				if len(differences(s.fleet, model, real)) > 0 {
					return
				}
			}
			t.Error("passes for what clients do")
		})
	}
}

// differences compares the requests that two issuers saw. A client's moments
// are random, so that sums over n clients differ by about the square root of n.
func differences(f fleet, model, real *issuer) (found []string) {
	chance := 6 * math.Sqrt(float64(f.replicas))
	if f.leases && real.downTo == 0 { // one of them asks for all
		chance = 8 * math.Sqrt(f.horizon.Hours()+1)
	}
	if real.downTo > 0 { // a random pause decides each time whether there are three more
		chance *= 8
	}
	compare := func(what string, m, r float64) {
		if math.Abs(m-r) > 0.03*r+chance {
			found = append(found, fmt.Sprintf("%s: model %.0f, clients %.0f", what, m, r))
		}
	}
	for kind, what := range map[document]string{metadata: "discovery requests", keySet: "key set requests"} {
		compare(what, float64(model.kinds[kind]), float64(real.kinds[kind]))
	}
	compare("requests at the origin", float64(model.origin.total(0, f.horizon)), float64(real.origin.total(0, f.horizon)))
	compare("requests past caches", float64(model.forced.total(0, f.horizon)), float64(real.forced.total(0, f.horizon)))
	var m, r, worst float64 // how far the counts are apart, at any time
	for at := time.Duration(0); at < f.horizon; at += time.Second {
		m += float64(model.seen.total(at, at+time.Second))
		r += float64(real.seen.total(at, at+time.Second))
		worst = max(worst, math.Abs(m-r))
	}
	if worst > 0.04*r+chance {
		found = append(found, fmt.Sprintf("the counts are %.0f of %.0f requests apart at one time", worst, r))
	}
	return found
}

// TestForgedTokensCostNoMoreThanTheBudget asks a real client for a new kid
// every second.
func TestForgedTokensCostNoMoreThanTheBudget(t *testing.T) {
	const while = 10 * time.Minute
	synctest.Test(t, func(t *testing.T) {
		f := started(1, while)
		i := &issuer{}
		client := f.client(t, &transport{i, time.Now()}, nil)
		defer client.Close()
		if err := client.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		for n := range int(while / time.Second) {
			if _, err := client.Key(t.Context(), fmt.Sprint("forged-", n)); err == nil {
				t.Fatal("a forged kid was found")
			}
			time.Sleep(time.Second)
		}
		if got, most := i.forced.total(0, 2*while), flood(f.policy, 1, while); got > most || got < most-1 {
			t.Errorf("%d requests, want %d or one fewer", got, most)
		}
	})
}
