package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/wellknown"
)

// answer is what one request brought.
type answer struct {
	url       string
	exchanges []exchange // more than one: redirects
	body      []byte
	err       error
}

// final is the last exchange: the one with the document.
func (a *answer) final() exchange {
	if len(a.exchanges) == 0 {
		return exchange{url: a.url, err: a.err}
	}
	return a.exchanges[len(a.exchanges)-1]
}

// ask gets one document and keeps what it looked like on the way. fresh asks
// caches to look again.
func ask(ctx context.Context, c *asker, r fetch.Request) *answer {
	rec := &recorder{base: c.base}
	f := c.common.fetcher(rec, c.named, c.each)
	response, err := f.Get(ctx, r)
	a := &answer{url: r.URL, err: err, exchanges: rec.exchanges()}
	if err == nil {
		a.body = response.Body
	}
	for _, x := range a.exchanges {
		c.hide.addFrom(x.url, x.header.Get("Location"))
	}
	return a
}

// place is where a discovery document may be, and what was there.
type place struct {
	*answer
	document
}

// isDocument says that a discovery document is there.
func (p *place) isDocument() bool { return p.err == nil && p.isObject && p.issuer != "" }

// says describes what is at the place, in one phrase.
func (p *place) says(issuer string) string {
	switch {
	case p.err != nil && p.final().status >= 300:
		return statusWords(p.final().status)
	case p.err != nil:
		return cause(p.err)
	case !p.isDocument():
		if what := fetch.Sniff(p.body, p.final().header.Get("Content-Type")); what != "" {
			return "is " + what + ", not a discovery document"
		}
		return "is not a discovery document"
	case p.issuer != issuer:
		return "names another issuer, " + quote(p.issuer)
	}
	return statusWords(p.final().status)
}

// statusWords is a status with its name.
func statusWords(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// cause is the text of an error of package fetch without its URL.
func cause(err error) string {
	var e *fetch.Error
	if errors.As(err, &e) && e.Err != nil {
		return inFlags(e.Err.Error())
	}
	return inFlags(err.Error())
}

// discover asks all places of an issuer's discovery document, side by side.
func discover(ctx context.Context, c *asker, issuer string) []*place {
	urls := wellknown.Places(issuer, "")
	places := make([]*place, len(urls))
	var all sync.WaitGroup
	for i, url := range urls {
		all.Go(func() {
			a := ask(ctx, c, fetch.Request{URL: url})
			places[i] = &place{a, readDocument(a.body)}
		})
	}
	all.Wait()
	return places
}

// choose returns the place whose document names the issuer, else one that names
// another; nil when there is none.
func choose(places []*place, issuer string) *place {
	var other *place
	for _, p := range places {
		switch {
		case !p.isDocument():
		case p.document.issuer == issuer:
			return p
		case other == nil:
			other = p
		}
	}
	return other
}

// nowhere is the error when no place has the document.
func nowhere(places []*place, issuer string) error {
	var texts []string
	for _, p := range places {
		texts = append(texts, show.Place(p.url)+" "+p.says(issuer))
	}
	return fmt.Errorf("no discovery document: %s", strings.Join(texts, "; "))
}
