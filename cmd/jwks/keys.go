package main

import (
	"context"
	"fmt"

	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/keyfile"
	"github.com/seed-22400188/jwks/internal/show"
)

func keysCommand() *command {
	return &command{
		name:    "keys",
		args:    "[flags] URL|FILE",
		summary: "list the keys of an issuer, a key set or a file, and why some are unusable",
		details: `URL is an issuer, a discovery document or a key set; for an issuer, its keys are
found by discovery. FILE is a JWK Set or PEM. Each key is shown with its kid, type
and size, algorithms, use and RFC 7638 thumbprint, or with the reason why it cannot
verify tokens.

Exit status: 0 if there is a usable key, 2 if there is none or the keys were
unavailable.
`,
		prepare: func(f *flags) runner {
			var c common
			c.output(f, false)
			c.network(f)
			return func(ctx context.Context, p *program, args []string) (int, error) {
				if err := c.check(); err != nil {
					return exitUsage, err
				}
				if len(args) != 1 {
					return exitUsage, usagef("want one URL or file, not %d", len(args))
				}
				ctx, cancel := c.limit(ctx)
				defer cancel()
				return c.runKeys(ctx, p, args[0])
			}
		},
	}
}

// keysJSON is what -json prints.
type keysJSON struct {
	URL  string  `json:"url"` // or the file
	Keys []entry `json:"keys"`
}

func (c *common) runKeys(ctx context.Context, p *program, where string) (int, error) {
	place, body, err := c.findKeys(ctx, p, where)
	if err != nil {
		return exitUndecidable, err
	}
	entries, err := readEntries(body)
	if err != nil {
		return exitUndecidable, fmt.Errorf("%s: %w", show.Place(place), err)
	}
	status := exitOK
	if usable(entries) == 0 {
		status = exitUndecidable
	}
	if c.json {
		if entries == nil {
			entries = []entry{}
		}
		return status, p.printJSON(keysJSON{show.WholeURL(place), entries}, false)
	}
	p.print(fmt.Sprintf("%s  %s, %d usable\n", show.Place(place), show.Count(len(entries), "key"), usable(entries)))
	if len(entries) > 0 {
		p.print(entryTable(entries))
	}
	return status, nil
}

// findKeys gets the document with the keys, and says where it was.
func (c *common) findKeys(ctx context.Context, p *program, where string) (place string, body []byte, err error) {
	if !isURL(where) {
		body, err := keyfile.Read(where, maxDocument)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", quote(where), err)
		}
		return where, body, nil
	}
	named, err := c.namedURL(where)
	if err != nil {
		return "", nil, err
	}
	asking, err := c.asker(p, named)
	if err != nil {
		return "", nil, err
	}
	got := ask(ctx, asking, fetch.Request{URL: where})
	if got.err == nil && (jwk.IsPEM(got.body) || readDocument(got.body).hasKeys) {
		return where, got.body, nil
	}
	if got.err != nil && got.final().status == 0 { // nobody is there
		return "", nil, got.err
	}
	next := readDocument(got.body).jwksURI
	if next == "" {
		if next, err = discoverKeys(ctx, asking, where); err != nil {
			return "", nil, err
		}
	}
	if _, err := fetch.CheckURL(next, c.insecure); err != nil {
		return "", nil, fmt.Errorf("the discovery document's jwks_uri is unusable: %w", err)
	}
	if got = ask(ctx, asking, fetch.Request{URL: next}); got.err != nil {
		return "", nil, got.err
	}
	return next, got.body, nil
}

// discoverKeys takes a URL for an issuer and asks for its discovery document.
func discoverKeys(ctx context.Context, c *asker, issuer string) (string, error) {
	places := discover(ctx, c, issuer)
	found := choose(places, issuer)
	switch {
	case found == nil:
		return "", fmt.Errorf("there is no key set, so it was taken for an issuer: %w", nowhere(places, issuer))
	case found.document.issuer != issuer:
		return "", fmt.Errorf("the discovery document at %s names another issuer: it %s", show.Place(found.url), show.Differs(found.document.issuer, issuer))
	case found.jwksURI == "":
		return "", fmt.Errorf("the discovery document at %s has no jwks_uri", show.Place(found.url))
	}
	return found.jwksURI, nil
}
