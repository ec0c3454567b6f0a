//go:build race

package jwksgrpc_test

// raceEnabled says that allocations are not those of the ordinary build.
const raceEnabled = true
