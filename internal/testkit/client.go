package testkit

import (
	"context"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
)

// WantKeySteadily looks a key up every step for d, and wants it at once every
// time.
func WantKeySteadily(t *testing.T, c *jwks.Client, kid string, step, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(step) {
		WantKey(t, c, kid)
	}
}

// MustRefresh forces a refresh, which must succeed.
func MustRefresh(t *testing.T, c *jwks.Client) {
	t.Helper()
	if _, err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// WantKey looks a key up and wants it without any wait.
func WantKey(t *testing.T, c *jwks.Client, kid string) {
	t.Helper()
	WantKeyWithin(t, c, kid, 0)
}

// WantKeyWithin is [WantKey] with a wait of at most d.
func WantKeyWithin(t *testing.T, c *jwks.Client, kid string, d time.Duration) {
	t.Helper()
	var key *jwks.Key
	var err error
	took := Measure(func() { key, err = c.Key(t.Context(), kid) })
	switch {
	case err != nil:
		t.Fatalf("key %s: %v", kid, err)
	case key.ID() != kid:
		t.Fatalf("key %s: got key %s", kid, key.ID())
	case took > d:
		t.Fatalf("key %s: found after %v, want at most %v", kid, took, d)
	}
}

// WantNoKey looks a key up and wants an error that matches want, without any
// wait.
func WantNoKey(t *testing.T, c *jwks.Client, kid string, want ...error) error {
	t.Helper()
	var err error
	if took := Measure(func() { _, err = c.Key(t.Context(), kid) }); took > 0 {
		t.Fatalf("key %s: refused after %v, want at once", kid, took)
	}
	WantError(t, err, want...)
	return err
}

// KeyIDsOf lists the key IDs of a client's set.
func KeyIDsOf(t *testing.T, c *jwks.Client) []string {
	t.Helper()
	set, err := c.KeySet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return KeyIDs(set)
}

// ES256K1 is the header of an ordinary token of a test issuer, whose first key
// is k1.
var ES256K1 = jwks.Header{Algorithm: "ES256", KeyID: "k1"}

// MustReady loads a client's set, which must succeed.
func MustReady(t testing.TB, c *jwks.Client) {
	t.Helper()
	WantNoError(t, c.Ready(context.Background()))
}
