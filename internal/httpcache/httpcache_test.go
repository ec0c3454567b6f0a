package httpcache

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// most is what every larger number of seconds counts as.
const most = 2147483648 * time.Second

// now is when every answer of these tests was received.
var now = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// at writes the moment d after now as an HTTP date.
func at(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }

// header builds a header from lines of the form "Name: value".
func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		h.Add(name, strings.TrimPrefix(value, " "))
	}
	return h
}

func TestValidators_DateNeedsDate(t *testing.T) {
	for _, test := range []struct {
		rule               string
		header             http.Header
		etag, lastModified string
	}{
		{"none", nil, "", ""},
		{"an ETag as it came", header(`ETag: W/"a,b"`), `W/"a,b"`, ""},
		{"an ETag needs no Date", header(`ETag: "1"`, "Last-Modified: "+at(-time.Hour)), `"1"`, ""},
		{"an old date", header("Last-Modified: "+at(-time.Hour), "Date: "+at(0)), "", at(-time.Hour)},
		{"a date of a second ago", header("Last-Modified: "+at(-time.Second), "Date: "+at(0)), "", at(-time.Second)},
		{"a date of the same second", header("Last-Modified: "+at(0), "Date: "+at(0)), "", ""},
		{"a date to come", header("Last-Modified: "+at(time.Hour), "Date: "+at(0)), "", ""},
		{"by the server's clock, not ours", header("Last-Modified: "+at(time.Hour), "Date: "+at(2*time.Hour)), "", at(time.Hour)},
		{"a Date that cannot be read", header("Last-Modified: "+at(-time.Hour), "Date: today"), "", ""},
		{"a date that cannot be read", header("Last-Modified: yesterday", "Date: "+at(0)), "", ""},
		{"of reproducible images", header("Last-Modified: Tue, 01 Jan 1980 00:00:01 GMT", "Date: "+at(0)), "", "Tue, 01 Jan 1980 00:00:01 GMT"},
	} {
		if etag, modified := Validators(test.header); etag != test.etag || modified != test.lastModified {
			t.Errorf("%s: %q and %q, want %q and %q", test.rule, etag, modified, test.etag, test.lastModified)
		}
	}
}

