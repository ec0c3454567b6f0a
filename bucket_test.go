package jwks

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	const every = 30 * time.Second
	b := bucket{every: every, burst: 5}
	take := func(now moment) bool {
		if !b.available(now) {
			return false
		}
		b.charge(now)
		return true
	}
	for n := range 5 {
		if !take(time.Hour) {
			t.Fatalf("no %d of the burst", n+1)
		}
	}
	steps := []struct {
		now  moment
		ok   bool
		next time.Duration
	}{
		{time.Hour, false, every},
		{time.Hour + every - 1, false, 1},
		{time.Hour + every, true, every},
		{time.Hour + every + time.Second, false, every - time.Second},
		{time.Hour + 3*every + time.Second, true, 0}, // two were earned, and the second of the third is kept
		{time.Hour + 3*every + time.Second, true, every - time.Second},
		{time.Hour + 4*every, true, every},
		{time.Hour + 4*every, false, every},
	}
	for n, s := range steps {
		if ok := take(s.now); ok != s.ok {
			t.Errorf("step %d at %v: available %t", n, s.now, ok)
		}
		if next := b.next(s.now); next != s.next {
			t.Errorf("step %d at %v: next in %v, want %v", n, s.now, next, s.next)
		}
	}
	for n := range 5 {
		if !take(48 * time.Hour) {
			t.Errorf("after a long time no %d of the burst", n+1)
		}
	}
	if take(48 * time.Hour) {
		t.Error("more than the burst was saved up")
	}
	none := bucket{every: every}
	if none.available(time.Hour) || none.next(time.Hour) != 0 {
		t.Error("a budget of none has something, or promises it")
	}
}

// Whatever the times of asking, at most burst + elapsed/every are granted.
func TestBucketNeverGrantsMoreThanItsRate(t *testing.T) {
	for range 2000 {
		b := bucket{every: 1 + rand.N(time.Minute), burst: rand.IntN(10)}
		var now moment
		granted := 0
		for range 200 {
			now += rand.N(2 * b.every)
			for range rand.IntN(4) {
				if b.available(now) {
					b.charge(now)
					granted++
				}
			}
			if most := b.burst + int(now/b.every); granted > most {
				t.Fatalf("%d granted in %v, at most %d", granted, now, most)
			}
		}
	}
}
