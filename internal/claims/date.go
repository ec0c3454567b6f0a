package claims

import (
	"strconv"
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
	if seconds, ok := wholeSeconds(raw); ok { // nearly all tokens have nothing else
		return time.Unix(seconds, 0).UTC(), true
	}
	seconds, nanos, ok := decimalSeconds(raw)
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
	case len(raw) >= 13 && len(raw) <= 16 && isDigits(raw):
		return show.Line(raw) + ", perhaps milliseconds or microseconds"
	default:
		return show.Line(raw)
	}
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// wholeSeconds reads digits and nothing else.
func wholeSeconds(raw string) (seconds int64, ok bool) {
	for i := 0; i < len(raw) && seconds <= maxNumericDate; i++ {
		digit := raw[i] - '0'
		if digit > 9 {
			return 0, false
		}
		seconds = seconds*10 + int64(digit)
	}
	return seconds, seconds <= maxNumericDate
}

// decimalSeconds reads a JSON number with a fraction, an exponent or both. The
// exponent moves the decimal point: digits that it moves past the written ones,
// on either side, are zeros. The work is bounded by the length of the number,
// whatever the exponent.
func decimalSeconds(raw string) (seconds, nanos int64, ok bool) {
	mantissa, exponent, there := strings.Cut(raw, "e")
	if !there {
		mantissa, exponent, _ = strings.Cut(raw, "E")
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	point := len(digits) - len(fraction) + boundedExponent(exponent) // where the point is among the digits
	digits = strings.TrimRight(digits, "0")
	digit := func(i int) int64 {
		if i < 0 || i >= len(digits) {
			return 0
		}
		return int64(digits[i] - '0')
	}
	for i := 0; i < point && seconds <= maxNumericDate && digits != ""; i++ {
		seconds = seconds*10 + digit(i)
	}
	for i := point; i < point+9; i++ {
		nanos = nanos*10 + digit(i)
	}
	// At the end of the year 9999 not a fraction more is right, however small.
	return seconds, nanos, seconds < maxNumericDate || seconds == maxNumericDate && len(digits) <= point
}

// boundedExponent reads an exponent. One that does not fit into 32 bits is
// beyond any number of digits a token could hold, and as good as the nearest
// that does.
func boundedExponent(text string) int {
	if text == "" {
		return 0
	}
	n, _ := strconv.ParseInt(text, 10, 31) // returns the nearest with its error
	return int(n)
}
