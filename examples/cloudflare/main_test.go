package main

import (
	"context"
	"strings"
	"testing"
)

func TestServiceAnswers(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`nobody          /healthz  200  ok`,
		`nobody          /         401  Unauthorized`,
		`alice           /         200  hello, alice@example.com`,
		`alice           /groups   200  Alice is in admins, everyone`,
		`a service       /         200  hello, service e367826f93b8d711.access`,
		`a service       /groups   403  for people only`,
		`another app's   /         401  Unauthorized`,
		`alice           /         200  hello, alice@example.com`,
	}
	if got := strings.TrimSpace(out.String()); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
