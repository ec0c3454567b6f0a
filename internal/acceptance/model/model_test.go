package model

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/testkit"
)

var (
	scenarios = flag.Int("scenarios", fromEnvironment("MODEL_SCENARIOS", usual()), "how many scenarios to run; MODEL_SCENARIOS in the environment is the default")
	seed      = flag.Uint64("seed", 1, "what they are drawn from")
	only      = flag.Int("only", -1, "the number of the one scenario to run")
	pending   = flag.Bool("pending", false, "shrink and print what breaks a pending rule, too")
	first     = flag.Bool("first", fromEnvironment("MODEL_FIRST", 0) > 0, "end at the first scenario that breaks a rule that is not pending, without shrinking it")
	toShrink  = flag.Int("shrink", 3, "how many broken rules to shrink a scenario of")
)

// usual is how many scenarios every run of the tests explores. The race detector
// makes them ten times slower.
func usual() int {
	if testkit.RaceEnabled {
		return 200
	}
	return 1000
}

// fromEnvironment is a number in the environment: for commands that run the
// tests of many packages, which do not all know these flags.
func fromEnvironment(name string, byDefault int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return byDefault
}

// broken is the first scenario that broke a rule, and how many did.
type broken struct {
	rule   string
	number int
	text   string
	times  int
}

// TestModel_Explore runs random scenarios and checks the rules on each.
func TestModel_Explore(t *testing.T) {
	if *scenarios == 0 && *only < 0 {
		t.Skip("MODEL_SCENARIOS says 0")
	}
	from, to := 0, *scenarios
	if *only >= 0 {
		from, to = *only, *only+1
		sc := generate(*seed, uint64(*only))
		t.Logf("%s\n%s", sc.literal(), simulate(t, sc).timeline())
	}
	began := time.Now()
	found, ran := explore(t, from, to)
	t.Logf("%d scenarios of seed %d in %v", ran, *seed, time.Since(began).Round(time.Second/10))
	if *only < 0 {
		t.Logf("pending rules that nothing broke: %q", unbroken(found))
	}
	shrunk := 0
	for _, b := range found {
		reason, isPending := pendingRules[b.rule]
		line := fmt.Sprintf("rule %s: first broken by scenario %d of seed %d, %d times in all: %s", b.rule, b.number, *seed, b.times, b.text)
		if isPending {
			t.Logf("pending (%s): %s", reason, line)
		} else {
			t.Errorf("%s\nagain: go test ./internal/acceptance/model -args -seed %d -only %d", line, *seed, b.number)
		}
		if isPending && !*pending || *first || shrunk == *toShrink {
			continue
		}
		shrunk++
		small := shrink(t, generate(*seed, uint64(b.number)), b.rule)
		t.Logf("shrunk to %d steps, which break it with: %s\n%s", len(small.steps), brokenBy(t, small, b.rule), small.literal())
	}
}

// unbroken lists the pending rules that no scenario broke: perhaps the library
// follows them by now.
func unbroken(found []*broken) []string {
	var rules []string
	for rule := range pendingRules {
		if !slices.ContainsFunc(found, func(b *broken) bool { return b.rule == rule }) {
			rules = append(rules, rule)
		}
	}
	slices.Sort(rules)
	return rules
}

// explore runs scenarios on all cores.
func explore(t *testing.T, from, to int) (found []*broken, ran int) {
	var mu sync.Mutex
	all := map[string]*broken{}
	var next, count atomic.Int64
	next.Store(int64(from))
	var stop atomic.Bool
	work := func(t *testing.T) {
		for {
			number := int(next.Add(1)) - 1
			if number >= to || stop.Load() {
				return
			}
			violations := check(simulate(t, generate(*seed, uint64(number))))
			count.Add(1)
			mu.Lock()
			for _, v := range distinct(violations) {
				b := all[v.rule]
				if b == nil {
					b = &broken{rule: v.rule, number: number, text: v.text}
					all[v.rule] = b
				}
				if b.times++; number < b.number {
					b.number, b.text = number, v.text
				}
				if _, isPending := pendingRules[v.rule]; *first && !isPending {
					stop.Store(true)
				}
			}
			mu.Unlock()
		}
	}
	t.Run("explore", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				work(t)
			})
		}
	})
	for _, b := range all {
		found = append(found, b)
	}
	sort.Slice(found, func(i, j int) bool { return found[i].number < found[j].number })
	return found, int(count.Load())
}

// distinct keeps the first violation of each rule.
func distinct(all []violation) []violation {
	var kept []violation
	for _, v := range all {
		if !slices.ContainsFunc(kept, func(k violation) bool { return k.rule == v.rule }) {
			kept = append(kept, v)
		}
	}
	return kept
}

// TestScenario_Literal: a scenario is printed as Go source that names
// everything by its name.
func TestScenario_Literal(t *testing.T) {
	sc := scenario{
		config: config{source: byURL, initial: []key{{1, 1}}, ttl: 90 * time.Second, maxStale: off, validator: lyingETag},
		steps:  []step{{op: verify, kid: 1, mat: 2, d: 1500 * time.Millisecond}, {op: setFault, fault: retryAfter, d: time.Hour, doc: keysDoc}},
	}
	want := `scenario{
	config: config{source: byURL, initial: []key{{kid: 1, mat: 1}}, ttl: 90 * time.Second, maxStale: -1, validator: lyingETag},
	steps: []step{
		{op: verify, kid: 1, mat: 2, d: 1500 * time.Millisecond},
		{op: setFault, d: 1 * time.Hour, fault: retryAfter, doc: keysDoc},
	},
}`
	if got := sc.literal(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for typ, all := range names {
		if slices.Contains(all, "") {
			t.Errorf("%v has a value without a name: %q", typ, strings.Join(all, ", "))
		}
	}
	if len(names[opType]) != int(forget)+1 || len(names[faultType]) != int(faultsCount) {
		t.Error("an op or a fault has no name")
	}
}

// TestGenerate_Repeats: a number always gives the same scenario.
func TestGenerate_Repeats(t *testing.T) {
	for number := range uint64(200) {
		if a, b := generate(7, number).literal(), generate(7, number).literal(); a != b {
			t.Fatalf("%s\n%s", a, b)
		}
	}
}
