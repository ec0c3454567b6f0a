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
	const metadata = `resource_metadata="https://orders.example/.well-known/oauth-protected-resource"`
	want := []string{
		`GET    /healthz                                200  ok`,
		`GET    /.well-known/oauth-protected-resource   200  {"resource":"https://orders.example","authorization_servers":["https://issuer.jwkstest.example"],"scopes_supported":["orders:read","orders:write"]}`,
		`GET    /me                                     401  Bearer ` + metadata,
		`GET    /me                                     200  you are alice`,
		`GET    /orders/7                               401  Bearer ` + metadata + `, scope="orders:read"`,
		`GET    /orders/7                               200  order 7`,
		`DELETE /orders/7                               403  Bearer ` + metadata + `, error="insufficient_scope", error_description="The token lacks a required scope", scope="orders:write"`,
		`GET    /orders/7                               401  Bearer ` + metadata + `, error="invalid_token", error_description="The token is expired, malformed or not valid here"`,
		`GET    /me                                     503  Service Unavailable`,
	}
	if got := strings.TrimSpace(out.String()); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}
