package main

import (
	"context"
	"strings"
	"testing"
)

func TestMultitenantShowsEveryOutcome(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`token of acme      200  key "k1" of https://acme.example`,
		`token of globex    200  key "k1" of https://globex.example`,
		`forged by globex   401  not signed by the issuer that it names`,
		`token of stranger  401  issuer not trusted; it got 0 requests`,
	}
	if got := strings.TrimSpace(out.String()); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
