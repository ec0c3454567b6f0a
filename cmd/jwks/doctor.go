package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/httpcache"
	"github.com/seed-22400188/jwks/internal/show"
)

func doctorCommand() *command {
	return &command{
		name:    "doctor",
		args:    "[-strict] [flags] ISSUER",
		summary: "examine an issuer: discovery, keys, caching, clock, certificate, rotation",
		details: `Requests the discovery document from every place where it may be, requests the key
set several times, and judges the responses. Each finding has a level:

  OK     as it should be
  INFO   good to know
  WARN   will cause trouble: weak or unusable keys, validators that lie, a key set
         that caches keep for over an hour, a clock that is off by over 30 s, keys
         without a kid, plain http
  ERROR  tokens cannot be verified, or must not be trusted: no usable key, another
         issuer's document, a missing document, a published private key

docs/doctor.md explains each finding and how to fix it with common providers.

Exit status: 0 healthy, 1 findings of level ERROR (with -strict also WARN), 2 no key
set could be read.
`,
		prepare: func(f *flags) runner {
			var d doctor
			d.output(f, false)
			d.network(f)
			f.BoolVar(&d.strict, "strict", false, "exit with status 1 for warnings too")
			return d.run
		},
	}
}

// doctor is one run of jwks doctor.
type doctor struct {
	common
	strict bool
}

func (d *doctor) run(ctx context.Context, p *program, args []string) (int, error) {
	if err := d.check(); err != nil {
		return exitUsage, err
	}
	if len(args) != 1 {
		return exitUsage, usagef("want one issuer, not %d", len(args))
	}
	issuer := args[0]
	if before, _, ok := strings.Cut(issuer, "/.well-known/"); ok {
		return exitUsage, usagef("want the issuer, which is what comes before /.well-known/: jwks doctor %s", show.Place(before))
	}
	ctx, cancel := d.limit(ctx)
	defer cancel()
	o, err := d.observe(ctx, p, issuer)
	if err != nil {
		return exitUsage, err
	}
	findings := examine(o)
	status := verdictOf(findings, o.hasKeySet(), d.strict)
	if d.json {
		return status, p.printJSON(doctorJSON{show.WholeURL(issuer), findings}, false)
	}
	p.print(findingsText(p, issuer, findings, status))
	return status, nil
}

// doctorJSON is what -json prints.
type doctorJSON struct {
	Issuer   string    `json:"issuer"`
	Findings []finding `json:"findings"`
}

// observations are all that a doctor knows of an issuer.
type observations struct {
	issuer     string
	now        time.Time
	places     []*place
	found      *place    // the one of places that counts; nil: none
	keys       *answer   // the key set; nil: its place is unknown
	foundAgain []*answer // the discovery document again, for its latency
	keysAgain  []*answer // and the key set
	again      *answer   // the same once more, past caches
	same       *answer   // the same with its validators, nil if it has none
	made       *answer   // the same with a validator that never was
	loadErr    error     // what a client of the library made of it all
	entries    []entry   // of keys
	listErr    error     // why keys is not a key set
}

// hasKeySet says that there is a key set, however bad its keys are.
func (o *observations) hasKeySet() bool {
	return o.keys != nil && o.keys.err == nil && o.listErr == nil
}

// eachRequest is the limit of one request: twice what a client of the library
// waits, so that a slow issuer is told from a dead one.
const eachRequest = 10 * time.Second

// madeUp is a validator that no server has handed out (RFC 9110 section 8.8.3).
const madeUp = `"jwks-doctor-made-this-up"`

