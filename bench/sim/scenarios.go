package main

import (
	"slices"
	"time"
)

const (
	seed = 2026

	defaults = "the library's defaults"
)

// figures is what the scenarios came to.
type figures struct {
	replicas int // of the scenarios with one size
	capacity int // of the issuer that is short of it
	steady   []steadyRow
	decay    []decayRow
	lifetime []lifetimeRow
	rotation []rotationRow
	outage   []outageRow
	limited  []outageRow
	cold     []outageRow
	cache    []cacheRow
	stores   []storeRow
	plots    []plot
}

// sizes of fleets.
func sizes(largest int) []int {
	var out []int
	for n := 1; n <= largest; n *= 10 {
		out = append(out, n)
	}
	return out
}

func started(n int, horizon time.Duration) fleet {
	return fleet{policy: standard(), replicas: n, spread: time.Second, horizon: horizon}
}

func inStep(p policy) policy {
	p.jitterAhead, p.jitterBackoff = false, false
	return p
}

// steadyRow is a fleet that starts within a second and then runs.
type steadyRow struct {
	replicas           int
	start, startMinute int     // most requests in a second, started within a second, and within a minute
	mean               float64 // requests per second later
	peak, inStep       int     // most requests in a second after the first minute, with jitter and without
}

func steady(n int) steadyRow {
	const horizon = 3 * time.Hour
	with, without, slow := &issuer{}, &issuer{}, &issuer{}
	f := started(n, horizon)
	simulate(f, with, seed)
	f.policy = inStep(f.policy)
	simulate(f, without, seed)
	f = started(n, 2*time.Minute)
	f.spread = time.Minute
	simulate(f, slow, seed)
	return steadyRow{
		replicas: n, start: with.seen.peak(0, time.Minute), startMinute: slow.seen.peak(0, 2*time.Minute),
		mean: with.seen.mean(time.Hour, horizon), peak: with.seen.peak(time.Minute, horizon), inStep: without.seen.peak(time.Minute, horizon),
	}
}

// decayRow is how the waves of a common start flatten.
type decayRow struct {
	from, to     time.Duration
	mean         float64
	peak, inStep int
}

func decay(n int) []decayRow {
	with, without := &issuer{}, &issuer{}
	f := started(n, 4*time.Hour)
	simulate(f, with, seed)
	f.policy = inStep(f.policy)
	simulate(f, without, seed)
	var rows []decayRow
	edges := []time.Duration{time.Minute, 20 * time.Minute, 40 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}
	for i := range len(edges) - 1 {
		from, to := edges[i], edges[i+1]
		rows = append(rows, decayRow{from, to, with.seen.mean(from, to), with.seen.peak(from, to), without.seen.peak(from, to)})
	}
	return rows
}

// lifetimeRow is what the issuer's max-age does to the load.
type lifetimeRow struct {
	maxAge           time.Duration // 0: none sent
	discovery, plain float64       // requests per second
}

