package tenants

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/seed-22400188/jwks/internal/freshness"
)

func at(d time.Duration) freshness.Moment { return freshness.Moment(d) }

// Who makes room: of the settled ones the one that verified longest ago, of
// those on trial the one that was named longest ago, and neither for the other.
func TestRoster_WhoMakesRoom(t *testing.T) {
	r := NewRoster[int](3, NewcomerBudget(3))
	left := func(member int, made bool) int {
		if !made {
			return -1
		}
		return member
	}
	name := func(i int) string { return fmt.Sprint(i) }
	for i := range 3 {
		r.Try(name(i), i)
		if got := left(r.Settle(name(i), i)); got != -1 {
			t.Errorf("%d made room while there was some", got)
		}
	}
	for i := 100; i < 200; i++ { // a flood
		want := -1
		if i >= 116 {
			want = i - 16
		}
		if got := left(r.Try(name(i), i)); got != want {
			t.Errorf("%d: %d made room, want %d", i, got, want)
		}
		if member, settled, ok := r.Find(name(i)); member != i || settled || !ok {
			t.Fatalf("on trial, %d is found as %d, settled %t, %t", i, member, settled, ok)
		}
		for settled := range 3 {
			if _, ok, _ := r.Find(name(settled)); !ok {
				t.Fatalf("the flood pushed %d out", settled)
			}
		}
	}
	if got := r.Settled(); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("to be found is nothing to a settled one: %v", got)
	}
	r.Find(name(184)) // the oldest one, which stays for that
	if got := left(r.Try("x", 7)); got != 185 {
		t.Errorf("%d made room on trial, want 185", got)
	}
	r.Touch(name(0))
	if got := left(r.Settle(name(184), 184)); got != 1 {
		t.Errorf("%d made room, want 1, whose verification is longest ago", got)
	}
	if got := left(r.Settle(name(184), 184)); got != -1 || len(r.All()) != 3+15 {
		t.Errorf("settled twice: %d, %d members", got, len(r.All()))
	}
	for _, i := range []int{184, 199} { // settled, and on trial
		r.Remove(name(i))
		if _, _, ok := r.Find(name(i)); ok {
			t.Errorf("%d was removed, and is found", i)
		}
	}
	if TrialSize(1) != 16 || TrialSize(160) != 16 || TrialSize(1000) != 100 {
		t.Error("the larger of 16 and a tenth")
	}
}

// Who looks without a lock finds a member while it settles. There is one
// processor, so that the one who looks is interrupted at any point of a look,
// and the member settles meanwhile.
func TestRoster_FoundWhileItSettles(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const n = 25
	r := NewRoster[int](n, NewcomerBudget(n))
	r.trial, _ = lru.NewWithEvict(r.trialSize, func(name string, _ int) {
		if _, settled, ok := r.Find(name); !settled || !ok {
			t.Errorf("%s is neither on trial any more nor settled", name)
		}
	})
	var looksFor atomic.Pointer[string]
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			switch name := looksFor.Load(); {
			case name == nil:
				runtime.Gosched()
			case *name == "":
				return
			default:
				if _, _, ok := r.Find(*name); !ok {
					t.Errorf("%s is not found", *name)
					return
				}
			}
		}
	}()
	for i := range n {
		name := fmt.Sprint(i)
		r.Try(name, i)
		looksFor.Store(&name)
		runtime.Gosched() // until the other's time is up
		r.Settle(name, i)
	}
	looksFor.Store(new(string))
	<-done
}

// How long a yes holds, second by second, with a TTL of 1,000 s.
func TestDecision_Ask(t *testing.T) {
	const ttl = 1000 * time.Second
	type span struct {
		until time.Duration // in seconds
		want  Advice
	}
	tests := []struct {
		name   string
		failed []time.Duration // when asking failed, in seconds
		spans  []span
	}{
		{"nobody asked", nil, []span{{800, Holds}, {1000, Renew}, {3000, Await}}},
		{"it failed before the TTL", []time.Duration{810}, []span{{870, Holds}, {1000, Renew}, {3000, Await}}},
		{"shortly before", []time.Duration{990}, []span{{1050, Holds}, {1065, Renew}, {3000, Await}}},
		{"again and again", []time.Duration{990, 1060}, []span{{1120, Holds}, {1135, Renew}, {3000, Await}}},
		{"to the end of the second TTL", []time.Duration{1990}, []span{{2000, Holds}, {4000, Await}}},
		{"and no longer", []time.Duration{1990, 2100}, []span{{4000, Await}}},
	}
	for _, test := range tests {
		d := Decided(0)
		var last time.Duration
		for _, f := range test.failed {
			d.Fail(at(f * time.Second))
			last = f
		}
		for now := last; now < test.spans[len(test.spans)-1].until; now++ {
			span := test.spans[slices.IndexFunc(test.spans, func(s span) bool { return now < s.until })]
			got := d.Ask(at(now*time.Second), ttl)
			if got != span.want {
				t.Errorf("%s: at %d s %v, want %v", test.name, now, got, span.want)
				break
			}
			if next := d.Next(ttl); got == Holds && next != at(span.until*time.Second) {
				t.Errorf("%s: at %d s it says that it holds until %v, and does until %d s", test.name, now, time.Duration(next), span.until)
			}
			if survives := now < 2000; d.Survives(at(now*time.Second), ttl) != survives {
				t.Errorf("%s: at %d s it survives: %t", test.name, now, !survives)
			}
		}
	}
	for ttl, want := range map[time.Duration]time.Duration{15 * time.Minute: time.Minute, time.Minute: 6 * time.Second, time.Second: 100 * time.Millisecond} {
		if got := RefusalTTL(ttl); got != want {
			t.Errorf("a no holds %v at a TTL of %v, want %v", got, ttl, want)
		}
	}
}

