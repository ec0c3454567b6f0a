package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/bench/internal/markdown"
)

// report writes RESULTS.md.
func report(r *results, libs []library, m machine, when time.Time, took time.Duration) string {
	var p page
	p.method(r, libs, m, when, took)
	p.speed(r)
	p.limits(r)
	return strings.TrimRight(p.String(), "\n") + "\n"
}

// page is a text that grows line by line.
type page struct{ strings.Builder }

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// method says how and with what was measured.
func (p *page) method(r *results, libs []library, m machine, when time.Time, took time.Duration) {
	p.say("# Results\n")
	p.say("Measured on %s in %s on %s.", when.Format("2006-01-02"), took.Round(time.Second), m)
	if m.load != "" {
		p.say("Load average of the machine before: %s. Above about 0.5 others computed too, and the spread of the ratios shows it.", m.load)
	}
	p.say("This file is written by the program that measures; again, from the root of the repository:\n")
	p.say("    make bench-peers\n")
	p.say("![Time over the bare signature check](results.svg)\n")
	p.say("%s", versionTable(libs))
	p.say("## Method\n")
	p.say(`- One process. The issuer is an HTTP server on 127.0.0.1; each library has its own client and is set up as its
  documentation says: signature, algorithm, issuer, audience, exp and nbf are checked. Nothing is fetched while
  verifying is timed.
- %d rounds. In each, every library runs once, in turn, for about %s; each round begins with another one. Figures are
  medians over the rounds. Ratios and differences are taken within a round and the median of those is shown, with the
  middle half of the rounds where that helps, because a machine's speed drifts by more than libraries differ.
- "%s" is the call into crypto/rsa, crypto/ecdsa or crypto/ed25519 on a digest made beforehand.
- "%s" is this library with WithAccelerator and contrib/accel, which computes signatures itself from keys that it
  prepares once, and so can take less than that call. It is off by default.
- Times are CPU time on one core with GOMAXPROCS=1, so that collecting the garbage counts, and what else the machine
  does counts little. %d cores means as many goroutines on as many cores, and there the time is that on the wall over
  the number of operations of all.
- The token has 15 claims and %s bytes as RS256.
- Before anything is timed every verifier must accept a good token and is offered six bad ones: expired, wrong issuer,
  wrong audience, not valid yet, no exp, flipped signature.
`, r.contest.rounds, r.contest.span, bare, accelerated, r.workers, markdown.Number(r.tokenSize))
	if len(r.faults) == 0 {
		p.say("Every verifier refused every bad token.\n")
	} else {
		p.say("**Bad tokens accepted:**\n")
		slices.Sort(r.faults)
		for _, fault := range r.faults {
			p.say("- %s", fault)
		}
		p.say("")
	}
}

// speed has the tables of times.
func (p *page) speed(r *results) {
	p.say("## Warm verify\n")
	for i := range r.verify {
		p.say("%s", verifyTable(&r.verify[i], r.workers))
	}
	p.say("## The same token again\n")
	p.say(`No peer remembers tokens; ours does with WithTokenCache, off by default. A remembered token is still judged by the
clock and by the key set at hand. A token has its place in one of many small sets, so that hits on several cores do not
meet; a cache that is as small as the tokens are many therefore displaces some of them. On several cores every worker
goes through the tokens on its own.
`)
	p.say("%s", plainTable(&r.again, r.workers))
	p.say("## One key of many\n")
	p.say("Finding a key by its kid, in sets of RSA keys. go-oidc has no such call. Ours hands out a copy of the key.\n")
	p.say("%s", sizeTable(r.lookup))
	p.say("Verifying a token, the same sets.\n")
	p.say("%s", sizeTable(r.atSize))
	p.say("## Reading a key set\n")
	p.say("%s RSA keys of 2048 bits, all different. go-oidc's reader is not exported: its steps are repeated here.\n", markdown.Number(r.setSize))
	p.say("%s", plainTable(&r.parse, 1))
	p.say("Refreshing our client with such a set, over HTTP on loopback. A refresh reuses keys whose entries did not change.\n")
	p.say("%s", rereadTable(&r.reread))
}

// limits says what junk costs, where others are better, and what is not known.
func (p *page) limits(r *results) {
	p.say("## A kid that nobody knows\n")
	p.say(`Refusing forged tokens, 1,000 different kids in turn, after 1,000 others. Requests are those to the issuer during
the first 1,000. Ours has asked as often as its budget allows (5, then one in 30 s); keyfunc once, then once in 5
minutes; go-jwt-middleware and jwx never ask, so that they learn of a new key only when their copy is old; go-oidc asks nearly
each time.
`)
	p.say("%s", unknownTable(r))
	p.say("## Where a peer is better\n")
	p.say("%s", defeats(r))
	p.say(`Beyond speed: jwx also decrypts (JWE), signs, and speaks every JOSE serialisation; go-oidc also does the login flow
(UserInfo, at_hash, nonce); keyfunc also takes symmetric keys and other stores. This library only verifies.
`)
	p.say("## Not measured\n")
	p.say(`- Other algorithms (PS*, ES384, ES512, RSA above 2048 bits), other token sizes, other CPUs, 32-bit machines.
- Memory held, start-up, and behaviour under outages, rotations and floods; FLEET.md has what refreshing costs an issuer.
- Real networks: all HTTP is loopback.
- Tokens that differ in every header: one issuer writes one header for each of its keys, and that is what was measured.
- What neighbours on the same host do: absolute times move by 10 %% and more between runs; ratios much less.
`)
}

