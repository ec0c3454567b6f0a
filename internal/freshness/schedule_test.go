package freshness

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestMoment_AddStopsAtNever(t *testing.T) {
	tests := []struct {
		m    Moment
		d    time.Duration
		want Moment
	}{
		{0, time.Second, second},
		{second, -time.Second, 0},
		{-1, math.MaxInt64, Never - 1},
		{0, math.MaxInt64, Never},
		{1, math.MaxInt64, Never},
		{Never, 0, Never},
		{Never, 1, Never},
	}
	for _, tt := range tests {
		if got := tt.m.Add(tt.d); got != tt.want {
			t.Errorf("%d + %d: %d, want %d", tt.m, tt.d, got, tt.want)
		}
	}
	if got := minute.Sub(second); got != 59*time.Second {
		t.Errorf("a minute less a second: %v", got)
	}
}

func TestLifetime_TTLAgeAndHeaders(t *testing.T) {
	const ttl = 15 * time.Minute
	tests := []struct {
		rule        string
		ttl         time.Duration
		age, server time.Duration
		hasServer   bool
		want        time.Duration
	}{
		{"without headers the TTL", ttl, 0, 0, false, ttl},
		{"less the age", ttl, 4 * time.Minute, 0, false, 11 * time.Minute},
		{"max-age may shorten it", ttl, 0, 5 * time.Minute, true, 5 * time.Minute},
		{"nothing lengthens it", ttl, 0, 7 * 24 * time.Hour, true, ttl},
		{"nor a long max-age with an age", ttl, 4 * time.Minute, time.Hour, true, 11 * time.Minute},
		{"not below a minute", ttl, 0, time.Second, true, time.Minute},
		{"no-store means a minute", ttl, 0, 0, true, time.Minute},
		{"an answer older than the TTL", ttl, time.Hour, 0, false, time.Minute},
		{"of any age", ttl, 1 << 31 * time.Second, 0, true, time.Minute},
		{"a shorter TTL is the user's own", time.Second, 0, time.Hour, true, time.Second},
		{"which a server cannot shorten", 30 * time.Second, 0, 0, true, 30 * time.Second},
		{"nor an age", 30 * time.Second, time.Hour, 0, false, 30 * time.Second},
		{"the longest TTL", math.MaxInt64, 0, 0, false, math.MaxInt64},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := lifetime(tt.ttl, tt.age, tt.server, tt.hasServer); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestPlan_OrderAndJitter(t *testing.T) {
	const now, life, maxStale = 60 * minute, 100 * time.Minute, 30 * time.Minute
	tests := []struct {
		rule   string
		ahead  float64
		random float64
		want   Schedule
	}{
		{"10 % early", 0.8, 0, Schedule{now.Add(72 * time.Minute), now.Add(life), now.Add(life + maxStale)}},
		{"in the middle", 0.8, 0.5, Schedule{now.Add(80 * time.Minute), now.Add(life), now.Add(life + maxStale)}},
		{"1 turns refresh-ahead off", 1, 0.5, Schedule{now.Add(life), now.Add(life), now.Add(life + maxStale)}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			got := plan(now, life, tt.ahead, maxStale, tt.random)
			if d := got.Refresh.Sub(tt.want.Refresh); d < -time.Microsecond || d > time.Microsecond || got.Expiry != tt.want.Expiry || got.StaleEnd != tt.want.StaleEnd {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
	t.Run("the moments are in order and the jitter is at most 10 %", func(t *testing.T) {
		for range 100_000 {
			ahead := 1 - rand.Float64()
			life := 1 + rand.N(100*time.Hour)
			s := plan(now, life, ahead, rand.N(time.Hour), rand.Float64())
			if now > s.Refresh || s.Refresh > s.Expiry || s.Expiry > s.StaleEnd {
				t.Fatalf("%v of %v: %v", ahead, life, s)
			}
			if share := float64(s.Refresh-now) / float64(life); ahead < 1 && (share < 0.9*ahead-1e-6 || share > 1.1*ahead+1e-6) {
				t.Fatalf("%v of %v: refresh at %v of it", ahead, life, share)
			}
		}
	})
	t.Run("the longest times do not overflow", func(t *testing.T) {
		if s := plan(now, math.MaxInt64, 1, math.MaxInt64, 0.5); s != permanent() {
			t.Errorf("%v", s)
		}
		if s := plan(now, life, 0.8, math.MaxInt64, 0.5); s.StaleEnd != Never {
			t.Errorf("%v", s)
		}
	})
}

func TestBackoff_DoublesWithJitter(t *testing.T) {
	const almost = 1 - 1e-9
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		if got := backoff(n+1, 0, almost).Round(time.Millisecond); got != want*time.Second {
			t.Errorf("after failure %d at most %v, want %v", n+1, got, want*time.Second)
		}
		if got := backoff(n+1, 0, 0); got != minBackoff {
			t.Errorf("after failure %d at least %v, want %v", n+1, got, minBackoff)
		}
		if got := backoff(n+1, 0, 0.5).Round(time.Millisecond); got != want*time.Second/2 {
			t.Errorf("after failure %d half of it is %v: the jitter is not full", n+1, got)
		}
	}
	if got := backoff(math.MaxInt, 0, almost).Round(time.Millisecond); got != time.Minute {
		t.Errorf("after ever so many failures %v", got)
	}
	for _, tt := range []struct {
		rule            string
		retryAfter, out time.Duration
	}{
		{"Retry-After raises it", 2 * time.Minute, 2 * time.Minute},
		{"to 10 minutes at most", 24 * time.Hour, 10 * time.Minute},
		{"and does not lower it", time.Second, 30 * time.Second},
	} {
		if got := backoff(7, tt.retryAfter, 0.5); got != tt.out {
			t.Errorf("%s: %v, want %v", tt.rule, got, tt.out)
		}
	}
}