func TestLifetime(t *testing.T) {
	tests := []struct {
		rule   string
		header http.Header
		want   time.Duration
		says   bool
	}{
		{"an answer without a header says nothing", nil, 0, false},
		{"an empty Cache-Control says nothing", header("Cache-Control:"), 0, false},
		{"unknown directives say nothing", header("Cache-Control: public, immutable, x=1"), 0, false},
		{"Age alone says nothing", header("Age: 10"), 0, false},
		{"Date alone says nothing", header("Date: " + at(0)), 0, false},

		{"max-age counts in seconds", header("Cache-Control: max-age=90"), 90 * time.Second, true},
		{"max-age 0 is stale", header("Cache-Control: max-age=0"), 0, true},
		{"names are read in any case", header("Cache-Control: Public, MAX-Age=90"), 90 * time.Second, true},
		{"a quoted argument counts", header(`Cache-Control: max-age="90"`), 90 * time.Second, true},
		{"an escaped character in quotes counts", header(`Cache-Control: max-age="9\0"`), 90 * time.Second, true},
		{"spaces around a directive do not count", header("Cache-Control: \t max-age = 90 ,"), 90 * time.Second, true},
		{"empty items are skipped", header("Cache-Control: ,, max-age=90,,"), 90 * time.Second, true},
		{"an empty item at the start is skipped", header("Cache-Control: ,max-age=90"), 90 * time.Second, true},
		{"several lines are one list", header("Cache-Control: public", "Cache-Control: max-age=90"), 90 * time.Second, true},
		{"the smallest of several max-age counts", header("Cache-Control: max-age=90, max-age=30", "Cache-Control: max-age=60"), 30 * time.Second, true},
		{"s-maxage is for shared caches", header("Cache-Control: s-maxage=5, max-age=90"), 90 * time.Second, true},
		{"s-maxage alone says nothing", header("Cache-Control: s-maxage=5"), 0, false},
		{"too large a max-age saturates", header("Cache-Control: max-age=99999999999999999999999999"), most, true},
		{"the largest max-age", header("Cache-Control: max-age=2147483647"), most - time.Second, true},
		{"a max-age just above 2^31 saturates", header("Cache-Control: max-age=2147483649"), most, true},

		{"a max-age without argument is stale", header("Cache-Control: max-age"), 0, true},
		{"an empty max-age is stale", header("Cache-Control: max-age="), 0, true},
		{"a negative max-age is stale", header("Cache-Control: max-age=-90"), 0, true},
		{"a signed max-age is stale", header("Cache-Control: max-age=+90"), 0, true},
		{"a fraction is stale", header("Cache-Control: max-age=90.5"), 0, true},
		{"words are stale", header("Cache-Control: max-age=forever"), 0, true},
		{"an unreadable max-age beats a readable one", header("Cache-Control: max-age=90, max-age=x"), 0, true},
		{"an unclosed quote is stale", header(`Cache-Control: max-age="90`), 0, true},
		{"text behind the quotes is stale", header(`Cache-Control: max-age="90"0`), 0, true},
		{"a quote inside a token is stale", header(`Cache-Control: max-age=9"0"`), 0, true},
		{"a lone quote is stale", header(`Cache-Control: max-age="`), 0, true},
		{"a quote closed by an escaped quote only is stale", header(`Cache-Control: max-age="90\"`), 0, true},

		{"no-store is stale", header("Cache-Control: no-store, max-age=90"), 0, true},
		{"no-cache is stale", header("Cache-Control: max-age=90, no-cache"), 0, true},
		{"no-store with an argument is stale", header("Cache-Control: max-age=90, no-store=x"), 0, true},
		{"no-store on a second line is stale", header("Cache-Control: max-age=90", "Cache-Control: no-store"), 0, true},
		{"no-cache with field names is not about the body", header(`Cache-Control: no-cache="Set-Cookie, X", max-age=90`), 90 * time.Second, true},
		{"no-cache with field names says nothing", header(`Cache-Control: no-cache=Set-Cookie`), 0, false},
		{"no-cache with an empty argument is no-cache", header(`Cache-Control: no-cache="", max-age=90`), 0, true},
		{"no-cache with an unreadable argument is no-cache", header(`Cache-Control: no-cache="X, max-age=90`), 0, true},

		{"a comma in quotes does not end a directive", header(`Cache-Control: x="a, no-store, b", max-age=90`), 90 * time.Second, true},
		{"an escaped quote does not end quotes", header(`Cache-Control: x="a\", no-store, b", max-age=90`), 90 * time.Second, true},
		{"an empty string ends where it begins", header(`Cache-Control: x="", no-store, y="b"`), 0, true},
		{"a quote at the end of an argument hides nothing", header(`Cache-Control: x=", no-store`), 0, true},
		{"an unclosed quote hides nothing", header(`Cache-Control: x="a, no-store`), 0, true},
		{"a quote that opens no argument hides nothing", header(`Cache-Control: x"a, no-store, y"b`), 0, true},
		{"a name that only begins alike is another", header("Cache-Control: max-age-x=5, no-stores"), 0, false},

		{"max-age is reduced by Age", header("Cache-Control: max-age=90", "Age: 30"), 60 * time.Second, true},
		{"an Age above max-age is stale", header("Cache-Control: max-age=90", "Age: 91"), 0, true},
		{"an unreadable Age is ignored", header("Cache-Control: max-age=90", "Age: soon"), 90 * time.Second, true},

		{"Expires counts from Date", header("Expires: "+at(90*time.Second), "Date: "+at(0)), 90 * time.Second, true},
		{"a skewed clock of the server does not matter", header("Expires: "+at(time.Hour+90*time.Second), "Date: "+at(time.Hour)), 90 * time.Second, true},
		{"Expires less Date is reduced by Age", header("Expires: "+at(90*time.Second), "Date: "+at(0), "Age: 30"), 60 * time.Second, true},
		{"Expires without Date counts from now", header("Expires: " + at(90*time.Second)), 90 * time.Second, true},
		{"Expires with an unreadable Date counts from now", header("Expires: "+at(90*time.Second), "Date: today"), 90 * time.Second, true},
		{"Expires in the past is stale", header("Expires: " + at(-time.Second)), 0, true},
		{"Expires before Date is stale", header("Expires: "+at(0), "Date: "+at(time.Second)), 0, true},
		{"Expires 0 is stale", header("Expires: 0"), 0, true},
		{"an empty Expires is stale", header("Expires:"), 0, true},
		{"an unreadable Expires is stale", header("Expires: tomorrow"), 0, true},
		{"the smaller of two Expires counts, where it comes first", header("Expires: "+at(30*time.Second), "Expires: "+at(90*time.Second)), 30 * time.Second, true},
		{"the smallest of several Expires counts", header("Expires: "+at(90*time.Second), "Expires: "+at(30*time.Second)), 30 * time.Second, true},
		{"an unreadable Expires beats a readable one", header("Expires: "+at(90*time.Second), "Expires: 0"), 0, true},
		{"the obsolete date of RFC 850 is read", header("Expires: Sunday, 01-Mar-26 12:01:30 GMT"), 90 * time.Second, true},
		{"the date of asctime is read", header("Expires: Sun Mar  1 12:01:30 2026"), 90 * time.Second, true},
		{"an Expires of the year 9999 saturates", header("Expires: Fri, 31 Dec 9999 23:59:59 GMT"), most, true},
		{"max-age overrides Expires", header("Cache-Control: max-age=90", "Expires: 0"), 90 * time.Second, true},
		{"an unreadable max-age overrides Expires", header("Cache-Control: max-age=x", "Expires: "+at(90*time.Second)), 0, true},
		{"no-store overrides Expires", header("Cache-Control: no-store", "Expires: "+at(90*time.Second)), 0, true},
		{"Expires counts beside other directives", header("Cache-Control: public", "Expires: "+at(90*time.Second)), 90 * time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			got, says := Lifetime(tt.header, now)
			if got != tt.want || says != tt.says {
				t.Errorf("Lifetime(%v) = %v, %v; want %v, %v", tt.header, got, says, tt.want, tt.says)
			}
		})
	}
}