func versionTable(libs []library) string {
	v := versions()
	var rows [][]string
	for _, lib := range libs {
		rows = append(rows, []string{lib.name, "`" + lib.module + "`", v[lib.module]})
	}
	for _, module := range []string{"github.com/MicahParks/jwkset", "github.com/golang-jwt/jwt/v5", "github.com/go-jose/go-jose/v4",
		"filippo.io/bigmod", "filippo.io/nistec", "filippo.io/edwards25519"} {
		rows = append(rows, []string{"below them", "`" + module + "`", v[module]})
	}
	return markdown.Table(3, []string{"library", "module", "version"}, rows)
}

// middle is the median with the middle half of the rounds.
func middle(values []float64) string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(values), quantile(values, 0.25), quantile(values, 0.75))
}

func verifyTable(b *board, workers int) string {
	alone := b.row(bare)
	head := []string{b.title, "time", "× the check alone", "over it", "allocs over it", "bytes over it",
		fmt.Sprintf("time on %d cores", workers), fmt.Sprintf("tokens/s on %d cores", workers), "× one core"}
	if alone == nil {
		return ""
	}
	var rows [][]string
	for _, one := range b.rows {
		cells := []string{one.name, duration(median(each(one.serial, nanoseconds)))}
		if one.name == bare {
			cells = append(cells, "1", "", "", "")
		} else {
			cells = append(cells,
				middle(paired(one.serial, alone.serial, ratio)),
				duration(b.against(one.name, bare, difference)),
				markdown.Number(median(each(one.serial, allocations))-median(each(alone.serial, allocations))),
				markdown.Number(median(each(one.serial, allocated))-median(each(alone.serial, allocated))))
		}
		if one.parallel == nil {
			cells = append(cells, "", "", "")
		} else {
			ns := median(each(one.parallel, nanoseconds))
			cells = append(cells, duration(ns), markdown.Number(1e9/ns), gain(&one))
		}
		rows = append(rows, cells)
	}
	return markdown.Table(1, head, rows)
}

// gain is how many times as much several cores do.
func gain(one *row) string {
	return fmt.Sprintf("%.2f", median(paired(one.serial, one.parallel, ratio)))
}

func plainTable(b *board, workers int) string {
	head := []string{b.title, "time", "bytes", "allocs"}
	if workers > 1 {
		head = append(head, fmt.Sprintf("time on %d cores", workers), "× one core")
	}
	var rows [][]string
	for _, one := range b.rows {
		cells := []string{one.name, duration(median(each(one.serial, nanoseconds))),
			markdown.Number(median(each(one.serial, allocated))), markdown.Number(median(each(one.serial, allocations)))}
		if workers > 1 {
			cells = append(cells, duration(median(each(one.parallel, nanoseconds))), gain(&one))
		}
		rows = append(rows, cells)
	}
	return markdown.Table(1, head, rows)
}

// sizeTable puts boards of the same contestants side by side.
func sizeTable(boards []board) string {
	head := []string{""}
	for _, b := range boards {
		head = append(head, b.title, "allocs")
	}
	var rows [][]string
	for _, one := range boards[0].rows {
		cells := []string{one.name}
		for i := range boards {
			samples := boards[i].row(one.name).serial
			cells = append(cells, duration(median(each(samples, nanoseconds))), markdown.Number(median(each(samples, allocations))))
		}
		rows = append(rows, cells)
	}
	return markdown.Table(1, head, rows)
}

func rereadTable(b *board) string {
	var rows [][]string
	for _, one := range b.rows {
		over := ""
		if one.name == refreshed || one.name == same { // the others do not transfer the set, or nothing else
			over = duration(b.against(one.name, plainGET, difference))
		}
		rows = append(rows, []string{one.name, duration(median(each(one.serial, nanoseconds))), over,
			markdown.Number(median(each(one.serial, allocations)))})
	}
	return markdown.Table(1, []string{b.title, "time", "over the request", "allocs"}, rows)
}

func unknownTable(r *results) string {
	var rows [][]string
	for _, one := range r.unknown.rows {
		rows = append(rows, []string{one.name, duration(median(each(one.serial, nanoseconds))),
			markdown.Number(median(each(one.serial, allocations))), markdown.Number(r.unknowns[one.name])})
	}
	return markdown.Table(1, []string{r.unknown.title, "time", "allocs", "requests for 1,000 tokens"}, rows)
}
