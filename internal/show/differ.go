package show

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Own shows a text that the configuration gave, whole up to 512 bytes: two
// tenants may differ in their last letter only.
func Own(s string) string { return strconv.Quote(cutAt(s, PlaceLimit)) }

// OwnLine is Own for a text that is harmless as a rule and reads better without
// quotes, such as the path of a file.
func OwnLine(s string) string { return onLine(cutAt(s, PlaceLimit)) }

// Differs writes "is X, want Y" for a text from outside and what the
// configuration wants in its place, one value or one of several. However long
// they are, what is shown of X has the place where it differs from the nearest
// of them, and a difference that people overlook is named.
func Differs(got string, want ...string) string {
	nearest, common := "", -1
	for _, w := range want {
		if n := commonPrefix(got, w); n > common || overlooked(got, w) != "" && overlooked(got, nearest) == "" {
			nearest, common = w, n
		}
	}
	text := "is " + Around(got, commonPrefix(got, nearest)) + ", want " + OneOfOwn(want)
	if len(nearest) > PlaceLimit {
		text = "is " + Around(got, common) + ", want " + Around(nearest, common)
	}
	if hint := overlooked(got, nearest); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

// OneOfOwn is OneOf for texts of the configuration.
func OneOfOwn(values []string) string {
	if len(values) == 1 {
		return Own(values[0])
	}
	var b strings.Builder
	b.WriteString("one of [")
	for i, v := range values {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i == MaxListed {
			b.WriteString(mark)
			break
		}
		b.WriteString(Own(v))
	}
	b.WriteByte(']')
	return b.String()
}

// Around quotes a text from outside, cut so that the byte at i is among what is
// left.
func Around(s string, i int) string {
	const before = 24
	if len(s) <= Limit || i < Limit-len(mark)-utf8.UTFMax {
		return Quote(s)
	}
	from := boundary(s, max(i-before, 0))
	return strconv.Quote(mark + cutAt(s[from:], Limit-len(mark)))
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// overlooked names how two texts differ when they are nearly the same, or is "".
func overlooked(a, b string) string {
	bare := func(s string) string { return strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "http://") }
	switch {
	case a == b:
		return ""
	case strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/"):
		return "they differ in the slash at the end"
	case bare(a) == bare(b):
		return "they differ in the scheme"
	case strings.TrimSpace(a) == strings.TrimSpace(b):
		return "they differ in white space"
	case strings.EqualFold(a, b):
		return "they differ in upper and lower case"
	}
	return ""
}

// Overlooked finds the one of several known texts that differs from got only in
// what people overlook, and says in what; both are "" when there is none.
func Overlooked(got string, known []string) (nearest, hint string) {
	for _, k := range known {
		if h := overlooked(got, k); h != "" {
			return k, h
		}
	}
	return "", ""
}
