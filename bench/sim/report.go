package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/bench/internal/markdown"
)

// report writes FLEET.md.
func report(f *figures) string {
	var p page
	p.opening()
	p.stride(f)
	p.maxAge(f)
	p.rotation(f)
	p.outage(f)
	p.forged(f)
	p.cached(f)
	p.shared(f)
	p.closing(f)
	p.leftOut()
	return strings.TrimRight(p.String(), "\n") + "\n"
}

// page is a text that grows line by line.
type page struct{ strings.Builder }

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// opening says what the page is and how it was made.
func (p *page) opening() {
	p.say("# What a fleet costs its issuer\n")
	p.say(`Every replica of a service refreshes its own key set. This page shows what that adds up to at the issuer. It is
written by a simulation, which always gives the same figures:

    go run ./sim -out FLEET.md -svg fleet.svg   # in bench/

The simulation is a model of the library's freshness policy, with one event for every request. A test runs it beside real
clients on a simulated clock, up to 1,000 of them in some thirty situations (start, steady state, rotation, outage, recovery,
cache, store), and compares the number of requests and the times at which they are made.

Unless stated otherwise, a replica is a client with
WithIssuer and defaults: a refresh is two requests, for the discovery document and for the key set (with WithJWKSURL: one).
Every replica has traffic all the time, or calls Run; an idle replica makes fewer requests. "Without jitter" is not an option
of the library: those columns show what the jitter is for.

![Requests per second at the issuer](fleet.svg)
`)
}

// stride shows what a common start leads to.
func (p *page) stride(f *figures) {
	n := markdown.Number(f.replicas)
	p.say("## Start and steady state\n")
	var rows [][]string
	for _, r := range f.steady {
		rows = append(rows, []string{markdown.Number(r.replicas), markdown.Number(r.start), markdown.Number(r.startMinute), rate(r.mean), markdown.Number(r.peak), markdown.Number(r.inStep)})
	}
	p.say("%s", markdown.Table(0, []string{"replicas", "peak/s, all start within 1 s", "within 1 min", "mean/s afterwards", "peak/s afterwards", "the same without jitter"}, rows))
	p.say(`A set lives 15 minutes and is refreshed at 72 to 88 %% of that, at random. If all replicas start together, their refreshes
come back as a wave of 2.4 minutes, then a longer one, and so on. Without jitter the peak would return every 12 minutes. %s replicas
that started within a second:
`, n)
	rows = nil
	for _, r := range f.decay {
		rows = append(rows, []string{span(r.from) + " to " + span(r.to), rate(r.mean), markdown.Number(r.peak), markdown.Number(r.inStep)})
	}
	p.say("%s", markdown.Table(1, []string{"since the start", "mean/s", "peak/s", "without jitter"}, rows))
}

// maxAge shows what the server's max-age does.
func (p *page) maxAge(f *figures) {
	n := markdown.Number(f.replicas)
	p.say("## What the issuer's max-age does\n")
	p.say("It brings the next refresh forward, to one minute after the last at the earliest. How long a set is trusted depends only on the TTL. %s replicas in the steady state:\n", n)
	var rows [][]string
	for _, r := range f.lifetime {
		name := "none"
		if r.maxAge > 0 {
			name = fmt.Sprintf("%.0f", r.maxAge.Seconds())
		}
		rows = append(rows, []string{name, rate(r.discovery), rate(r.plain)})
	}
	p.say("%s", markdown.Table(0, []string{"max-age", "requests/s", "with WithJWKSURL"}, rows))
}

// rotation shows what a new key costs.
func (p *page) rotation(f *figures) {
	p.say("## Rotation\n")
	p.say(`A token signed with an unknown key makes its replica fetch the key set at once (only that document), within a budget
that a rotation alone does not use up. So a key may sign as soon as it is published. The cost depends on how long
before its first use the key was published. Here each replica gets ten tokens a second, and clients renew their tokens within
ten minutes:
`)
	var rows [][]string
	for _, r := range f.rotation {
		last := "-"
		if r.last > 0 {
			last = span(r.last)
		}
		rows = append(rows, []string{markdown.Number(r.replicas), span(r.ahead), markdown.Number(r.asked), markdown.Number(r.peak), last, markdown.Number(r.late)})
	}
	p.say("%s", markdown.Table(0, []string{"replicas", "published before it signs", "requests that it causes", "peak/s around it", "last of them after", "tokens refused"}, rows))
}

// outage shows what the issuer sees when it comes back.
func (p *page) outage(f *figures) {
	n := markdown.Number(f.replicas)
	p.say("## Outage and recovery\n")
	p.say(`The issuer answers 503 for half an hour; %s replicas started together an hour before. They keep using
the stale set, for an hour past the TTL. A refresh makes up to three attempts (WithRetries), then pauses for up to a minute.
`, n)
	p.say("%s", outageTable(f.outage))
	p.say("The same, but after the outage the issuer serves %s requests a second, four times what the fleet needs in the steady state, and answers 503 to the others:\n", markdown.Number(f.capacity))
	p.say("%s", outageTable(f.limited))
	p.say("Last, a fleet that starts within a second while that issuer is down for 20 minutes. Until a replica has keys, it answers 503:\n")
	p.say("%s", coldTable(f.cold))
}

