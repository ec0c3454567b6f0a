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
		{Never, -1, Never - 1},
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

func TestLifetime_IsTheOperators(t *testing.T) {
	const ttl = 15 * time.Minute
	tests := []struct {
		rule   string
		ttl    time.Duration
		minTTL time.Duration
		r      Refreshed
		want   time.Duration
	}{
		{"without headers the TTL", ttl, time.Minute, Refreshed{}, ttl},
		{"less the age", ttl, time.Minute, Refreshed{Age: 4 * time.Minute}, 11 * time.Minute},
		{"to the last second", ttl, time.Minute, Refreshed{Age: ttl - time.Second}, time.Second},
		{"not to nothing", ttl, time.Minute, Refreshed{Age: ttl}, time.Minute},
		{"max-age does not shorten it", ttl, time.Minute, Refreshed{ServerTTL: 5 * time.Minute, HasServerTTL: true}, ttl},
		{"nor does no-store", ttl, time.Minute, Refreshed{HasServerTTL: true}, ttl},
		{"nothing lengthens it", ttl, time.Minute, Refreshed{ServerTTL: 7 * 24 * time.Hour, HasServerTTL: true}, ttl},
		{"nor a long max-age with an age", ttl, time.Minute, Refreshed{Age: 4 * time.Minute, ServerTTL: time.Hour, HasServerTTL: true}, 11 * time.Minute},
		{"a copy older than that, until it ends", ttl, time.Minute, Refreshed{Age: time.Hour, ServerTTL: 2 * time.Minute, HasServerTTL: true}, 2 * time.Minute},
		{"at most for the TTL", ttl, time.Minute, Refreshed{Age: time.Hour, ServerTTL: 23 * time.Hour, HasServerTTL: true}, ttl},
		{"at least for the minimum", ttl, time.Minute, Refreshed{Age: time.Hour, ServerTTL: time.Second, HasServerTTL: true}, time.Minute},
		{"which is an option", ttl, 2 * time.Minute, Refreshed{Age: time.Hour, HasServerTTL: true}, 2 * time.Minute},
		{"and for that where no end is named", ttl, time.Minute, Refreshed{Age: time.Hour}, time.Minute},
		{"of any age", ttl, time.Minute, Refreshed{Age: 1 << 31 * time.Second}, time.Minute},
		{"a minimum above the TTL counts as the TTL", 30 * time.Second, time.Minute, Refreshed{Age: time.Hour}, 30 * time.Second},
		{"the longest TTL", math.MaxInt64, time.Minute, Refreshed{}, math.MaxInt64},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			cfg := Config{TTL: tt.ttl, MinTTL: tt.minTTL}
			if got := cfg.lifetime(tt.r); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestPlan_OrderAndJitter(t *testing.T) {
	const now, ttl, maxStale = 60 * minute, 100 * time.Minute, 30 * time.Minute
	asked := func(d time.Duration) Refreshed { return Refreshed{ServerTTL: d, HasServerTTL: true} }
	tests := []struct {
		rule   string
		ahead  float64
		random float64
		r      Refreshed
		want   time.Duration // until the refresh
	}{
		{"10 % early", 0.8, 0, Refreshed{}, 72 * time.Minute},
		{"in the middle", 0.8, 0.5, Refreshed{}, 80 * time.Minute},
		{"1 turns refresh-ahead off", 1, 0.5, Refreshed{}, ttl},
		{"headers bring it forward", 0.8, 0.5, asked(10 * time.Minute), 10 * time.Minute},
		{"10 % early as well", 0.8, 0, asked(10 * time.Minute), 9 * time.Minute},
		{"and up to 10 % late", 1, 1, asked(10 * time.Minute), 11 * time.Minute},
		{"also where refresh-ahead is off", 1, 0.5, asked(10 * time.Minute), 10 * time.Minute},
		{"to no earlier than the minimum", 0.8, 0.5, asked(0), 3 * time.Minute},
		{"not back", 0.8, 0.5, asked(95 * time.Minute), 80 * time.Minute},
		{"nor by a lifetime beyond the TTL", 1, 0, asked(ttl), ttl},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			cfg := Config{TTL: ttl, MinTTL: 3 * time.Minute, RefreshAhead: tt.ahead, MaxStale: maxStale}
			got := cfg.plan(now, tt.r, tt.random)
			if d := got.Refresh.Sub(now.Add(tt.want)); d < -time.Microsecond || d > time.Microsecond || got.Expiry != now.Add(ttl) || got.StaleEnd != now.Add(ttl+maxStale) {
				t.Errorf("%v, want a refresh at %v", got, now.Add(tt.want))
			}
		})
	}
	t.Run("the moments are in order and the jitter is at most 10 %", func(t *testing.T) {
		for range 100_000 {
			cfg := Config{TTL: 1 + rand.N(100*time.Hour), MinTTL: 1 + rand.N(time.Hour), RefreshAhead: 1 - rand.Float64(), MaxStale: rand.N(time.Hour)}
			r := Refreshed{ServerTTL: rand.N(100 * time.Hour), HasServerTTL: rand.IntN(2) == 0}
			if rand.IntN(2) == 0 {
				r.Age = rand.N(100 * time.Hour)
			}
			s := cfg.plan(now, r, rand.Float64())
			if now > s.Refresh || s.Refresh > s.Expiry || s.Expiry > s.StaleEnd || s.Expiry > now.Add(cfg.TTL) {
				t.Fatalf("%+v, %+v: %v", cfg, r, s)
			}
			earliest := 0.9 * cfg.RefreshAhead * float64(cfg.lifetime(r))
			if r.HasServerTTL {
				earliest = min(earliest, 0.9*float64(max(r.ServerTTL, cfg.minTTL())))
			}
			if float64(s.Refresh-now) < earliest*(1-1e-6) {
				t.Fatalf("%+v, %+v: refresh after %v", cfg, r, s.Refresh.Sub(now))
			}
		}
	})
	t.Run("the longest times do not overflow", func(t *testing.T) {
		cfg := Config{TTL: math.MaxInt64, RefreshAhead: 1, MaxStale: math.MaxInt64}
		if s := cfg.plan(now, Refreshed{}, 0.5); s != permanent() {
			t.Errorf("%v", s)
		}
		cfg = Config{TTL: ttl, RefreshAhead: 0.8, MaxStale: math.MaxInt64}
		if s := cfg.plan(now, Refreshed{}, 0.5); s.StaleEnd != Never {
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
		if got, least := backoff(n+1, 0, 0), time.Second/10; got != least {
			t.Errorf("after failure %d at least %v, want %v", n+1, got, least)
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
