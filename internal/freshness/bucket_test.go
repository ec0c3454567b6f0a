package freshness

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestBucket_BurstAndRefill(t *testing.T) {
	const every, hour = 30 * time.Second, 60 * minute
	b := NewBucket(every, 5)
	take := func(now Moment) bool {
		if !b.Available(now) {
			return false
		}
		b.Charge(now)
		return true
	}
	for n := range 5 {
		if !take(hour) {
			t.Fatalf("no %d of the burst", n+1)
		}
	}
	steps := []struct {
		now  Moment
		ok   bool
		next time.Duration
	}{
		{hour, false, every},
		{hour.Add(every - 1), false, 1},
		{hour.Add(every), true, every},
		{hour.Add(every + time.Second), false, every - time.Second},
		{hour.Add(3*every + time.Second), true, 0}, // two were earned, and the second of the third is kept
		{hour.Add(3*every + time.Second), true, every - time.Second},
		{hour.Add(4 * every), true, every},
		{hour.Add(4 * every), false, every},
	}
	for n, s := range steps {
		if ok := take(s.now); ok != s.ok {
			t.Errorf("step %d at %v: available %t", n, s.now, ok)
		}
		if next := b.Next(s.now); next != s.next {
			t.Errorf("step %d at %v: next in %v, want %v", n, s.now, next, s.next)
		}
	}
	for n := range 5 {
		if !take(48 * hour) {
			t.Errorf("after a long time no %d of the burst", n+1)
		}
	}
	if take(48 * hour) {
		t.Error("more than the burst was saved up")
	}
	none := NewBucket(every, 0)
	if none.Available(hour) || none.Next(hour) != 0 {
		t.Error("a budget of none has something, or promises it")
	}
}

// A budget that goes on under another clock is refilled when it would have been.
func TestBucket_ShiftKeepsTheRefill(t *testing.T) {
	const ahead = 10 * minute // of the other clock
	b := NewBucket(30*time.Second, 1)
	b.Charge(minute)
	shifted := b.Shift(ahead.Sub(0))
	if got := shifted.Next(minute + ahead + second); got != 29*time.Second {
		t.Errorf("by a clock that shows more, the next in %v", got)
	}
	back := b.Shift(-minute.Sub(0))
	if got := back.Next(second); got != 29*time.Second {
		t.Errorf("by a clock that shows less, the next in %v", got)
	}
	if got := b.Next(minute + second); got != 29*time.Second {
		t.Errorf("by its own clock, the next in %v", got)
	}
}

// Whatever the times of asking, at most burst + elapsed/every are granted.
func TestBucket_NeverGrantsAboveItsRate(t *testing.T) {
	for range 2000 {
		b := NewBucket(1+rand.N(time.Minute), rand.IntN(10))
		var now Moment
		granted := 0
		for range 200 {
			now = now.Add(rand.N(2 * b.every))
			for range rand.IntN(4) {
				if b.Available(now) {
					b.Charge(now)
					granted++
				}
			}
			if most := b.burst + int(now.Sub(0)/b.every); granted > most {
				t.Fatalf("%d granted in %v, at most %d", granted, now.Sub(0), most)
			}
		}
	}
}