func lifetimes(n int) []lifetimeRow {
	var rows []lifetimeRow
	for _, maxAge := range []time.Duration{0, time.Hour, 5 * time.Minute, time.Minute, 5 * time.Second} {
		row := lifetimeRow{maxAge: maxAge}
		for _, discovery := range []bool{true, false} {
			i := &issuer{conduct: conduct{maxAge: maxAge}}
			f := started(n, 2*time.Hour)
			f.discovery = discovery
			simulate(f, i, seed)
			if mean := i.seen.mean(time.Hour, f.horizon); discovery {
				row.discovery = mean
			} else {
				row.plain = mean
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// rotationRow is a new key.
type rotationRow struct {
	replicas int
	ahead    time.Duration // published so long before it signs
	asked    int           // requests that its tokens caused
	peak     int           // most requests in a second around it, all kinds
	last     time.Duration // when the last replica that had to ask had it, after the key began to sign
	late     int           // replicas that could not verify their first token under it at once
}

const rotates = time.Hour

// rotating is a fleet in its stride that gets ten tokens a second for each
// replica; tokens are renewed within ten minutes.
func rotating(n int, ahead time.Duration) (fleet, *issuer) {
	f := started(n, rotates+ahead+20*time.Minute)
	f.spread = 15 * time.Minute
	f.signs, f.tokens, f.tokenLife = rotates+ahead, 10, 10*time.Minute
	return f, &issuer{conduct: conduct{publishes: rotates}}
}

func rotation(n int, ahead time.Duration) rotationRow {
	f, i := rotating(n, ahead)
	r := simulate(f, i, seed)
	row := rotationRow{replicas: n, ahead: ahead, late: r.late, asked: i.forced.total(0, f.horizon), peak: i.seen.peak(f.signs, f.signs+5*time.Minute)}
	if len(r.ready) > 0 {
		row.last = slices.Max(r.ready) - f.signs
	}
	return row
}

// outageRow is an issuer that is down for half an hour.
type outageRow struct {
	name         string
	during       float64 // requests per second in the last ten minutes of it
	duringPeak   int
	recoveryPeak int           // most requests in a second of the first two minutes after it
	half, most   time.Duration // until half and 99 % of the replicas had a fresh set again; 0: not within the time looked at
	out          int           // replicas that ran past the end of stale
	wave         int           // most requests in a second of the hour after that
}

const (
	downFrom = time.Hour
	downTo   = 90 * time.Minute
)

func outage(name string, n, capacity int, change func(*fleet, *issuer)) outageRow {
	f, i := failing(n, capacity)
	change(&f, i)
	r := simulate(f, i, seed)
	from, to := i.downFrom, i.downTo
	row := outageRow{
		name: name, during: i.seen.mean(to-10*time.Minute, to), duringPeak: i.seen.peak(from+time.Second, to),
		recoveryPeak: i.seen.peak(to, to+2*time.Minute), wave: i.seen.peak(to+2*time.Minute, to+time.Hour),
	}
	slices.Sort(r.back) // those never back are 0
	missing, _ := slices.BinarySearch(r.back, 1)
	after := func(share float64) time.Duration {
		at := missing + int(share*float64(n)) - 1
		if at >= n {
			return 0
		}
		return r.back[max(at, missing)] - to
	}
	row.half, row.most = after(0.5), after(0.99)
	for _, ran := range r.out {
		if ran {
			row.out++
		}
	}
	row.out += missing // longer than any set lasts
	return row
}

func failing(n, capacity int) (fleet, *issuer) {
	return started(n, 4*time.Hour), &issuer{conduct: conduct{downFrom: downFrom, downTo: downTo, capacity: capacity}}
}

func outages(n int) []outageRow {
	return []outageRow{
		outage(defaults, n, 0, func(*fleet, *issuer) {}),
		outage("refresh-ahead without jitter", n, 0, func(f *fleet, _ *issuer) { f.jitterAhead = false }),
		outage("backoff without jitter", n, 0, func(f *fleet, _ *issuer) { f.jitterBackoff = false }),
		outage("neither has jitter", n, 0, func(f *fleet, _ *issuer) { f.policy = inStep(f.policy) }),
		outage("WithRetries(0)", n, 0, func(f *fleet, _ *issuer) { f.retries = 0 }),
		outage("503 with Retry-After: 120", n, 0, func(_ *fleet, i *issuer) { i.retryAfter = 2 * time.Minute }),
	}
}

// limitedOutages recover on an issuer that can serve four times what the fleet
// needs in its stride, and no more.
func limitedOutages(n, capacity int) []outageRow {
	return []outageRow{
		outage(defaults, n, capacity, func(*fleet, *issuer) {}),
		outage("backoff without jitter", n, capacity, func(f *fleet, _ *issuer) { f.jitterBackoff = false }),
		outage("neither has jitter", n, capacity, func(f *fleet, _ *issuer) { f.policy = inStep(f.policy) }),
		outage("WithRetries(0)", n, capacity, func(f *fleet, _ *issuer) { f.retries = 0 }),
		outage("503 with Retry-After: 120", n, capacity, func(_ *fleet, i *issuer) { i.retryAfter = 2 * time.Minute }),
	}
}

// coldOutages start, all within a second, on an issuer that is down and then
// short of capacity.
func coldOutages(n, capacity int) []outageRow {
	cold := func(name string, change func(*policy)) outageRow {
		return outage(name, n, capacity, func(f *fleet, i *issuer) {
			i.downFrom, i.downTo = 0, 20*time.Minute
			change(&f.policy)
		})
	}
	return []outageRow{
		cold(defaults, func(*policy) {}),
		cold("backoff without jitter", func(p *policy) { p.jitterBackoff = false }),
		cold("WithRetries(0)", func(p *policy) { p.retries = 0 }),
	}
}

// cacheRow is a shared cache in front of the issuer.
type cacheRow struct {
	name           string
	seen           float64 // requests per second at the cache, or at the issuer where there is none
	origin         int     // requests per hour at the issuer
	originRotation int     // most requests in a second at the issuer when a key rotates
}

func cache(name string, n int, maxAge time.Duration, cached bool) cacheRow {
	f, i := rotating(n, 0)
	f.signs, i.publishes, f.horizon = 0, 0, 2*time.Hour
	i.maxAge, i.cached = maxAge, cached
	simulate(f, i, seed)
	row := cacheRow{name: name, seen: i.seen.mean(time.Hour, f.horizon), origin: i.origin.total(time.Hour, f.horizon)}
	f, i = rotating(n, 0)
	i.maxAge, i.cached = maxAge, cached
	simulate(f, i, seed)
	row.originRotation = i.origin.peak(rotates, rotates+5*time.Minute)
	return row
}

// storeRow is what a store that the replicas share changes.
type storeRow struct {
	replicas      int
	start, hourly with // most requests in a second at the start, and requests per hour later
	silent        with // the share of the time of an outage in which replicas had no keys, when each was restarted once in it
}

// with is a figure without a store and with one.
type with struct{ out, it float64 }

// restarted is an outage of an hour, in which every replica is restarted at some
// time, as in a deployment.
func restarted(n int) fleet {
	f := started(n, 2*time.Hour+10*time.Minute)
	f.spread, f.restartFrom, f.restartTo = 15*time.Minute, time.Hour, 2*time.Hour
	return f
}

func store(n int) storeRow {
	row := storeRow{replicas: n}
	for _, shared := range []bool{false, true} {
		put := func(w *with, v float64) {
			if shared {
				w.it = v
			} else {
				w.out = v
			}
		}
		f, i := started(n, 3*time.Hour), &issuer{}
		f.store, f.leases = shared, shared
		simulate(f, i, seed)
		put(&row.start, float64(i.seen.peak(0, time.Minute)))
		put(&row.hourly, 3600*i.seen.mean(time.Hour, f.horizon))
		f, i = restarted(n), &issuer{conduct: conduct{downFrom: time.Hour, downTo: 2 * time.Hour}}
		f.store, f.leases = shared, shared
		r := simulate(f, i, seed)
		put(&row.silent, float64(r.silent)/float64(n)/float64(time.Hour))
	}
	return row
}

// flood is how many requests forged tokens can cause in a while, at most: each
// replica's budget.
func flood(p policy, replicas int, d time.Duration) int {
	return replicas * (p.limitBurst + int(d/p.limitEvery))
}

// compute runs every scenario, with fleets up to the largest.
func compute(largest int, say func(string)) *figures {
	n := min(largest, 10_000)
	fig := &figures{replicas: n, capacity: capacityFor(n)}
	say("start and stride")
	for _, size := range sizes(largest) {
		fig.steady = append(fig.steady, steady(size))
	}
	fig.decay, fig.lifetime = decay(n), lifetimes(n)
	say("rotation")
	for _, ahead := range []time.Duration{0, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute} {
		fig.rotation = append(fig.rotation, rotation(n, ahead))
	}
	if largest > n {
		fig.rotation = append(fig.rotation, rotation(largest, 0), rotation(largest, 15*time.Minute))
	}
	say("outage and recovery")
	fig.outage, fig.limited = outages(n), limitedOutages(n, fig.capacity)
	fig.cold = coldOutages(n, fig.capacity)
	say("a cache in front")
	fig.cache = []cacheRow{
		cache("no cache", n, 0, false),
		cache("max-age 15 min", n, 15*time.Minute, true),
		cache("max-age 5 min", n, 5*time.Minute, true),
		cache("max-age 1 min", n, time.Minute, true),
	}
	say("a store")
	for _, size := range sizes(largest) {
		fig.stores = append(fig.stores, store(size))
	}
	say("plots")
	fig.plots = plots(n)
	return fig
}

// capacityFor is four times what a fleet needs in its stride: two requests in
// 80 % of 15 minutes.
func capacityFor(n int) int {
	return max(10, 4*2*n/720/10*10)
}
