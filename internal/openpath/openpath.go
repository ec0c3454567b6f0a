// Package openpath decides which requests a middleware leaves alone: those that
// match a pattern of [http.ServeMux], in a spelling that leaves no room for a
// second reading.
//
// The rule is stricter than the mux's, because what lies behind the middleware
// may read a path in another way than the mux that matched it here: it may
// clean it, decode it again, or split it at encoded slashes. A request that two
// readers may read in two ways is never left alone.
package openpath

import (
	"net/http"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Set is a set of patterns. The nil Set matches nothing.
type Set struct {
	mux   *http.ServeMux
	hints []hint
}

// New makes a Set. A pattern that [http.ServeMux.Handle] refuses panics as it
// does there; the same pattern twice is fine.
func New(patterns []string) *Set {
	if len(patterns) == 0 {
		return nil
	}
	s := &Set{mux: http.NewServeMux()}
	seen := make(map[string]bool, len(patterns))
	for _, p := range patterns {
		if !seen[p] {
			s.mux.Handle(p, open{})
			s.hints = append(s.hints, hintFor(p))
			seen[p] = true
		}
	}
	return s
}

// open marks what a pattern matched: the mux answers redirects and errors with
// handlers of its own.
type open struct{}

func (open) ServeHTTP(http.ResponseWriter, *http.Request) {}

// Match says whether r matches a pattern and has a clean path. What the mux
// would redirect does not match.
func (s *Set) Match(r *http.Request) bool {
	if s == nil || !s.likely(r) || !clean(r) {
		return false
	}
	h, _ := s.mux.Handler(r)
	_, ok := h.(open)
	return ok
}

// hint is what a request must have to match one pattern. Asking the mux costs
// eight allocations where nothing matches, and that is most requests.
type hint struct {
	method string // "": any
	prefix string // of the decoded path
	whole  bool   // the path is prefix and no more
}

// hintFor reads a pattern that a mux has accepted: [METHOD ][HOST]/[PATH].
func hintFor(pattern string) hint {
	var h hint
	if i := strings.IndexAny(pattern, " \t"); i >= 0 {
		h.method, pattern = pattern[:i], pattern[i:]
	}
	p := pattern[strings.IndexByte(pattern, '/'):]
	i := strings.IndexAny(p, "{%") // a wildcard, or what the mux decodes
	if i < 0 {
		h.prefix, h.whole = p, !strings.HasSuffix(p, "/")
	} else {
		h.prefix, h.whole = p[:i], p[i:] == "{$}"
	}
	return h
}

// likely says whether a pattern may match r. The mux has the last word.
func (s *Set) likely(r *http.Request) bool {
	for _, h := range s.hints {
		if h.method != "" && h.method != r.Method && !(h.method == http.MethodGet && r.Method == http.MethodHead) {
			continue
		}
		if p := r.URL.Path; p == h.prefix || !h.whole && strings.HasPrefix(p, h.prefix) {
			return true
		}
	}
	return false
}

// clean says that nobody reads the path of r in another way than the mux.
func clean(r *http.Request) bool {
	p := r.URL.Path
	if !strings.HasPrefix(p, "/") {
		return false // "*", or an authority
	}
	if want := path.Clean(p); p != want && p != want+"/" {
		return false // "..", ".", "//": a mux redirects them, but not for CONNECT
	}
	return !hidesSeparator(r.URL.EscapedPath()) && plain(p)
}

// plain says that a decoded path has nothing that servers are known to read each
// in its own way: what begins a path parameter (";"), a backslash, a percent
// sign that somebody decodes again, control characters, bytes that are not UTF-8,
// wide forms of these, and segments of dots alone, trailing spaces included.
func plain(p string) bool {
	if !utf8.ValidString(p) || strings.ContainsFunc(p, isOdd) {
		return false
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment != "" && strings.Trim(segment, ". ") == "" {
			return false
		}
	}
	return true
}

func isOdd(r rune) bool {
	switch r {
	case ';', '\\', '%':
		return true
	}
	return unicode.IsControl(r) || r > unicode.MaxASCII && strings.ContainsRune(compatible, r)
}

// compatible are the characters that a reader who normalizes takes for one of these,
// for a dot or for a slash, or for a text with one: those with such a decomposition
// in Unicode's NFKC, such as the full-width ones.
const compatible = "\u037e\u2024\u2025\u2026\u2100\u2101\u2105\u2106\ufe14\ufe19\ufe30\ufe52\ufe54\ufe68\ufe6a\uff05\uff0e\uff0f\uff1b\uff3c"

// hidesSeparator finds a percent-encoded slash, backslash or dot.
func hidesSeparator(p string) bool {
	for {
		i := strings.IndexByte(p, '%')
		if i < 0 || len(p)-i < 3 {
			return false
		}
		switch hex := p[i+1 : i+3]; {
		case strings.EqualFold(hex, "2f"), strings.EqualFold(hex, "5c"), strings.EqualFold(hex, "2e"):
			return true
		}
		p = p[i+1:]
	}
}
