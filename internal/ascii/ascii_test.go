package ascii

import "testing"

func TestEqualFold(t *testing.T) {
	for _, test := range []struct {
		s, lower string
		want     bool
	}{
		{"", "", true},
		{"bearer", "bearer", true},
		{"BeArEr", "bearer", true},
		{"AT+JWT", "at+jwt", true},
		{"bearer ", "bearer", false},
		{"beare", "bearer", false},
		{"@[`{", "@[`{", true},
		{"[", "{", false}, // 0x20 apart, as the letters are
		{"@", "`", false},
		{"\u212a", "k", false},      // Kelvin sign
		{"\u017f", "s", false},      // long s
		{"\u00c9", "\u00e9", false}, // É and é
		{"\xff", "\xff", true},
	} {
		if got := EqualFold(test.s, test.lower); got != test.want {
			t.Errorf("EqualFold(%q, %q) = %v", test.s, test.lower, got)
		}
	}
}
