//go:build race

package testkit

// RaceEnabled tells whether the race detector is on: allocations and times are
// then not those of an ordinary build.
const RaceEnabled = true
