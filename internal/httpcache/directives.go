package httpcache

import (
	"strings"
	"time"
)

// cacheControl is what Cache-Control directives (RFC 9111 5.2.2) say about
// freshness. Directives that it does not know change nothing (5.2.3), and a
// malformed one spoils no other.
type cacheControl struct {
	never     bool // no-store, or no-cache without field names
	hasMaxAge bool
	maxAge    time.Duration // the smallest one
}

// read takes in the directives of one header line.
func (c *cacheControl) read(line string) {
	for more := true; more; {
		var item string
		item, line, more = cutItem(line)
		name, arg, _ := strings.Cut(item, "=")
		c.add(strings.ToLower(trim(name)), trim(arg))
	}
}

// add takes in one directive; arg is its argument as it stands in the header.
func (c *cacheControl) add(name, arg string) {
	switch name {
	case "no-store": // RFC 9111 5.2.2.5; it has no argument, one changes nothing
		c.never = true
	case "no-cache":
		// RFC 9111 5.2.2.4: with field names it restricts those fields only,
		// and none of them is the body. An argument that cannot be read is
		// not a field name.
		if trim(unquote(arg)) == "" {
			c.never = true
		}
	case "max-age": // RFC 9111 5.2.2.1
		// RFC 9111 5.2: recipients ought to accept an argument in either
		// form. Invalid freshness information means stale (4.2.1).
		d, _ := seconds(unquote(arg))
		if c.hasMaxAge {
			d = min(d, c.maxAge)
		}
		c.hasMaxAge, c.maxAge = true, d
	}
}

// unquote returns the content of an argument, a token or a quoted-string (RFC
// 9110 5.6.4), and "" if quotes stand anywhere else than around it.
func unquote(arg string) string {
	if !strings.Contains(arg, `"`) {
		return arg
	}
	if arg[0] != '"' || closingQuote(arg) != len(arg)-1 {
		return ""
	}
	var b strings.Builder
	for i := 1; i < len(arg)-1; i++ {
		if arg[i] == '\\' {
			i++ // closingQuote saw that a character follows
		}
		b.WriteByte(arg[i])
	}
	return b.String()
}

// closingQuote returns the index of the quote that ends the quoted-string
// with which s begins, or 0, that of the first one, if none does.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return 0
}

// cutItem splits a list at its first comma outside of a quoted-string. more is
// false if there is none.
func cutItem(list string) (item, rest string, more bool) {
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case ',':
			return list[:i], list[i+1:], true
		case '"':
			// A quote opens an argument only after "=", and one that is never
			// closed opens nothing, so that it cannot swallow the directives
			// behind it. (After such a search, which went over the whole
			// rest, none follows: every later quote stands behind a
			// backslash. So reading a line takes linear time.)
			if !strings.HasSuffix(strings.TrimRight(list[:i], " \t"), "=") {
				continue
			}
			i += closingQuote(list[i:])
		}
	}
	return list, "", false
}
