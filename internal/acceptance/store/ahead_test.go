package store

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/record"
	"github.com/seed-22400188/jwks/internal/testkit"
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
