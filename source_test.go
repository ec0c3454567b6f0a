package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

// embedding is a user's source around a client: all of its methods are there,
// and SigningKeys is the user's.
type embedding struct {
	*jwks.Client
	signingKeys sourceFunc
}

func (e embedding) SigningKeys(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
	return e.signingKeys(ctx, h, issuer)
}

func TestASourceThatEmbedsOneOfOursAnswersForItself(t *testing.T) {
	bubble(t, "its refusal is the last word", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		finds(t, c, "k1")
		time.Sleep(time.Second)
		source := embedding{c, func(context.Context, jwks.Header, string) ([]*jwks.Key, error) {
			return nil, fmt.Errorf("not here: %w", jwks.ErrAlgorithmNotAllowed)
		}}
		v, err := jwks.NewVerifier(source, jwks.WithoutAudienceCheck(), jwks.WithExpectedIssuer(w.issuer.URL()))
		wantNoError(t, err)
		w.sent("")
		_, err = v.Verify(t.Context(), w.issuer.Sign(nil))
		wantForeignError(t, err, jwks.ErrAlgorithmNotAllowed)
		if n := len(w.sent("")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	bubble(t, "it is told the issuer", func(t *testing.T) {
		w := newWorld(t)
		c := w.client()
		var told string
		source := embedding{c, func(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
			told = issuer
			return c.SigningKeys(ctx, h, issuer)
		}}
		v, err := jwks.NewVerifier(source, jwks.WithoutAudienceCheck(), jwks.WithExpectedIssuer(w.issuer.URL()))
		wantNoError(t, err)
		accepted(t, v, w.issuer.Sign(nil))
		if told != w.issuer.URL() {
			t.Errorf("told %q", told)
		}
	})
	t.Run("what is wrong with a payload is told after the signature", func(t *testing.T) {
		s, attacker := newSigner(t, "ES256", "k1"), newSigner(t, "ES256", "k1")
		set := keySetOf(t, s)
		asked := 0
		v := bareVerifier(t, sourceFunc(func(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
			if asked++; issuer != "" {
				t.Errorf("told %q", issuer)
			}
			return set.SigningKeys(ctx, h, issuer)
		}), jwks.WithoutIssuerCheck(), jwks.WithoutAudienceCheck())
		for _, payload := range []string{"foo", `{"exp":1,"exp":2}`, `{"iss":1}`, `{"iss":"https://issuer.example"`} {
			refused(t, v, attacker.token(payload), jwt.ErrTokenSignatureInvalid)
			refused(t, v, s.token(payload), jwt.ErrTokenMalformed)
		}
		if asked != 16 {
			t.Errorf("asked %d times", asked)
		}
	})
	bubble(t, "its issuer must be decided, for it may have other keys", func(t *testing.T) {
		w := newWorld(t)
		_, err := jwks.NewVerifier(embedding{Client: w.client()}, jwks.WithoutAudienceCheck())
		if !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("got %v, want ErrConfig", err)
		}
	})
}
