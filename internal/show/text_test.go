package show

import (
	"testing"
	"time"
)

func TestList(t *testing.T) {
	for _, test := range []struct {
		values      []string
		list, oneOf string
	}{
		{nil, `[]`, `one of []`},
		{[]string{"a"}, `["a"]`, `"a"`},
		{[]string{"a", "b\n"}, `["a" "b\n"]`, `one of ["a" "b\n"]`},
		{[]string{"a", "b", "c", "d"}, `["a" "b" "c" "d"]`, `one of ["a" "b" "c" "d"]`},
		{[]string{"a", "b", "c", "d", "e"}, `["a" "b" "c" "d" …]`, `one of ["a" "b" "c" "d" …]`},
	} {
		if got := List(test.values); got != test.list {
			t.Errorf("List(%q) = %s, want %s", test.values, got, test.list)
		}
		if got := OneOf(test.values); got != test.oneOf {
			t.Errorf("OneOf(%q) = %s, want %s", test.values, got, test.oneOf)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 keys", 1: "1 key", 2: "2 keys"} {
		if got := Count(n, "key"); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

func TestRound(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                          "0s",
		1234567 * time.Nanosecond:  "1ms",
		9876543 * time.Microsecond: "9.877s",
		10 * time.Second:           "10s",
		12345 * time.Millisecond:   "12s",
		90*time.Second + 1:         "1m30s",
	} {
		if got := Round(d).String(); got != want {
			t.Errorf("%d ns: %s, want %s", d, got, want)
		}
	}
}
