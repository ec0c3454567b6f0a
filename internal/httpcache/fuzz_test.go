package httpcache

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// lifetime is what Lifetime returns, comparable.
type lifetime struct {
	d  time.Duration
	ok bool
}

func lifetimeOf(h http.Header) lifetime {
	d, ok := Lifetime(h, now)
	return lifetime{d, ok}
}

// FuzzLifetime: whatever the header, the lifetime stays in its range; a
// directive that nobody knows changes nothing; the order of lines changes
// nothing; no-store always wins; and another max-age never lengthens.
func FuzzLifetime(f *testing.F) {
	for _, seed := range []string{
		"", "max-age=60", "max-age=60, no-store", `no-cache="Set-Cookie", max-age=1`, `x="a, b\"c", max-age="5"`,
		`max-age="60`, "max-age=-1", "max-age=99999999999999999999", "MAX-AGE=1,,,", `a"b="c`, `"`, `="\`,
	} {
		f.Add(seed, "public", "Sun, 01 Mar 2026 12:01:30 GMT", "Sun, 01 Mar 2026 12:00:00 GMT", "10")
	}
	f.Add("public", "", "0", "", "-1")
	f.Fuzz(func(t *testing.T, line1, line2, exp, date, age string) {
		h := http.Header{"Cache-Control": {line1, line2}, "Expires": {exp}, "Date": {date}, "Age": {age}}
		got := lifetimeOf(h)
		if got.d < 0 || got.d > longest {
			t.Fatalf("lifetime %v is out of range", got.d)
		}
		if got.d > 0 && !got.ok {
			t.Fatalf("lifetime %v of a header that says nothing", got.d)
		}
		with := func(lines ...string) lifetime {
			h := h.Clone()
			h["Cache-Control"] = lines
			return lifetimeOf(h)
		}
		for _, unknown := range []string{"x", "x=1", `x="no-store, max-age=1"`, "s-maxage=1"} {
			for _, lines := range [][]string{
				{unknown + "," + line1, line2}, {line1, unknown, line2}, {line1, line2, unknown},
			} {
				if also := with(lines...); also != got {
					t.Fatalf("%v with the unknown directive %q, %v without: %q", also, unknown, got, lines)
				}
			}
		}
		if also := with(line2, line1); also != got {
			t.Fatalf("%v in one order of lines, %v in the other", got, also)
		}
		if also := with(line1, line2, "no-store"); also != (lifetime{0, true}) {
			t.Fatalf("%v in spite of no-store", also)
		}
		if also := with(line1, line2, "max-age=5"); also.d > 5*time.Second || !also.ok {
			t.Fatalf("%v in spite of max-age=5", also)
		}
		if a := Age(h); a < 0 || a > longest {
			t.Fatalf("age %v is out of range", a)
		}
	})
}

// FuzzDirectiveOrder: the directives of a list mean the same in every order
// and on as many lines as one likes. Quotes are left out, because they may
// join two items into one.
func FuzzDirectiveOrder(f *testing.F) {
	f.Add("max-age=60,no-store,private")
	f.Add("max-age=60, max-age=x ,no-cache=Set-Cookie")
	f.Add("a,,=,max-age=,MAX-AGE=2")
	f.Fuzz(func(t *testing.T, list string) {
		items := strings.Split(strings.ReplaceAll(list, `"`, ""), ",")
		forward := lifetimeOf(http.Header{"Cache-Control": {strings.Join(items, ",")}})
		lines := lifetimeOf(http.Header{"Cache-Control": slices.Clone(items)})
		slices.Reverse(items)
		backward := lifetimeOf(http.Header{"Cache-Control": {strings.Join(items, " , ")}})
		if forward != backward || forward != lines {
			t.Fatalf("%q: %v forwards, %v backwards, %v on lines of their own", items, forward, backward, lines)
		}
	})
}

// FuzzRetryAfter: the result stays in its range, and a later moment of asking
// never makes the wait longer.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "120", "-1", "99999999999999999999", "Sun, 01 Mar 2026 12:01:30 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Sunday, 01-Mar-26 12:01:30 GMT"} {
		f.Add(seed, int64(time.Hour))
	}
	f.Fuzz(func(t *testing.T, value string, later int64) {
		h := http.Header{"Retry-After": {value}}
		first := RetryAfter(h, now)
		if first < 0 || first > longest {
			t.Fatalf("RetryAfter %q = %v is out of range", value, first)
		}
		if second := RetryAfter(h, now.Add(time.Duration(max(later, 0)))); second > first {
			t.Fatalf("RetryAfter %q grew from %v to %v", value, first, second)
		}
	})
}
