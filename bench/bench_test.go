package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTheWholeRun measures everything with every library, briefly.
func TestTheWholeRun(t *testing.T) {
	dir := t.TempDir()
	out, chart := filepath.Join(dir, "RESULTS.md"), filepath.Join(dir, "results.svg")
	if err := run([]string{"-rounds", "1", "-span", "1ms", "-keys", "20", "-cores", "2", "-out", out, "-svg", chart}); err != nil {
		t.Fatal(err)
	}
	text := read(t, out)
	for _, lib := range libraries() {
		if n := strings.Count(text, "| "+lib.name+" |"); n < 7 { // versions, three algorithms, again, verifying, reading, unknown
			t.Errorf("%s is in %d tables only", lib.name, n)
		}
	}
	for _, want := range []string{"| RS256 |", "| ES256 |", "| EdDSA |",
		"/keyfunc/v3` | v3.9.1 |", "/jwkset` | v0.11.4 |", "/go-oidc/v3` | v3.21.0 |", "/jwx/v3` | v3.4.0 |", "/go-jwt-middleware/v3` | v3.3.0 |",
		"/contrib/accel` | this checkout |", "| " + hitOne + " |", "| " + hitMany + " |", "| time on 2 cores | × one core |", refreshed, same, confirmed, "## Not measured"} {
		if !strings.Contains(text, want) {
			t.Errorf("the results lack %q", want)
		}
	}
	for _, bad := range []string{"NaN", "+Inf", "-Inf", "%!", ours + " accepts"} {
		if strings.Contains(text, bad) {
			t.Errorf("the results have %q:\n%s", bad, text)
		}
	}
	drawn := read(t, chart)
	if err := wellFormed(drawn); err != nil {
		t.Errorf("the chart is not XML: %v", err)
	}
	if n := strings.Count(drawn, `<rect class="fill`); n != 3+3*len(libraries()) { // the legend and the bars
		t.Errorf("the chart has %d bars, want %d", n-3, 3*len(libraries()))
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func wellFormed(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestOddFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-keys", "1"}, {"-cores", "0"}, {"-span", "soon"}} {
		if run(args) == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

// credulous accepts every token.
type credulous struct{ subject string }

func (c credulous) verify(context.Context, string) (string, error) { return c.subject, nil }
func (credulous) close()                                           {}

// deaf accepts none.
type deaf struct{ credulous }

func (deaf) verify(context.Context, string) (string, error) { return "", errBare }

func TestAdmissionSeesWhoAcceptsBadTokens(t *testing.T) {
	s := signerFor(t, "ES256")
	good := s.token(claims("https://issuer.example"))
	faults, err := admit(credulous{subject}, "x", s, "https://issuer.example", good)
	if err != nil || len(faults) != 6 {
		t.Errorf("six bad tokens accepted, reported: %q, %v", faults, err)
	}
	if _, err := admit(deaf{}, "x", s, "https://issuer.example", good); err == nil {
		t.Error("a verifier that refuses the good token is admitted")
	}
	if _, err := admit(credulous{"somebody else"}, "x", s, "https://issuer.example", good); err == nil {
		t.Error("a verifier that reads another subject is admitted")
	}
}

func TestTheBareCheckChecks(t *testing.T) {
	for _, alg := range algs {
		s := signerFor(t, alg)
		good := s.token(claims("https://issuer.example"))
		for token, want := range map[string]bool{good: true, flipped(good): false} {
			check, err := bareCheck(s, token)
			if err != nil {
				t.Fatal(err)
			}
			if got := check() == nil; got != want {
				t.Errorf("%s: verifies = %v, want %v", alg, got, want)
			}
		}
	}
}

func signerFor(t *testing.T, alg string) *signer {
	t.Helper()
	s, err := newSigner(alg, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryRoundRunsEverybodyAndBeginsWithAnother(t *testing.T) {
	var order []string
	note := func(name string) contestant {
		return alike(name, func() error {
			if len(order) == 0 || order[len(order)-1] != name {
				order = append(order, name)
			}
			for start := time.Now(); time.Since(start) < time.Millisecond; { // so that one operation fills the span
			}
			return nil
		})
	}
	c := contest{rounds: 3, span: time.Millisecond}
	samples, _, err := c.run(1, []contestant{note("a"), note("b"), note("c")})
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(order[3:], "") // after calibrating
	if want := "abcbcacab"; got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	for i, s := range samples {
		if len(s) != 3 || slices.ContainsFunc(s, func(s sample) bool { return s.ns <= 0 }) {
			t.Errorf("contestant %d: %v, want 3 rounds", i, s)
		}
	}
}

func TestAContestantThatFailsEndsTheContest(t *testing.T) {
	n := 0
	late := alike("late", func() error {
		if n++; n > 3 {
			return errBare
		}
		return nil
	})
	for _, workers := range []int{1, 2} {
		if _, _, err := (contest{rounds: 2, span: time.Millisecond}).run(workers, []contestant{late}); !errors.Is(err, errBare) {
			t.Errorf("%d workers: %v, want %v", workers, err, errBare)
		}
	}
}

// TestAColdStartIsNotTimed: with a first operation that takes long the others
// are still repeated until they fill the span.
func TestAColdStartIsNotTimed(t *testing.T) {
	n := 0
	cold := alike("cold", func() error {
		for start := time.Now(); n == 0 && time.Since(start) < 5*time.Millisecond; {
		}
		n++
		return nil
	})
	if _, _, err := (contest{rounds: 1, span: time.Millisecond}).run(1, []contestant{cold}); err != nil {
		t.Fatal(err)
	}
	if n < 1000 {
		t.Errorf("%d operations of some nanoseconds each in a millisecond", n)
	}
}

func TestFiguresAreComparedWithinARound(t *testing.T) {
	// The machine slowed down tenfold in the second round.
	a := []sample{{ns: 20}, {ns: 200}, {ns: 22}}
	b := []sample{{ns: 10}, {ns: 100}, {ns: 10}}
	if got := median(paired(a, b, ratio)); got != 2 {
		t.Errorf("ratio %v, want 2", got)
	}
	if got := quantile([]float64{4, 1, 3, 2}, 0.5); got != 2.5 {
		t.Errorf("median of 1 to 4 is %v", got)
	}
	if got := quantile([]float64{1, 2, 3, 4, 5}, 0.25); got != 2 {
		t.Errorf("lower quartile of 1 to 5 is %v", got)
	}
}

func TestDefeatsAreListed(t *testing.T) {
	rows := func(theirs, mine float64) []row {
		r := row{serial: []sample{{ns: theirs, allocs: 1}, {ns: theirs * 1.01, allocs: 1}, {ns: theirs, allocs: 1}}}
		o := row{serial: []sample{{ns: mine, allocs: 3}, {ns: mine, allocs: 3}, {ns: mine, allocs: 3}}}
		r.name, o.name = "peer", ours
		return []row{o, r}
	}
	lost := defeats(&results{verify: []board{{title: "RS256", rows: rows(90, 100)}}})
	if !strings.Contains(lost, "Warm verify RS256: peer takes 0.90 times") || !strings.Contains(lost, "allocations: peer has 1, ours 3") {
		t.Errorf("a defeat is not listed: %s", lost)
	}
	if won := defeats(&results{parse: board{title: "20 keys", rows: rows(110, 100)}}); strings.Contains(won, "takes") {
		t.Errorf("a victory is listed: %s", won)
	}
}

func TestDefeatsAreOfOthersOnly(t *testing.T) {
	samples := func(ns float64) []sample { return []sample{{ns: ns}, {ns: ns}, {ns: ns}} }
	b := board{title: "RS256", rows: []row{{name: ours, serial: samples(100)}, {name: accelerated, serial: samples(60)}, {name: hitOne, serial: samples(1)}}}
	r := &results{verify: []board{b}, unknown: b, unknowns: map[string]float64{ours: 5, accelerated: 4}}
	if got := defeats(r); got != "In none of the figures above.\n" {
		t.Errorf("our own rows are listed as defeats: %s", got)
	}
}

// taking counts the tokens that it is given.
type taking struct {
	credulous
	took map[string]int
}

func (v *taking) verify(_ context.Context, token string) (string, error) {
	v.took[token]++
	return "", nil
}

func TestInTurn_WorkersGoTheirOwnWay(t *testing.T) {
	tokens := make([]string, 1000)
	for i := range tokens {
		tokens[i] = fmt.Sprint(i)
	}
	v := &taking{took: map[string]int{}}
	start := inTurn(v, tokens)
	one, other := start(), start()
	for range 300 { // less than what lies between the two
		for _, again := range []func() error{one, other} {
			if err := again(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(v.took) != 600 {
		t.Errorf("two workers took %d tokens in 300 steps each, want 600", len(v.took))
	}
	for range len(tokens) - 300 {
		if err := one(); err != nil {
			t.Fatal(err)
		}
	}
	if len(v.took) != len(tokens) {
		t.Errorf("one worker took %d tokens, want all %d", len(v.took), len(tokens))
	}
}

func TestChart_LessThanTheCheck(t *testing.T) {
	rows := []row{{name: bare, serial: []sample{{ns: 40e3}}}}
	libs := []library{{name: ours}, {name: accelerated}}
	for i, ns := range []float64{43e3, 30e3} {
		rows = append(rows, row{name: libs[i].name, serial: []sample{{ns: ns}}})
	}
	drawn := verifyChart(&results{verify: []board{{title: "RS256", rows: rows}}}, libs)
	if err := wellFormed(drawn); err != nil {
		t.Errorf("the chart is not XML: %v", err)
	}
	bars := regexp.MustCompile(`class="fill first" x="([0-9.]+)" y="[0-9.]+" width="([0-9.]+)" height="13"`).FindAllStringSubmatch(drawn, -1)
	if len(bars) != 2 {
		t.Fatalf("%d bars with a width, want 2: %s", len(bars), drawn)
	}
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	zero, end := number(bars[0][1]), number(bars[1][1])+number(bars[1][2])
	if end < zero-1 || end > zero+1 {
		t.Errorf("a bar of less than the check ends at %v, want at the check's %v", end, zero)
	}
	for _, want := range []string{"+3.00 µs, 1.07×", "-10.0 µs, 0.75×", ">0 µs<"} {
		if !strings.Contains(drawn, want) {
			t.Errorf("the chart lacks %q", want)
		}
	}
}

func TestFiguresAreWrittenShort(t *testing.T) {
	for ns, want := range map[float64]string{0.5: "0.50 ns", 41.23: "41.2 ns", 999.6: "1000 ns", 1234: "1.23 µs", 33_456: "33.5 µs", 4.56e6: "4.56 ms", -2500: "-2.50 µs"} {
		if got := duration(ns); got != want {
			t.Errorf("duration(%v) = %s, want %s", ns, got, want)
		}
	}
}
