package claims

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// valueOf is a JSON text as a value.
func valueOf(t *testing.T, text string) strictjson.Value {
	t.Helper()
	m := strictjson.Object(`{"v":` + text + `}`)
	if !m.Next() {
		t.Fatalf("%s: %v", text, m.Err())
	}
	return m.Value()
}

// RFC 7519 section 2, to the nanosecond and to the end of the year 9999.
func TestNumericDate_Table(t *testing.T) {
	for text, want := range map[string]time.Time{
		"0":                         time.Unix(0, 0),
		"9":                         time.Unix(9, 0),
		"1767225600":                time.Unix(1767225600, 0),
		"1767225600.5":              time.Unix(1767225600, 500_000_000),
		"1767225600.1234567899":     time.Unix(1767225600, 123_456_789),
		"1.7672256005e9":            time.Unix(1767225600, 500_000_000),
		"1.7672256005E+9":           time.Unix(1767225600, 500_000_000),
		"17672256005e-1":            time.Unix(1767225600, 500_000_000),
		"17672256000000e-4":         time.Unix(1767225600, 0),
		"0.5":                       time.Unix(0, 500_000_000),
		"0.05":                      time.Unix(0, 50_000_000),
		"5e-9":                      time.Unix(0, 5),
		"5e-10":                     time.Unix(0, 0),
		"0.00e5":                    time.Unix(0, 0),
		"0e999999999":               time.Unix(0, 0),
		"0e99999999999999999999":    time.Unix(0, 0),
		"0.0e-99999999999999999999": time.Unix(0, 0),
		"7e-99999999999999999999":   time.Unix(0, 0),
		"253402300799":              time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"253402300799.0":            time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"2534023007990e-1":          time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"253402300798.999999999":    time.Date(9999, 12, 31, 23, 59, 58, 999_999_999, time.UTC),
		"0" + "." + strings.Repeat("0", 40) + "1e41": time.Unix(1, 0),
	} {
		if got, ok := NumericDate(valueOf(t, text)); !ok || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: %v, %t, want %v", text, got, ok, want.UTC())
		}
	}
	for _, text := range []string{
		"-1", "-0", "-0.5", `"1"`, "null", "true", "[1]", "{}",
		"253402300800", "253402300799.1", "253402300799.000000000000000000001", "2534023007991e-1",
		"2534023007990", "2534023007990.0", "2534023008e2", "1e12", "1e300", "1e99999999999999999999",
		"1767225600000", "1767225600000.0", "1767225600000000",
		"18446744075476777216", "36893488147419103232", // 2^64 + 1767225600 and 2^65: beyond 64 bits
	} {
		if got, ok := NumericDate(valueOf(t, text)); ok || !got.IsZero() {
			t.Errorf("%s: %v, %t", text, got, ok)
		}
	}
}

// A number that is refused is named, and what it may have been meant as.
func TestDescribeDate_Table(t *testing.T) {
	const perhaps = ", perhaps milliseconds or microseconds"
	for text, want := range map[string]string{
		`"1767225600"`:      "text",
		"null":              "not a number",
		"[1]":               "not a number",
		"-1":                "-1",
		"1e300":             "1e300",
		"999999999999":      "999999999999",
		"1000000000000":     "1000000000000" + perhaps,
		"9999999999999999":  "9999999999999999" + perhaps,
		"10000000000000000": "10000000000000000",
		"-1767225600000":    "-1767225600000",
		"1767225600000.5":   "1767225600000.5",
		"1767225600000e0":   "1767225600000e0",
	} {
		if got := describeDate(valueOf(t, text)); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
