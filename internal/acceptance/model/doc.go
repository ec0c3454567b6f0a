// Package model holds a random test of the whole: issuers, the network, caches
// on the way, callers and the clock are simulated in testing/synctest bubbles,
// and the rules that the documentation states are checked on what happened. It
// knows the public API alone and was written from the rules, not from the code.
//
// A scenario is plain data: a configuration and a list of steps, drawn from a
// seed. Running one gives a trace (what was published when, every request,
// every call, every event), and a rule is a function of a trace. What breaks a
// rule is shrunk to the shortest list of steps that still breaks it and printed
// as a Go literal, ready to become a named test in scenarios_test.go.
//
//	make model                      a few thousand scenarios
//	make model SCENARIOS=100000     more of them
//	go test ./internal/acceptance/model -args -only 1234    one of them again
//	make model-faults               known faults, put into the code one at a time
//
// The clients draw jitter of their own, so a scenario that breaks a rule once
// need not break it each time; rules hold for every draw.
package model
