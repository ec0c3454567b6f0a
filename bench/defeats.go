package main

import (
	"fmt"
	"strings"

	"github.com/seed-22400188/jwks/bench/internal/markdown"
)

// defeats lists every figure of the tables in which another library beats
// ours as it comes, by any margin that the rounds can tell from none.
func defeats(r *results) string {
	var lines []string
	compare := func(what string, b *board) {
		us := b.row(ours)
		if us == nil {
			return
		}
		for _, one := range b.rows {
			if one.name == bare || isOurs(one.name) {
				continue
			}
			faster := func(how string, theirs, mine []sample) {
				times := paired(theirs, mine, ratio)
				if len(times) > 0 && median(times) < 1 && quantile(times, 0.75) < 1 {
					lines = append(lines, fmt.Sprintf("- %s%s: %s takes %.2f times what ours takes.", what, how, one.name, median(times)))
				}
			}
			faster("", one.serial, us.serial)
			faster(fmt.Sprintf(" on %d cores", r.workers), one.parallel, us.parallel)
			for unit, figure := range map[string]func(sample) float64{"allocations": allocations, "bytes allocated": allocated} {
				theirs, mine := median(each(one.serial, figure)), median(each(us.serial, figure))
				if theirs < 0.99*mine-0.5 {
					lines = append(lines, fmt.Sprintf("- %s, %s: %s has %s, ours %s.", what, unit, one.name, markdown.Number(theirs), markdown.Number(mine)))
				}
			}
		}
	}
	for i := range r.verify {
		compare("Warm verify "+r.verify[i].title, &r.verify[i])
	}
	for i := range r.lookup {
		compare("Finding one of "+r.lookup[i].title, &r.lookup[i])
	}
	for i := range r.atSize {
		compare("Verifying with "+r.atSize[i].title, &r.atSize[i])
	}
	compare("Reading "+r.parse.title, &r.parse)
	compare("Refusing an unknown kid", &r.unknown)
	for _, one := range r.unknown.rows {
		if theirs, mine := r.unknowns[one.name], r.unknowns[ours]; theirs < mine && !isOurs(one.name) {
			lines = append(lines, fmt.Sprintf("- Forged kids, requests to the issuer: %s makes %s, ours %s; but it is as late to see a new key.", one.name, markdown.Number(theirs), markdown.Number(mine)))
		}
	}
	if len(lines) == 0 {
		return "In none of the figures above.\n"
	}
	return strings.Join(lines, "\n") + "\n"
}

// isOurs tells whether a row is our library's, whatever its options.
func isOurs(name string) bool {
	return name == ours || name == accelerated || strings.HasPrefix(name, ours+",")
}
