package testkit

import (
	"math"
	"runtime"
)

// Allocated returns how many bytes f allocates, goroutines beside it included.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// LeastAllocated is what f allocates once it has run before: the least of a few
// runs, since other goroutines may allocate beside it.
func LeastAllocated(f func()) (bytes, objects uint64) {
	f()
	bytes, objects = math.MaxUint64, math.MaxUint64
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		bytes, objects = min(bytes, after.TotalAlloc-before.TotalAlloc), min(objects, after.Mallocs-before.Mallocs)
	}
	return bytes, objects
}
