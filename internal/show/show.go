// Package show writes the values that stand in an error or a log line. Foreign
// text is kept on one line, quoted where it could be misread, cut to 64 bytes,
// and shown without the parts of a URL that may be secret.
package show

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limit is how many bytes of a foreign text are shown.
const Limit = 64

const mark = "…" // where something was cut

// Quote quotes a text and cuts it.
func Quote(s string) string { return strconv.Quote(Cut(s)) }

// Line is Quote for a text that is harmless as a rule and reads better without
// quotes.
func Line(s string) string { return onLine(Cut(s)) }

// onLine quotes s only if it would not stay on its line.
func onLine(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// TextLimit is how many bytes of the text of a whole error are shown.
const TextLimit = 2048

// Text is Line for the text of an error, which quotes and cuts its own parts.
func Text(s string) string { return onLine(cutAt(s, TextLimit)) }

// Cut keeps the beginning of s.
func Cut(s string) string { return cutAt(s, Limit) }

func cutAt(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:boundary(s, limit-len(mark))] + mark
}

// boundary returns the largest index up to i where a character of s begins.
func boundary(s string, i int) int {
	for n := 0; i > 0 && n < utf8.UTFMax && !utf8.RuneStart(s[i]); n++ {
		i--
	}
	return i
}

// URL shows a URL, cut, and quoted only if it has characters that would break
// the line or its reading.
func URL(raw string) string {
	return plain(CutURL(raw))
}

// plain quotes s only if it has characters that would break the line.
func plain(s string) string {
	if s == "" || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r == '"' || Odd(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// PlaceLimit is how many bytes of a URL are shown that the configuration names.
const PlaceLimit = 512

// Place shows the URL of an issuer, a key set or a discovery document whole, so
// that one tenant is not taken for another: up to 512 bytes, without its query.
func Place(raw string) string {
	s := WholeURL(raw)
	if len(s) > PlaceLimit {
		s = cutEnds(s, PlaceLimit, PlaceLimit/2)
	}
	return plain(s)
}

// QuotePlace shows a URL or the name of an issuer as Place does, quoted.
func QuotePlace(raw string) string {
	s := WholeURL(raw)
	if len(s) > PlaceLimit {
		s = cutEnds(s, PlaceLimit, PlaceLimit/2)
	}
	return strconv.Quote(s)
}

// QuoteURL shows a URL, cut and quoted.
func QuoteURL(raw string) string { return strconv.Quote(CutURL(raw)) }

// CutURL keeps both ends of a URL: the documents of an issuer differ in how
// their URLs end.
func CutURL(raw string) string {
	s := WholeURL(raw)
	if len(s) <= Limit {
		return s
	}
	return cutEnds(s, Limit, 24)
}

// cutEnds keeps the beginning of s and its last tail bytes, limit in all.
func cutEnds(s string, limit, tail int) string {
	i := len(s) - tail
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return s[:boundary(s, limit-tail-len(mark))] + mark + s[i:]
}

// Odd reports characters that no URL needs unescaped: all white space, control
// and format characters, and the backslash.
func Odd(r rune) bool { return r == ' ' || r == '\\' || !unicode.IsPrint(r) }

// WholeURL returns raw as it may be shown: without user info and fragment,
// and with "?…" in place of a query, which may hold a secret. Little is left of
// a text that is not a URL but might be one with a password in it. The result
// is not cut.
func WholeURL(raw string) string {
	u, err := url.Parse(raw)
	switch {
	case err == nil && u.Host != "" && u.User == nil && !strings.ContainsAny(raw, "?#") && !strings.ContainsFunc(raw, Odd):
		return raw // String would escape the braces of a template
	case err == nil && u.Host != "":
		query := u.RawQuery != ""
		u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
		if query {
			return u.String() + "?…"
		}
		return u.String()
	case strings.Contains(raw, "@"):
		if scheme, _, ok := strings.Cut(raw, "://"); ok && !strings.Contains(scheme, "@") {
			return scheme + "://…"
		}
		return "…"
	}
	if i := strings.IndexAny(raw, "?#"); i >= 0 && i < len(raw)-1 {
		return raw[:i+1] + "…"
	}
	return raw
}
