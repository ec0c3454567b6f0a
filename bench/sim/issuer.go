package main

import (
	"sync"
	"time"
)

// document is what a request is for.
type document uint8

const (
	metadata document = iota // the discovery document
	keySet
)

// answer is what an issuer says to one request.
type answer struct {
	ok         bool
	retryAfter time.Duration // of an error; 0: none
	maxAge     time.Duration // Cache-Control; 0: none
	age        time.Duration // Age
	version    int           // of the key set
}

// conduct is how an issuer behaves. Time is counted from the start.
type conduct struct {
	downFrom, downTo time.Duration // it answers 503
	retryAfter       time.Duration // with this, if not 0
	capacity         int           // requests per second that it can answer, from downTo on; 0: any number. 503 to the others
	publishes        time.Duration // when a new key appears in the set; 0: never
	maxAge           time.Duration // that it sends; 0: none
	cached           bool          // a shared cache stands in front, which keeps answers for maxAge and goes past them when asked to
}

// issuer is the same for the model and for real clients: it counts requests and
// decides how each is answered.
type issuer struct {
	conduct

	mu      sync.Mutex
	seen    series // requests that arrived, at the cache if there is one
	origin  series // requests that the issuer itself got
	forced  series // requests of those seen that a token under an unknown key caused
	kinds   [2]int // of those seen, by document
	slot    time.Duration
	in      int // requests answered in this slot
	fetched [2]time.Duration
	holds   [2]bool
	stored  int // version of the key set in the cache
}

// latency of every answer.
const latency = 20 * time.Millisecond

// slots are the unit of capacity: nobody is served who comes in the same
// millisecond as everybody else.
const slots = 100 * time.Millisecond

// ask is one request. noCache goes past the cache.
func (i *issuer) ask(now time.Duration, what document, noCache bool) answer {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen.add(now)
	i.kinds[what]++
	if noCache {
		i.forced.add(now)
	}
	if i.cached && !noCache && i.holds[what] && now-i.fetched[what] < i.maxAge {
		return answer{ok: true, maxAge: i.maxAge, age: max(now-i.fetched[what], 0).Truncate(time.Second), version: i.stored}
	}
	i.origin.add(now)
	if now >= i.downFrom && now < i.downTo || i.overloaded(now) {
		return answer{retryAfter: i.retryAfter}
	}
	a := answer{ok: true, maxAge: i.maxAge, version: i.version(now)}
	if i.cached {
		i.fetched[what], i.holds[what] = now, true
		if what == keySet {
			i.stored = a.version
		}
	}
	return a
}

func (i *issuer) version(now time.Duration) int {
	if i.publishes > 0 && now >= i.publishes {
		return 1
	}
	return 0
}

func (i *issuer) overloaded(now time.Duration) bool {
	if i.capacity == 0 || now < i.downTo {
		return false
	}
	if slot := now / slots; slot != i.slot {
		i.slot, i.in = slot, 0
	}
	i.in++
	return i.in > int(int64(i.capacity)*int64(slots)/int64(time.Second))
}

// series counts events by the second.
type series struct{ perSecond []int }

func (s *series) add(at time.Duration) {
	second := int(at / time.Second)
	for len(s.perSecond) <= second {
		s.perSecond = append(s.perSecond, make([]int, second+1-len(s.perSecond))...)
	}
	s.perSecond[second]++
}

// between is the seconds from one moment up to another.
func (s *series) between(from, to time.Duration) []int {
	low := min(int(from/time.Second), len(s.perSecond))
	return s.perSecond[low:max(low, min(int(to/time.Second), len(s.perSecond)))]
}

func (s *series) total(from, to time.Duration) int {
	sum := 0
	for _, n := range s.between(from, to) {
		sum += n
	}
	return sum
}

func (s *series) peak(from, to time.Duration) int {
	most := 0
	for _, n := range s.between(from, to) {
		most = max(most, n)
	}
	return most
}

// mean is the requests per second over a while.
func (s *series) mean(from, to time.Duration) float64 {
	return float64(s.total(from, to)) / (to - from).Seconds()
}
