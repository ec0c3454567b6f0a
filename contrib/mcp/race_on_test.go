//go:build race

package jwksmcp_test

// raceEnabled says that allocations are not those of the ordinary build.
const raceEnabled = true