// observe asks all that there is to ask.
func (d *doctor) observe(ctx context.Context, p *program, issuer string) (*observations, error) {
	named, err := d.namedURL(strings.NewReplacer("{", "", "}", "").Replace(issuer)) // of a template
	if err != nil {
		return nil, err
	}
	a, err := d.asker(p, named)
	if err != nil {
		return nil, err
	}
	a.each = eachRequest
	client, err := jwks.NewClient(append(d.options(a.base), issuerOptions(issuer)...)...)
	if err != nil {
		return nil, oneLine(err)
	}
	defer client.Close()

	o := &observations{issuer: issuer, now: time.Now(), places: discover(ctx, a, issuer)}
	o.found = choose(o.places, issuer)
	if o.found == nil || o.found.jwksURI == "" {
		return o, nil
	}
	url := o.found.jwksURI
	o.keys = ask(ctx, a, fetch.Request{URL: url})
	if o.keys.err != nil {
		return o, nil
	}
	if o.entries, o.listErr = readEntries(o.keys.body); o.listErr != nil {
		return o, nil
	}
	var all sync.WaitGroup
	all.Go(func() { o.foundAgain = []*answer{ask(ctx, a, fetch.Request{URL: o.found.url})} })
	all.Go(func() { o.again = ask(ctx, a, fetch.Request{URL: url, NoCache: true}) })
	all.Go(func() { o.made = ask(ctx, a, madeUpRequest(url, o.keys)) })
	if etag, modified := httpcache.Validators(o.keys.final().header); etag+modified != "" {
		all.Go(func() { o.same = ask(ctx, a, fetch.Request{URL: url, ETag: etag, LastModified: modified}) })
	}
	all.Go(func() { o.loadErr = client.Ready(ctx) })
	all.Wait()
	for range 2 { // a hiccup of the network is not a slow issuer
		if discovery, keys := o.latencies(); max(discovery, keys) < slow || max(discovery, keys) >= tooSlow {
			break
		}
		o.foundAgain = append(o.foundAgain, ask(ctx, a, fetch.Request{URL: o.found.url}))
		o.keysAgain = append(o.keysAgain, ask(ctx, a, fetch.Request{URL: url}))
	}
	return o, nil
}

// latencies are those of the fastest request for each document.
func (o *observations) latencies() (discovery, keys time.Duration) {
	return fastest(slices.Concat(o.foundAgain, []*answer{o.found.answer})...), fastest(append(o.answers(), o.keysAgain...)...)
}

// madeUpRequest asks with a validator that the server cannot know, so that an
// honest one answers in full. One that has nothing but dates is asked for what
// changed since long ago.
func madeUpRequest(url string, keys *answer) fetch.Request {
	if h := keys.final().header; h.Get("ETag") == "" && h.Get("Last-Modified") != "" {
		return fetch.Request{URL: url, LastModified: "Thu, 01 Jan 1970 00:00:01 GMT"}
	}
	return fetch.Request{URL: url, ETag: madeUp}
}

// verdictOf is the exit status.
func verdictOf(findings []finding, hasKeySet, strict bool) int {
	errs, warnings := 0, 0
	for _, f := range findings {
		switch f.Level {
		case levelError:
			errs++
		case levelWarn:
			warnings++
		}
	}
	switch {
	case errs > 0 && !hasKeySet:
		return exitUndecidable
	case errs > 0, strict && warnings > 0:
		return exitRefused
	}
	return exitOK
}

// findingsText is the report for people.
func findingsText(p *program, issuer string, findings []finding, status int) string {
	var b strings.Builder
	b.WriteString(show.Place(issuer) + "\n")
	counts := map[level]int{}
	for _, f := range findings {
		counts[f.Level]++
		name := strings.ToUpper(string(f.Level))
		fmt.Fprintf(&b, "%s%s  %-14s %s\n", p.paint(f.Level.colour(), name), strings.Repeat(" ", 5-len(name)), f.Name, f.Text)
		if f.Advice != "" {
			fmt.Fprintf(&b, "%22s%s\n", "", f.Advice)
		}
	}
	verdict := p.paint(green, "HEALTHY")
	switch status {
	case exitRefused:
		verdict = p.paint(red, "UNHEALTHY")
	case exitUndecidable:
		verdict = p.paint(red, "NO KEY SET")
	}
	var texts []string
	for _, l := range []struct {
		level level
		noun  string
	}{{levelError, "error"}, {levelWarn, "warning"}} {
		if n := counts[l.level]; n > 0 {
			texts = append(texts, show.Count(n, l.noun))
		}
	}
	texts = append(texts, fmt.Sprintf("%d info", counts[levelInfo]), fmt.Sprintf("%d ok", counts[levelOK]))
	b.WriteString(verdict + "  " + strings.Join(texts, ", ") + "\n")
	return b.String()
}
