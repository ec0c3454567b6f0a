// Package tiny is what the mutator is tested on.
package tiny

const limit = 3

// Clamp is tested but for its upper bound, and n == limit makes no difference.
func Clamp(n int) int {
	if n < 0 {
		n = 0
	}
	if n > limit {
		return limit
	}
	return n
}
