package tiny

import "testing"

func TestClamp(t *testing.T) {
	for n, want := range map[int]int{-1: 0, 0: 0, 1: 1, 3: 3} {
		if got := Clamp(n); got != want {
			t.Errorf("Clamp(%d) = %d, want %d", n, got, want)
		}
	}
}
