// Package httpcache reads the few header fields that say how long an HTTP
// answer may be used and when to ask again: Cache-Control, Expires and Age
// (RFC 9111) and Retry-After (RFC 9110).
//
// It reads as the private cache of one process does, so s-maxage, private and
// public mean nothing to it. Headers come from outside: nothing in them makes
// a function panic or return a duration below 0 or above 2^31 seconds, and
// what cannot be read never lengthens a lifetime.
package httpcache

import (
	"net/http"
	"strings"
	"time"
)

// longest is what every larger number of seconds counts as. RFC 9111 1.2.2
// names 2^31 for a value that a recipient cannot represent; a [time.Duration]
// holds it with room to add and subtract.
const (
	maxSeconds = 1 << 31
	longest    = maxSeconds * time.Second
)

// Lifetime says how long an answer with the header h, received at now, may be
// used from now on: max-age less Age, else Expires less Date and Age, else
// (without a readable Date) Expires less now.
//
// The result is 0, true for no-store, for no-cache, for an answer that is
// stale already, and for a max-age or Expires that cannot be read (RFC 9111
// 4.2.1 encourages to treat such answers as stale). It is 0, false if the
// header says nothing about freshness.
func Lifetime(h http.Header, now time.Time) (d time.Duration, ok bool) {
	var cc cacheControl
	for _, line := range h.Values("Cache-Control") {
		cc.read(line) // RFC 9110 5.3: several lines are one list
	}
	switch {
	case cc.never:
		return 0, true
	case cc.hasMaxAge: // RFC 9111 5.3: max-age overrides Expires
		return within(cc.maxAge - Age(h)), true
	}
	return expires(h, now)
}

// Age returns how long the answer has been in caches on its way (RFC 9111
// 5.1), and 0 if the header does not say so in a form that can be read.
func Age(h http.Header) time.Duration {
	for _, v := range h.Values("Age") {
		// RFC 9111 5.1: of a list the first member counts, and a value
		// that is invalid is ignored.
		first, _, _ := strings.Cut(v, ",")
		if d, ok := seconds(trim(first)); ok {
			return d
		}
	}
	return 0
}

// Validators returns what a later request can ask with whether the answer has
// changed: its entity tag and its Last-Modified, each "" where there is none to
// trust. A date tells two versions of one second apart only if it is older than
// the answer that it came with (RFC 9110 8.8.2.2): it counts where there is a
// Date at least a second later, by the same clock. Static files that all have
// one date, as in reproducible images, keep it through a rotation all the same,
// so no validator may be trusted for ever.
func Validators(h http.Header) (etag, lastModified string) {
	etag, lastModified = trim(h.Get("ETag")), trim(h.Get("Last-Modified"))
	modified, err := http.ParseTime(lastModified)
	if err != nil {
		return etag, ""
	}
	date, err := http.ParseTime(trim(h.Get("Date")))
	if err != nil || date.Sub(modified) < time.Second {
		return etag, ""
	}
	return etag, lastModified
}

// RetryAfter returns how long the server asks to wait from now on: a number
// of seconds or a date (RFC 9110 10.2.3). It is 0 if the header is absent,
// cannot be read, or names a moment in the past.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	for _, v := range h.Values("Retry-After") {
		v = trim(v)
		if d, ok := seconds(v); ok {
			return d
		}
		if t, err := http.ParseTime(v); err == nil {
			return within(t.Sub(now)) // Sub saturates
		}
	}
	return 0
}

// expires computes the lifetime from the Expires field (RFC 9111 4.2.1, 5.3).
func expires(h http.Header, now time.Time) (d time.Duration, ok bool) {
	for _, v := range h.Values("Expires") {
		left := time.Duration(0)
		// RFC 9111 5.3: an invalid date, "0" above all, is in the past.
		if t, err := http.ParseTime(trim(v)); err == nil {
			left = remaining(t, h, now)
		}
		// RFC 9111 4.2.1 leaves open which of several values counts. The
		// smallest cannot keep an answer for too long.
		if ok {
			left = min(left, d)
		}
		d, ok = left, true
	}
	return d, ok
}

// remaining is what is left until t, the moment that Expires names.
func remaining(t time.Time, h http.Header, now time.Time) time.Duration {
	// Expires and Date are from the same clock, so their difference does not
	// depend on how far that clock is off ours.
	if date, err := http.ParseTime(trim(h.Get("Date"))); err == nil {
		return within(within(t.Sub(date)) - Age(h))
	}
	return within(t.Sub(now))
}

// seconds reads delta-seconds (RFC 9111 1.2.2): digits and nothing else. Too
// large a number is the longest one.
func seconds(s string) (time.Duration, bool) {
	if s == "" {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(s[i]-'0'), maxSeconds)
	}
	return time.Duration(n) * time.Second, true
}

// within brings d into the range that this package promises.
func within(d time.Duration) time.Duration { return min(max(d, 0), longest) }

// trim removes optional whitespace (RFC 9110 5.6.3).
func trim(s string) string { return strings.Trim(s, " \t") }
