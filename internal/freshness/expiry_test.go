package freshness

import (
	"testing"
	"time"
)

func TestPolicy_AnnounceExpiry(t *testing.T) {
	p := New(Config{TTL: time.Minute, RefreshAhead: 1, MaxStale: time.Minute})
	at := func(d time.Duration) Moment { return Moment(0).Add(d) }
	check := func(when time.Duration, want bool) {
		t.Helper()
		if got := p.AnnounceExpiry(at(when)); got != want {
			t.Errorf("at %v: %v, want %v", when, got, want)
		}
	}
	check(time.Hour, false) // there was never a set
	p.Begin(at(0))
	p.Succeed(at(0), Refreshed{Changed: true}, 0)
	check(30*time.Second, false)
	check(90*time.Second, false) // stale
	check(2*time.Minute, true)
	check(3*time.Minute, false) // told
	p.Succeed(at(time.Hour), Refreshed{}, 0)
	check(time.Hour, false)
	check(2*time.Hour, true)

	p = New(Config{TTL: time.Minute, RefreshAhead: 1, NoCache: true})
	p.Succeed(at(0), Refreshed{Changed: true}, 0)
	check(time.Hour, false) // it keeps no set
}
