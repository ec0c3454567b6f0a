package show

import (
	"strconv"
	"strings"
	"time"
)

// MaxListed is how many values of a list are shown.
const MaxListed = 4

// List shows strings that are foreign, or might be: quoted, in brackets, the
// first four.
func List(values []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(' ')
		}
		if i == MaxListed {
			b.WriteString(mark)
			break
		}
		b.WriteString(Quote(v))
	}
	b.WriteByte(']')
	return b.String()
}

// OneOf shows what was wanted: one value, or "one of" several.
func OneOf(values []string) string {
	if len(values) == 1 {
		return Quote(values[0])
	}
	return "one of " + List(values)
}

// Count writes "1 key" or "3 keys". The noun must form its plural with an s.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Round drops the digits of a duration that nobody reads: below a millisecond,
// and above ten seconds those below a second.
func Round(d time.Duration) time.Duration {
	if d > 10*time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}
