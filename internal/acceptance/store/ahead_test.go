package store

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/record"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// sealAhead makes the record that a replica would save whose clock is ahead.
func sealAhead(t *testing.T, env *testkit.Env, ahead time.Duration) (name string, sealed []byte) {
	t.Helper()
	s := newShelf()
	fill(t, env, s)
	name, _ = s.only(t)
	response, err := env.HTTPClient().Get(env.Issuer.JWKSURL())
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response, err)
	}
	document, err := io.ReadAll(response.Body)
	testkit.WantNoError(t, err)
	env.TakeRequests("")
	sealer, err := record.NewSealer(secret)
	testkit.WantNoError(t, err)
	at := time.Now().Add(ahead)
	return name, sealer.Seal(record.Record{
		Name: name, Issuer: env.Issuer.URL(), JWKSURL: env.Issuer.JWKSURL(), KeySet: document, FetchedAt: at, FullAt: at,
	})
}

// A record past its TTL is something to fall back on, and gives way to a newer one
// that is past it as well: of an issuer behind a cache that serves old copies, or of
// a replica whose clock is behind.
func TestAdoption_TwoPastTheirTTL(t *testing.T) {
	testkit.Bubble(t, "while another replica holds the lease", func(t *testing.T) {
		env, s := testkit.NewEnv(t), &leasing{shelf: newShelf()}
		began := time.Now()
		name, older := sealAhead(t, env, -30*time.Minute)
		_, newer := sealAhead(t, env, -20*time.Minute)
		s.put(name, older)
		s.hold(time.Hour)
		loads := 0
		s.do(func(_ context.Context, call string) error {
			if call == "load" {
				if loads++; loads == 2 {
					s.put(name, newer)
				}
			}
			return nil
		})
		env.Issuer.SetFault(jwkstest.DropConnection())
		c := replica(env, s)
		testkit.WantKeyWithin(t, c, "k1", time.Second)
		if st := c.Status(); loads < 2 || !st.Stored.Equal(began.Add(-20*time.Minute)) {
			t.Errorf("after %d looks in the store: %+v", loads, st)
		}
	})
}
