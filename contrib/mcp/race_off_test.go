//go:build !race

package jwksmcp_test

const raceEnabled = false
