package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheSameProgramWritesTheSameFigures(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) (text, chart string) {
		out, svg := filepath.Join(dir, name+".md"), filepath.Join(dir, name+".svg")
		if err := command([]string{"-replicas", "100", "-out", out, "-svg", svg}); err != nil {
			t.Fatal(err)
		}
		return read(t, out), read(t, svg)
	}
	text, chart := write("once")
	again, chartAgain := write("twice")
	if text != again || chart != chartAgain {
		t.Error("two runs differ")
	}
	for _, want := range []string{"| 100 |", "| 3600 |", defaults, "neither has jitter", "max-age 15 min", "## A store that the replicas share", "## Advice", "1. **"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	for _, bad := range []string{"NaN", "Inf", "%!"} {
		if strings.Contains(text, bad) {
			t.Errorf("the report has %q:\n%s", bad, text)
		}
	}
	if err := wellFormed(chart); err != nil {
		t.Errorf("the chart is not XML: %v", err)
	}
	if n := strings.Count(chart, `<polyline class="line first"`); n != 4 {
		t.Errorf("%d panels show the library, want 4", n)
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
	for _, args := range [][]string{{"-replicas", "0"}, {"-replicas", "many"}} {
		if command(args) == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

// TestTheAdviceHolds checks what the text says in words, on a fleet of 1,000.
func TestTheAdviceHolds(t *testing.T) {
	const n = 1000
	stride := steady(n)
	if stride.mean >= 3 || stride.startMinute*10 > stride.start || stride.peak*10 > stride.inStep {
		t.Errorf("start and stride: %+v", stride)
	}
	if before := rotation(n, 15*time.Minute); before.asked != 0 {
		t.Errorf("published one TTL before it signs, a key causes %d requests", before.asked)
	}
	if now := rotation(n, 0); now.late != 0 || now.asked > n {
		t.Errorf("a key that signs at once: %+v, want no token refused and one request a replica at most", now)
	}
	ages := lifetimes(n)
	if ages[0] != (lifetimeRow{0, ages[1].discovery, ages[1].plain}) {
		t.Errorf("a max-age of an hour changes something: %+v", ages)
	}
	rows := outages(n)
	find := func(rows []outageRow, name string) outageRow {
		return rows[slices.IndexFunc(rows, func(r outageRow) bool { return r.name == name })]
	}
	normal := find(rows, defaults)
	if plain := find(rows, "WithRetries(0)"); plain.during*2.5 > normal.during {
		t.Errorf("without retries %v requests/s, with them %v: not about a third", plain.during, normal.during)
	}
	if fixed := find(rows, "backoff without jitter"); normal.during < 1.7*fixed.during {
		t.Errorf("jitter makes %v requests/s of %v: not about twice", normal.during, fixed.during)
	}
	for _, r := range limitedOutages(n, capacityFor(n)) {
		if ran := r.out > 0; r.name == defaults && ran || r.name == "neither has jitter" && !ran {
			t.Errorf("%s: %d replicas ran out", r.name, r.out)
		}
	}
	if shared := store(n); shared.hourly.it > 15 || shared.hourly.it < 8 || shared.start.it > 2 || shared.silent.it > 0.001 || shared.silent.out < 0.4 || shared.hourly.out < 500*shared.hourly.it {
		t.Errorf("a store: %+v", shared)
	}
	front := cache("", n, 15*time.Minute, true)
	if front.origin > 20 || front.originRotation < 2 { // a rotation goes past it
		t.Errorf("a cache in front: %+v", front)
	}
}

func TestTimesAreWrittenShort(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0", 20 * time.Second: "20 s", 90 * time.Second: "1.5 min", 15 * time.Minute: "15 min", 150 * time.Minute: "2.5 h"} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %s, want %s", d, got, want)
		}
	}
	if got := since(0); got != "> 2 h" {
		t.Errorf("never is written %s", got)
	}
}

func TestTheCapacityIsThatOfASecond(t *testing.T) {
	i := &issuer{conduct: conduct{capacity: 50}}
	served := 0
	for at := time.Duration(0); at < 2*time.Second; at += time.Millisecond {
		if i.ask(at, keySet, false).ok {
			served++
		}
	}
	if served != 100 {
		t.Errorf("%d of 2,000 requests in 2 s were served, want 100", served)
	}
}

func TestACacheAnswersUntilItsCopyIsTooOld(t *testing.T) {
	i := &issuer{conduct: conduct{cached: true, maxAge: time.Minute, publishes: 30 * time.Second}}
	for _, step := range []struct {
		at      time.Duration
		noCache bool
		age     time.Duration
		version int
		origin  int
	}{
		{0, false, 0, 0, 1},
		{40 * time.Second, false, 40 * time.Second, 0, 1}, // the old set
		{41 * time.Second, true, 0, 1, 2},
		{100 * time.Second, false, 59 * time.Second, 1, 2},
		{102 * time.Second, false, 0, 1, 3},
	} {
		a := i.ask(step.at, keySet, step.noCache)
		if origin := i.origin.total(0, time.Hour); !a.ok || a.age != step.age || a.version != step.version || origin != step.origin {
			t.Errorf("at %v: %+v, %d requests at the origin; want %+v", step.at, a, origin, step)
		}
	}
}
