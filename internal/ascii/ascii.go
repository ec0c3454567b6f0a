// Package ascii compares text as the protocols do that fold the case of ASCII
// letters and of nothing else.
package ascii

// EqualFold compares s with lower, which is in lower case. Unlike
// [strings.EqualFold] it does not take the Kelvin sign for a k, nor the long s
// for an s.
func EqualFold(s, lower string) bool {
	if len(s) != len(lower) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
