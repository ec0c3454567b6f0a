package main

import (
	"context"
	"io"
	"log"
	"strings"
	"testing"
)

func TestServiceAnswers(t *testing.T) {
	log.SetOutput(io.Discard)
	var out strings.Builder
	if err := run(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`past the load balancer      401  Unauthorized`,
		`alice                       200  hello, alice@example.com`,
		`another application's       403  signed in elsewhere`,
		`another load balancer's     401  Unauthorized`,
		`an old one                  401  Unauthorized`,
		`alice, keys unavailable     200  hello, alice@example.com`,
		`bob, keys unavailable       503  Service Unavailable`,
		`bob                         200  hello, bob@example.com`,
	}
	if got := strings.TrimSpace(out.String()); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
