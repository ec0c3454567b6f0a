package main

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"
)

// contestant is one operation to time.
type contestant struct {
	name string
	// start returns the operation for one worker. What workers share must be
	// the library's alone: where they count together, it is the counter that is
	// measured.
	start func() func() error
}

// alike is a contestant whose workers all do the same, which must be safe for
// concurrent use.
func alike(name string, do func() error) contestant {
	return contestant{name, func() func() error { return do }}
}

// sample is the cost of one operation, as one round saw it.
type sample struct{ ns, bytes, allocs float64 }

// contest says how long and how often to measure.
type contest struct {
	rounds int
	span   time.Duration // of one contestant in one round, about
}

// run lets everybody run once in every round, in turn, beginning with another
// one each time: what disturbs the machine disturbs all alike, and two
// contestants can be compared round by round. With workers > 1 each runs a
// second time at once, with that many goroutines on as many cores, and ns is
// the time over the operations of all of them.
func (c contest) run(workers int, contestants []contestant) (serial, parallel [][]sample, err error) {
	before := runtime.GOMAXPROCS(1) // so that the garbage collector's work counts as well
	defer runtime.GOMAXPROCS(before)
	times := make([]int, len(contestants))
	for i, one := range contestants {
		if times[i], err = c.calibrate(one); err != nil {
			return nil, nil, err
		}
	}
	serial, parallel = make([][]sample, len(contestants)), make([][]sample, len(contestants))
	for round := range c.rounds {
		for turn := range contestants {
			i := (round + turn) % len(contestants)
			s, err := timed(contestants[i], times[i], 1)
			if err != nil {
				return nil, nil, err
			}
			serial[i] = append(serial[i], s)
			if workers == 1 {
				continue
			}
			runtime.GOMAXPROCS(workers)
			s, err = timed(contestants[i], times[i]*workers, workers)
			runtime.GOMAXPROCS(1)
			if err != nil {
				return nil, nil, err
			}
			parallel[i] = append(parallel[i], s)
		}
	}
	return serial, parallel, nil
}

// calibrate finds how many operations fill the span. The very first may have
// to fetch something and does not count.
func (c contest) calibrate(one contestant) (int, error) {
	if err := one.start()(); err != nil {
		return 0, fmt.Errorf("%s: %w", one.name, err)
	}
	for n := 1; ; n *= 2 {
		s, err := timed(one, n, 1)
		if err != nil {
			return 0, err
		}
		if took := time.Duration(s.ns * float64(n)); took >= c.span/4 {
			return max(1, int(float64(n)*float64(c.span)/float64(took))), nil
		}
	}
}

// timed runs n operations. For one worker it takes the CPU time of the process,
// so that waiting for a core that others use does not count; for several the
// time on the wall, since how well they share the machine is the question.
func timed(one contestant, n, workers int) (sample, error) {
	var before, after runtime.MemStats
	failed, do := make([]error, workers), make([]func() error, workers)
	for w := range workers {
		do[w] = one.start()
	}
	work := func(w int) {
		again := do[w]
		for range n / workers {
			if err := again(); err != nil {
				failed[w] = err
				return
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	computed, known := cpuTime()
	if workers == 1 {
		work(0)
	} else {
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() { work(w) })
		}
		all.Wait()
	}
	took := time.Since(start)
	if now, _ := cpuTime(); known && workers == 1 {
		took = now - computed
	}
	runtime.ReadMemStats(&after)
	for _, err := range failed {
		if err != nil {
			return sample{}, fmt.Errorf("%s: %w", one.name, err)
		}
	}
	done := float64(n / workers * workers)
	return sample{
		ns:     float64(took) / done,
		bytes:  float64(after.TotalAlloc-before.TotalAlloc) / done,
		allocs: float64(after.Mallocs-before.Mallocs) / done,
	}, nil
}

// each picks one figure of every round.
func each(samples []sample, figure func(sample) float64) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = figure(s)
	}
	return out
}

func nanoseconds(s sample) float64 { return s.ns }
func allocations(s sample) float64 { return s.allocs }
func allocated(s sample) float64   { return s.bytes }

// paired compares two contestants round by round.
func paired(a, b []sample, compare func(a, b float64) float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = compare(a[i].ns, b[i].ns)
	}
	return out
}

func ratio(a, b float64) float64      { return a / b }
func difference(a, b float64) float64 { return a - b }

// quantile of values, 0.5 for the median, between neighbours where it falls
// between them.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 == len(sorted) {
		return sorted[low]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

func median(values []float64) float64 { return quantile(values, 0.5) }
