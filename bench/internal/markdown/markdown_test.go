package markdown

import "testing"

func TestNumbersHaveCommas(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 12345.6: "12,346", -999: "-999", -1234567: "-1,234,567"} {
		if got := Number(v); got != want {
			t.Errorf("Number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestFiguresAreAlignedRightAndTextLeft(t *testing.T) {
	got := Table(1, []string{"a", "b"}, [][]string{{"x", "1"}})
	if want := "| a | b |\n| --- | ---: |\n| x | 1 |\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
