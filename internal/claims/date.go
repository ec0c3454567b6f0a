package claims

import (
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// maxNumericDate is the last second of the year 9999: what time.Time can write
// in RFC 3339, and far from where arithmetic with it overflows.
const maxNumericDate = 253402300799

// NumericDate reads a NumericDate as those of a token are read: it reports false
// for anything but a number from 0 to the end of the year 9999.
func NumericDate(v strictjson.Value) (time.Time, bool) { return numericDate(v) }

// numericDate reads RFC 7519 section 2: seconds since 1970, fractions allowed.
// They are read as decimals and cut at the nanosecond; a float64 would keep
// less than a microsecond. Anything but a number from 0 to maxNumericDate is
// refused, null too: what was meant to limit a token must not vanish.
func numericDate(v strictjson.Value) (time.Time, bool) {
	raw := v.Raw()
	if v.Kind() != strictjson.Number || raw[0] == '-' {
		return time.Time{}, false
	}
	seconds, nanos, ok := wholeSeconds(raw)
	if !ok {
		seconds, nanos, ok = decimalSeconds(raw)
	}
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(seconds, nanos).UTC(), true
}

// describeDate says what stands in the place of a NumericDate.
func describeDate(v strictjson.Value) string {
	switch raw := v.Raw(); {
	case v.Kind() == strictjson.String:
		return "text"
	case v.Kind() != strictjson.Number:
		return "not a number"
	case raw[0] != '-' && len(raw) >= 13 && len(raw) <= 16 && isDigits(raw):
		return show.Line(raw) + ", perhaps milliseconds or microseconds"
	default:
		return show.Line(raw)
	}
}

func isDigits(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// wholeSeconds reads what nearly all tokens have: digits and nothing else.
func wholeSeconds(raw string) (seconds, nanos int64, ok bool) {
	if len(raw) > len("253402300799") {
		return 0, 0, false
	}
	for i := range len(raw) {
		d := raw[i] - '0'
		if d > 9 {
			return 0, 0, false
		}
		seconds = seconds*10 + int64(d)
	}
	return seconds, 0, seconds <= maxNumericDate
}

// decimalSeconds reads a JSON number with a fraction, an exponent or both. The
// exponent moves the decimal point: digits that it moves past the written ones,
// on either side, are zeros.
func decimalSeconds(raw string) (seconds, nanos int64, ok bool) {
	mantissa, exponent := raw, ""
	if i := strings.IndexAny(raw, "eE"); i >= 0 {
		mantissa, exponent = raw[:i], raw[i+1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	written := len(whole) + len(fraction)
	point := len(whole) + boundedExponent(exponent) // where the point is among the digits
	digit := func(i int) int64 {
		switch {
		case i < 0 || i >= written:
			return 0
		case i < len(whole):
			return int64(whole[i] - '0')
		default:
			return int64(fraction[i-len(whole)] - '0')
		}
	}
	for i := 0; i < point; i++ {
		seconds = seconds*10 + digit(i)
		if seconds > maxNumericDate {
			return 0, 0, false
		}
		if seconds == 0 && i >= written {
			break // 0e999999999: only zeros follow
		}
	}
	for i := point; i < point+9; i++ {
		nanos = nanos*10 + digit(i)
	}
	if seconds == maxNumericDate { // not a fraction more, however small
		for i := max(point, 0); i < written; i++ {
			if digit(i) != 0 {
				return 0, 0, false
			}
		}
	}
	return seconds, nanos, true
}

// boundedExponent reads an exponent. One that is beyond any number of digits a
// token could hold is as good as one a little smaller.
func boundedExponent(s string) int {
	const huge = 1 << 27 // ten times that still fits an int of 32 bits
	negative := strings.HasPrefix(s, "-")
	n := 0
	for _, c := range strings.TrimLeft(s, "+-") {
		if n < huge {
			n = n*10 + int(c-'0')
		}
	}
	if negative {
		return -n
	}
	return n
}