// forged shows what forged tokens cost.
func (p *page) forged(f *figures) {
	p.say("## Forged tokens\n")
	defaults := standard()
	p.say(`A kid that no set ever had, or a bad signature, makes a replica fetch again, but only as often as WithRefreshLimit allows: %d
times at once, then once in %s. Somebody who sends such tokens to every replica causes at most the
requests in the table. Kids that left the set within the last two days have a separate budget, so somebody who knows such
kids can cause twice as many:
`, defaults.limitBurst, span(defaults.limitEvery))
	var rows [][]string
	for _, r := range f.steady {
		wide := defaults
		wide.limitEvery, wide.limitBurst = 5*time.Minute, 2
		rows = append(rows, []string{markdown.Number(r.replicas),
			markdown.Number(flood(defaults, r.replicas, 0)), rate(float64(r.replicas) / defaults.limitEvery.Seconds()),
			markdown.Number(flood(wide, r.replicas, 0)), rate(float64(r.replicas) / wide.limitEvery.Seconds())})
	}
	p.say("%s", markdown.Table(0, []string{"replicas", "requests at once", "requests/s after", "WithRefreshLimit(5 min, 2): at once", "requests/s after"}, rows))
}

// cached shows what a cache on the way changes.
func (p *page) cached(f *figures) {
	n := markdown.Number(f.replicas)
	p.say("## A cache in front\n")
	p.say(`A shared cache that keeps both documents for max-age and sends Age. %s replicas:
`, n)
	var rows [][]string
	for _, r := range f.cache {
		rows = append(rows, []string{r.name, rate(r.seen), markdown.Number(r.origin), markdown.Number(r.originRotation)})
	}
	p.say("%s", markdown.Table(1, []string{"cache", "requests/s from the replicas", "requests an hour at the issuer", "peak/s at the issuer when a key rotates"}, rows))
	p.say(`The replicas make more requests, because the age of a response counts towards its TTL, but they make them to the cache. A
refresh for an unknown key sends Cache-Control: no-cache. A cache that obeys this asks the issuer each time; one that does not
keeps serving the old set until its copy is too old.
`)
}

// shared shows what a store changes.
func (p *page) shared(f *figures) {
	p.say("## A store that the replicas share\n")
	p.say(`With WithStore and leases (the module contrib/redis), one replica refreshes for all. In the outage the issuer answers 503 for
an hour, and each replica is restarted once at a random time, as in a deployment. Without a store, a replica that starts then
has no keys, and answers every token with 503 until the issuer is back:
`)
	var rows [][]string
	for _, r := range f.stores {
		rows = append(rows, []string{markdown.Number(r.replicas),
			markdown.Number(r.hourly.out), markdown.Number(r.hourly.it), markdown.Number(r.start.out), markdown.Number(r.start.it),
			share(r.silent.out), share(r.silent.it)})
	}
	p.say("%s", markdown.Table(0, []string{"replicas", "requests an hour", "with a store", "peak/s at the start", "with a store", "valid tokens answered 503 in the outage", "with a store"}, rows))
	p.say(`Each replica draws the time of its next refresh at random, and the earliest refreshes for all: with many replicas that is at
72 %% of the TTL, about every eleven minutes, whatever the size of the fleet. If the replica that refreshes dies while doing
so, another one takes over when its lease ends, after 15 seconds.
The test of contrib/redis shows this with 50 processes on a real Redis, which it kills as well.
`)
}

// share writes a part of 1.
func share(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }

// closing says what to do.
func (p *page) closing(f *figures) {
	largest := f.steady[len(f.steady)-1]
	p.say("## Advice\n")
	p.say("%s", advice(f, largest))
}

// leftOut says what the model does not know.
func (p *page) leftOut() {
	p.say("## What the model leaves out\n")
	p.say(`- Slow issuers: every response takes %s, or is a 503. Issuers that hang get fewer requests: an attempt
  then takes 5 s, and a fetch 15 s.
- Connections: every refresh opens one, unless WithHTTPClient keeps them open.
- Bytes: with an ETag, nearly every response for a key set is an empty 304.
- Replicas that come and go (except for the restarts above), clocks that jump, and traffic so thin that a replica's first
  lookup after an idle time has to wait.
`, latency)
}

func outageTable(list []outageRow) string {
	var rows [][]string
	for _, r := range list {
		rows = append(rows, []string{r.name, rate(r.during), markdown.Number(r.duringPeak), markdown.Number(r.recoveryPeak), since(r.half), since(r.most), markdown.Number(r.wave), markdown.Number(r.out)})
	}
	return markdown.Table(1, []string{"", "mean/s while down", "peak/s while down", "peak/s in the 2 min after", "half are fresh after", "99 % after", "peak/s in the hour after", "replicas that ran out"}, rows)
}

func coldTable(list []outageRow) string {
	var rows [][]string
	for _, r := range list {
		rows = append(rows, []string{r.name, rate(r.during), markdown.Number(r.duringPeak), markdown.Number(r.recoveryPeak), since(r.half), since(r.most)})
	}
	return markdown.Table(1, []string{"", "mean/s while down", "peak/s while down", "peak/s in the 2 min after", "half are ready after", "99 % after"}, rows)
}

// rate writes requests per second.
func rate(v float64) string {
	switch {
	case v >= 10:
		return markdown.Number(v)
	case v >= 0.1:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.4f", v)
	}
}

// span writes a time in the unit that suits it.
func span(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Minutes()), ".0") + " min"
	default:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Hours()), ".0") + " h"
	}
}

func since(d time.Duration) string {
	if d == 0 || d > 2*time.Hour {
		return "> 2 h"
	}
	return span(d)
}
