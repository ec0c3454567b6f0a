package model

import (
	"slices"
	"testing"
	"time"
)

// shrinkTries is how often a scenario is run before it counts as one that does
// not break the rule: the clients draw jitter of their own.
const shrinkTries = 3

// shrink finds the shortest scenario near sc that still breaks the rule: with
// fewer steps, fewer options, fewer repetitions and shorter waits.
func shrink(t *testing.T, sc scenario, rule string) scenario {
	breaks := func(sc scenario) bool {
		for range shrinkTries {
			if brokenBy(t, sc, rule) != "" {
				return true
			}
		}
		return false
	}
	for budget := 400; budget > 0; {
		smaller, tries := shrinkOnce(sc, breaks)
		budget -= tries
		if smaller == nil {
			break
		}
		sc = *smaller
	}
	return sc
}

// brokenBy says how a scenario breaks a rule, "" if it does not.
func brokenBy(t *testing.T, sc scenario, rule string) string {
	for _, v := range check(simulate(t, sc)) {
		if v.rule == rule {
			return v.text
		}
	}
	return ""
}

// shrinkOnce tries smaller scenarios until one breaks the rule.
func shrinkOnce(sc scenario, breaks func(scenario) bool) (smaller *scenario, tries int) {
	try := func(candidate scenario) bool {
		tries++
		if breaks(candidate) {
			smaller = &candidate
		}
		return smaller != nil
	}
	for size := len(sc.steps); size > 0; size /= 2 {
		for from := 0; from+size <= len(sc.steps); from += size {
			if try(scenario{sc.config, slices.Delete(slices.Clone(sc.steps), from, from+size)}) {
				return smaller, tries
			}
		}
	}
	for _, c := range simpler(sc.config) {
		if try(scenario{c, sc.steps}) {
			return smaller, tries
		}
	}
	for i := range sc.steps {
		for _, s := range simplerStep(sc.steps[i]) {
			steps := slices.Clone(sc.steps)
			steps[i] = s
			if try(scenario{sc.config, steps}) {
				return smaller, tries
			}
		}
	}
	return nil, tries
}

// simpler lists configurations with one thing less.
func simpler(c config) []config {
	var all []config
	for _, change := range []func(*config){
		func(c *config) { c.source = byURL },
		func(c *config) { c.otherHost = false },
		func(c *config) { c.initial = c.initial[:min(len(c.initial), 1)] },
		func(c *config) { c.seed = nil },
		func(c *config) { c.ttl = 0 },
		func(c *config) { c.maxStale = 0 },
		func(c *config) { c.retention = 0 },
		func(c *config) { c.timeout = 0 },
		func(c *config) { c.minTTL = 0 },
		func(c *config) { c.noCache = false },
		func(c *config) { c.ahead = 0 },
		func(c *config) { c.every, c.burst = 0, 0 },
		func(c *config) { c.keyCache = 0 },
		func(c *config) { c.retries = 0 },
		func(c *config) { c.tokenCache = 0 },
		func(c *config) { c.validator = noValidator },
		func(c *config) { c.header, c.headerAge = noHeader, 0 },
		func(c *config) { c.path = direct },
		func(c *config) { c.tenants.listed = 0 },
		func(c *config) { c.tenants.decided /= 2 },
		func(c *config) { c.tenants.ttl = 0 },
	} {
		other := c
		change(&other)
		if (scenario{config: other}).literal() != (scenario{config: c}).literal() {
			all = append(all, other)
		}
	}
	return all
}

// simplerStep lists steps with less in them.
func simplerStep(s step) []step {
	var all []step
	add := func(change func(*step)) {
		other := s
		change(&other)
		if other != s {
			all = append(all, other)
		}
	}
	switch {
	case s.op.isLookup():
		add(func(s *step) { s.n, s.every = 0, 0 })
		add(func(s *step) { s.n /= 2 })
		add(func(s *step) { s.d = 0 })
		add(func(s *step) { s.exp = 0 })
	case s.op == wait || s.op == freeze:
		for _, d := range []time.Duration{time.Second, time.Minute, 15 * time.Minute} {
			if d < s.d {
				add(func(s *step) { s.d = d })
			}
		}
	case s.op == setFault:
		add(func(s *step) { s.fault, s.d = refused, 0 })
	}
	return all
}