func TestAge(t *testing.T) {
	tests := []struct {
		rule   string
		header http.Header
		want   time.Duration
	}{
		{"absent is 0", nil, 0},
		{"it counts in seconds", header("Age: 30"), 30 * time.Second},
		{"spaces do not count", header("Age: \t30 "), 30 * time.Second},
		{"the first of a list counts", header("Age: 30, 40"), 30 * time.Second},
		{"the first that can be read counts", header("Age: x", "Age: 30", "Age: 40"), 30 * time.Second},
		{"an unreadable first member spoils its line", header("Age: x, 40"), 0},
		{"negative is ignored", header("Age: -1"), 0},
		{"empty is ignored", header("Age:"), 0},
		{"and the next line counts", header("Age:", "Age: 30"), 30 * time.Second},
		{"too large saturates", header("Age: 9223372036854775808"), most},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := Age(tt.header); got != tt.want {
				t.Errorf("Age(%v) = %v, want %v", tt.header, got, tt.want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		rule   string
		header http.Header
		want   time.Duration
	}{
		{"absent is 0", nil, 0},
		{"a number counts in seconds", header("Retry-After: 120"), 2 * time.Minute},
		{"a date counts from now", header("Retry-After: " + at(2*time.Minute)), 2 * time.Minute},
		{"spaces do not count", header("Retry-After: 120 "), 2 * time.Minute},
		{"a date in the past is 0", header("Retry-After: " + at(-time.Minute)), 0},
		{"a negative number is 0", header("Retry-After: -120"), 0},
		{"a fraction is unreadable", header("Retry-After: 1.5"), 0},
		{"words are unreadable", header("Retry-After: later"), 0},
		{"the first that can be read counts", header("Retry-After: later", "Retry-After: 5", "Retry-After: 9"), 5 * time.Second},
		{"too large a number saturates", header("Retry-After: 18446744073709551617"), most},
		{"a date of the year 9999 saturates", header("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"), most},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := RetryAfter(tt.header, now); got != tt.want {
				t.Errorf("RetryAfter(%v) = %v, want %v", tt.header, got, tt.want)
			}
		})
	}
}

// A header of 512 KiB that is nothing but quotes takes a minute instead of
// milliseconds if every quote starts a search of its own.
func TestLifetimeIsLinear(t *testing.T) {
	for _, unit := range []string{`="`, `="\"`, `\"`, `"`, `=" ="`, `,`} {
		line := strings.Repeat(unit, (512<<10)/len(unit)) + ",max-age=x"
		start := time.Now()
		Lifetime(http.Header{"Cache-Control": {line}}, now)
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%d bytes of %q took %v", len(line), unit, d)
		}
	}
}