func TestRefusals_Bounded(t *testing.T) {
	r := NewRefusals()
	no := errors.New("no")
	r.Add("a", no, at(time.Second), 10*time.Minute)
	if r.Get("a", at(60*time.Second)) != no || r.Get("a", at(61*time.Second)) != nil || r.Get("b", 0) != nil {
		t.Error("a no holds for a minute from when it was asked for")
	}
	r.Remove("a")
	if r.Get("a", at(2*time.Second)) != nil {
		t.Error("forgotten, and remembered")
	}
	for i := range maxRefusals + 100 {
		r.Add(fmt.Sprint(i), no, 0, time.Hour)
	}
	if r.nos.Len() != 10_000 || r.Get("99", 0) != nil || r.Get("100", 0) == nil {
		t.Errorf("%d are remembered", r.nos.Len())
	}
}

// What coming back costs: nothing once the old set would not have served any
// more, else the issuer's own budget, and never while its backoff runs.
func TestDeparture_Return(t *testing.T) {
	d := Departure{FreeAt: at(900 * time.Second), Budget: freshness.NewBucket(30*time.Second, 2)}
	for _, step := range []struct {
		now  time.Duration
		wait time.Duration
		ok   bool
	}{{10, 0, true}, {11, 0, true}, {12, 28, false}, {40, 0, true}, {41, 29, false}, {899, 0, true}, {900, 0, true}, {900, 0, true}, {900, 0, true}} {
		if wait, ok := d.Return(at(step.now * time.Second)); ok != step.ok || wait != step.wait*time.Second {
			t.Errorf("at %d s: %v, in %v; want %v, in %d s", step.now, ok, wait, step.ok, step.wait)
		}
	}
	failing := Departure{RetryAt: at(20 * time.Second), Budget: freshness.NewBucket(30*time.Second, 0)}
	if wait, ok := failing.Return(at(5 * time.Second)); ok || wait != 15*time.Second {
		t.Errorf("in its backoff: %v, in %v", ok, wait)
	}
	if _, ok := failing.Return(at(20 * time.Second)); !ok {
		t.Error("after its backoff it may be asked")
	}
	spent := Departure{FreeAt: at(900 * time.Second), Budget: freshness.NewBucket(30*time.Second, 1)}
	spent.Return(at(10 * time.Second))
	if wait, ok := spent.Return(at(40*time.Second - 1)); ok || wait != 1 {
		t.Errorf("a moment before it may come: %v, in %v", ok, wait)
	}
	none := Departure{FreeAt: at(900 * time.Second), Budget: freshness.NewBucket(30*time.Second, 0)}
	if wait, ok := none.Return(0); ok || wait != 900*time.Second {
		t.Errorf("without a budget: %v, in %v", ok, wait)
	}
}

// Newcomers come under one budget; whose token verified does not, and pays from
// its own.
func TestRoster_MayCome(t *testing.T) {
	for _, test := range []struct {
		budget        freshness.Bucket
		burst, second int
	}{{NewcomerBudget(1), 100, 10}, {NewcomerBudget(1000), 1000, 100}, {NewcomerBudget(100_000), 100_000, 10_000}, {ScannerBudget(), 10, 1}} {
		r := NewRoster[int](10, test.budget)
		come := func(now time.Duration) (n int) {
			for {
				_, o, wait := r.MayCome(fmt.Sprint(n), at(now))
				if o == Overrun && wait > 0 {
					return n
				}
				if o != None || wait != 0 {
					t.Fatalf("%v, in %v", o, wait)
				}
				n++
			}
		}
		if got := come(0); got != test.burst {
			t.Errorf("%d at once, want %d", got, test.burst)
		}
		if got := come(time.Second); got != test.second {
			t.Errorf("%d in a second, want %d", got, test.second)
		}
		own := Departure{FreeAt: freshness.Never, Budget: freshness.NewBucket(time.Minute, 1)}
		r.Depart("stranger", own)
		r.Depart("known", own)
		r.Vouch("known")
		if _, o, _ := r.MayCome("stranger", at(time.Second)); o != Overrun {
			t.Errorf("a stranger comes back: %v", o)
		}
		if before, o, _ := r.MayCome("known", at(time.Second)); o != None || !before.Settled {
			t.Errorf("one whose token verified: %v", o)
		}
		if _, o, wait := r.MayCome("known", at(time.Second)); o != NotSoSoon || wait != time.Minute {
			t.Errorf("again: %v, in %v", o, wait)
		}
		r.Forget("known")
		if before, o, _ := r.MayCome("known", at(2*time.Second)); before != nil || o != None {
			t.Errorf("once forgotten it is new: %+v, %v", before, o)
		}
	}
}

// However many issuers may be kept, their budget is one that can be counted.
func TestNewcomerBudget_OfTheLargestSize(t *testing.T) {
	if math.MaxInt > int64(10*time.Second) && NewcomerBudget(math.MaxInt) != freshness.NewBucket(1, math.MaxInt) {
		t.Error("it does not refill by one each nanosecond")
	}
}

// Departures are remembered in proportion to the size, within bounds.
func TestRoster_MemoryIsBounded(t *testing.T) {
	for size, want := range map[int]int{1: 10_000, 100: 10_000, 101: 10_100, 1000: 100_000, 10_000: 1_000_000, 20_000: 1_000_000, math.MaxInt: 1_000_000} {
		if got := memory(size); got != want {
			t.Errorf("beside %d members %d, want %d", size, got, want)
		}
	}
}
