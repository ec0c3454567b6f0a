package fetch

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/seed-22400188/jwks/internal/show"
)

// maxRedirects is how many redirects one attempt follows.
const maxRedirects = 3

// redirectError says why a redirect was not followed. It stands apart from
// connection errors because a retry would meet it again.
type redirectError struct {
	text string
	err  error // nil, or that of the user's CheckRedirect
}

func (e *redirectError) Error() string { return e.text }
func (e *redirectError) Unwrap() error { return e.err }

// checkRedirect returns the redirect policy of f; theirs is that of the user's
// client, or nil.
func (f *Fetcher) checkRedirect(theirs func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		s := req.Context().Value(sendingKey{}).(*sending) // net/http keeps the context
		if reason := f.refuseRedirect(req.URL, via); reason != "" {
			return &redirectError{text: "redirect to " + show.QuoteURL(req.URL.String()) + " refused: " + reason}
		}
		// net/http tells the target where it was referred from, and the query
		// of that URL may hold a secret.
		req.Header.Del("Referer")
		if err := s.set(req); err != nil {
			return err
		}
		if theirs == nil {
			return nil
		}
		err := theirs(req, via)
		if err == nil || errors.Is(err, http.ErrUseLastResponse) {
			return err // net/http compares the latter by ==
		}
		cause := wrap(err)
		return &redirectError{text: "redirect refused by the CheckRedirect of the HTTP client: " + cause.Error(), err: cause}
	}
}

// refuseRedirect says why the redirect from the last request of via to target
// is not followed; "" means that it is.
func (f *Fetcher) refuseRedirect(target *url.URL, via []*http.Request) string {
	last := via[len(via)-1].URL
	if len(via) > maxRedirects {
		return "more than 3 redirects"
	}
	// Also where http is allowed: who redirects https to http gives away
	// what the configuration asked for.
	if last.Scheme == "https" && target.Scheme != "https" {
		return "it leads from https to " + show.Quote(target.Scheme)
	}
	if _, err := parseURL(target.String(), f.allowHTTP); err != nil {
		return err.Error()
	}
	return ""
}
