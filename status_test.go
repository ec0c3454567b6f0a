package jwks

import (
	"slices"
	"testing"
	"time"
)

func TestFailureLog_Worth(t *testing.T) {
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	tests := []struct {
		rule          string
		every         time.Duration // between failures
		count         int
		logged, after []int // the numbers of the failures that are worth a line; then, in a second spell
	}{
		{"each doubling", time.Second, 100, []int{1, 2, 4, 8, 16, 32, 64}, []int{1, 2, 4, 8, 16, 32, 64}},
		{"and never silent for longer than ten minutes", 4 * time.Minute, 9, []int{1, 2, 4, 6, 8}, []int{1, 2, 4, 6, 8}},
		{"each one that comes every ten minutes", 11 * time.Minute, 4, []int{1, 2, 3, 4}, []int{1, 2, 3, 4}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			var l failureLog
			for spell, want := range [][]int{tt.logged, tt.after} {
				var logged []int
				for n := 1; n <= tt.count; n++ {
					now := time.Duration(spell*tt.count+n) * tt.every
					if l.worth(n, at(now), at(now+tt.every)) {
						logged = append(logged, n)
					}
				}
				if !slices.Equal(logged, want) {
					t.Errorf("spell %d: lines for the failures %v, want %v", spell+1, logged, want)
				}
			}
		})
	}
}
