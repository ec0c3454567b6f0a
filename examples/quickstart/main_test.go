package main

import (
	"context"
	"strings"
	"testing"
)

func TestQuickstartShowsEveryOutcome(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`good token           200  subject "alice" under key "k1"`,
		`expired              401  expired`,
		`foreign audience     401  meant for another service`,
		`rotated key          200  subject "alice" under key "k2"`,
		`issuer unreachable   503  the keys are unavailable`,
	}
	if got := strings.TrimSpace(out.String()); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
