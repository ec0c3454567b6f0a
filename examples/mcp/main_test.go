package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// TestLogin_FromTheFirst401 is a client that knows nothing but the endpoint.
func TestLogin_FromTheFirst401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := &user{world: w, name: "alice", grants: []string{scope}}
		session, err := alice.connect(t)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tool(t, session, "whoami"); err != nil || got != "you are alice" {
			t.Errorf("whoami: %q, %v", got, err)
		}
		if got, err := tool(t, session, "delete"); err != nil || !strings.Contains(got, "lacks the scope") {
			t.Errorf("delete without its scope: %q, %v", got, err)
		}
		if alice.logins != 1 || alice.asked[0] != scope {
			t.Errorf("%d logins, asked for %q, want one for %q", alice.logins, alice.asked, scope)
		}
		if w.count("POST /mcp Unauthorized") != 1 || w.count("GET /.well-known/oauth-protected-resource/mcp OK") != 1 {
			t.Errorf("requests: %q, want one 401 and the metadata", w.requests)
		}
	})
}

// TestOutage_SessionSurvives takes the identity provider away for five minutes,
// from a server that trusts its keys for no more than one.
func TestOutage_SessionSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, jwks.WithTTL(time.Minute), jwks.WithMaxStale(0))
		alice := &user{world: w, name: "alice", grants: []string{scope}}
		session, err := alice.connect(t)
		if err != nil {
			t.Fatal(err)
		}
		id := session.ID()
		w.issuer.SetFault(jwkstest.Status(503))
		time.Sleep(2 * time.Minute)
		for range 10 {
			if _, err := tool(t, session, "whoami"); err == nil || !strings.Contains(err.Error(), "Service Unavailable") {
				t.Fatalf("during the outage: %v, want Service Unavailable", err)
			}
			time.Sleep(18 * time.Second)
		}
		w.issuer.SetFault(jwkstest.None())
		time.Sleep(time.Minute) // the longest pause between attempts

		if got, err := tool(t, session, "whoami"); err != nil || got != "you are alice" {
			t.Errorf("after the outage: %q, %v", got, err)
		}
		if alice.logins != 1 || session.ID() != id {
			t.Errorf("%d logins, session %q, want the one login and session %q", alice.logins, session.ID(), id)
		}
		if w.count("POST /mcp Service Unavailable") < 10 || w.count("POST /mcp Unauthorized") != 1 {
			t.Errorf("requests: %q", w.requests)
		}
	})
}

// TestOutage_UnnoticedByDefault is the same outage with the options left alone.
func TestOutage_UnnoticedByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := &user{world: w, name: "alice", grants: []string{scope}}
		session, err := alice.connect(t)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Minute) // so that the keys expire in the middle of it
		w.issuer.SetFault(jwkstest.DropConnection())
		for range 10 {
			time.Sleep(30 * time.Second)
			if got, err := tool(t, session, "whoami"); err != nil || got != "you are alice" {
				t.Fatalf("during the outage: %q, %v", got, err)
			}
		}
		w.issuer.SetFault(jwkstest.None())
	})
}

// TestSession_OutlivesItsToken goes on with a token that the client renewed.
func TestSession_OutlivesItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := &user{world: w, name: "alice", grants: []string{scope}}
		session, err := alice.connect(t)
		if err != nil {
			t.Fatal(err)
		}
		id := session.ID()
		time.Sleep(2 * time.Hour)
		if got, err := tool(t, session, "whoami"); err != nil || got != "you are alice" {
			t.Errorf("whoami: %q, %v", got, err)
		}
		if session.ID() != id || alice.logins != 1 {
			t.Errorf("session %q, %d logins, want %q and one", session.ID(), alice.logins, id)
		}
	})
}

// TestSession_OfAnotherUser sends bob's token with the ID of alice's session.
func TestSession_OfAnotherUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := &user{world: w, name: "alice", grants: []string{scope}}
		session, err := alice.connect(t)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]int{"bob": 403, "alice": 200} {
			for _, method := range []string{"POST", "DELETE"} {
				if name == "alice" && method == "DELETE" {
					continue // that ends it
				}
				status, body := raw(t, w, method, w.token(name, scope), session.ID())
				if status != want || name == "bob" && strings.Contains(body, "alice") {
					t.Errorf("%s of %s in alice's session: %d %q, want %d", method, name, status, body, want)
				}
			}
		}
		if got, err := tool(t, session, "whoami"); err != nil || got != "you are alice" {
			t.Errorf("alice afterwards: %q, %v", got, err)
		}
	})
}

// raw sends a tool call without the SDK.
func raw(t *testing.T, w *world, method, token, session string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, resource,
		strings.NewReader(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Mcp-Session-Id", session)
	response, err := (&http.Client{Transport: w.network}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// TestScope_StepUp is a first consent that leaves the scope out, and a client that
// asks again for what the challenge names.
func TestScope_StepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := &user{world: w, name: "alice", grants: []string{"profile", "profile " + scope}}
		session, err := alice.connect(t)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tool(t, session, "whoami"); err != nil || got != "you are alice" {
			t.Errorf("whoami: %q, %v", got, err)
		}
		if w.count("POST /mcp Forbidden") == 0 || alice.logins != 2 || !strings.Contains(alice.asked[1], scope) {
			t.Errorf("requests %q, asked for %q, want a 403 and a second login for the scope", w.requests, alice.asked)
		}
	})
}

// TestScope_Refused is a user who never gets the scope.
func TestScope_Refused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		mallory := &user{world: w, name: "mallory", grants: []string{"profile"}}
		if _, err := mallory.connect(t); err == nil || !strings.Contains(err.Error(), "Forbidden") {
			t.Errorf("connected without the scope: %v", err)
		}
	})
}
