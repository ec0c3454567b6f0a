//go:build !race

package jwksgrpc_test

const raceEnabled = false
