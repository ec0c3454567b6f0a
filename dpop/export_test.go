package dpop

import (
	"context"
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/seed-22400188/jwks"
)

// Memory is the default store, for tests of its size.
type Memory struct{ m *memory }

// NewMemory makes one.
func NewMemory(capacity int) Memory { return Memory{newMemory(capacity)} }

// Seen marks the id of a text.
func (m Memory) Seen(text string, now, until time.Time) (bool, error) {
	return m.m.seen(context.Background(), sha256.Sum256([]byte(text)), now, until)
}

// Compare judges the proof of a request but for its signature.
func Compare(c *Checker, r *http.Request, t *jwks.Token) error {
	p := &proof{checker: c, request: r}
	confirmation, _ := t.Confirmation()
	text, _ := proofText(r.Header["Dpop"])
	now := time.Now()
	opened, claims, err := p.compare(t, text, confirmation.JWKThumbprint, now)
	if err != nil || !hasScheme(r) {
		return err
	}
	return p.use(context.Background(), opened, claims, now)
}

// Forget empties the default store of a checker that nobody uses at the moment.
func Forget(c *Checker) { c.replays = newMemory(defaultCapacity) }
