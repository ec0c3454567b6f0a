//go:build !race

package jwksconnect_test

const raceEnabled = false
