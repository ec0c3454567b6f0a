package main

import (
	"strings"
	"testing"
)

func TestGatewayKeepsIssuersApart(t *testing.T) {
	var out strings.Builder
	if err := run(&out); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`signed by, like one of saas entra shop`,
		`saas 200 served 401 algorithm 401 algorithm`,
		`entra 401 algorithm 200 served 401 algorithm`,
		`shop 401 algorithm 401 algorithm 200 served`,
	}
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if i >= len(want) || strings.Join(strings.Fields(line), " ") != want[i] {
			t.Errorf("line %d is %q, want %q", i, line, want)
		}
	}
}
