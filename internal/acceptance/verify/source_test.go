package verify

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// embedding is a user's source around a client: all of its methods are there,
// and SigningKeys is the user's.
type embedding struct {
	*jwks.Client
	signingKeys testkit.SourceFunc
}

func (e embedding) SigningKeys(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
	return e.signingKeys(ctx, h, issuer)
}

func TestSource_EmbeddedClient(t *testing.T) {
	testkit.Bubble(t, "its refusal is final", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		testkit.WantKey(t, c, "k1")
		time.Sleep(time.Second)
		source := embedding{c, func(context.Context, jwks.Header, string) ([]*jwks.Key, error) {
			return nil, fmt.Errorf("not here: %w", jwks.ErrAlgorithmNotAllowed)
		}}
		v, err := jwks.NewVerifier(source, jwks.WithoutAudienceCheck(), jwks.WithExpectedIssuer(env.Issuer.URL()))
		testkit.WantNoError(t, err)
		env.TakeRequests("")
		_, err = v.Verify(t.Context(), env.Issuer.Sign(nil))
		testkit.WantForeignError(t, err, jwks.ErrAlgorithmNotAllowed)
		if n := len(env.TakeRequests("")); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
	testkit.Bubble(t, "it gets the issuer", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		var told string
		source := embedding{c, func(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
			told = issuer
			return c.SigningKeys(ctx, h, issuer)
		}}
		v, err := jwks.NewVerifier(source, jwks.WithoutAudienceCheck(), jwks.WithExpectedIssuer(env.Issuer.URL()))
		testkit.WantNoError(t, err)
		testkit.Accept(t, v, env.Issuer.Sign(nil))
		if told != env.Issuer.URL() {
			t.Errorf("got issuer %q", told)
		}
	})
	t.Run("what is wrong with a payload is said after the signature has passed", func(t *testing.T) {
		s, attacker := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k1")
		set := testkit.KeySetOf(t, s)
		asked := 0
		v := testkit.NewBareVerifier(t, testkit.SourceFunc(func(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
			if asked++; issuer != "" {
				t.Errorf("got issuer %q", issuer)
			}
			return set.SigningKeys(ctx, h, issuer)
		}), jwks.WithoutIssuerCheck(), jwks.WithoutAudienceCheck())
		for _, payload := range []string{"foo", `{"exp":1,"exp":2}`, `{"iss":1}`, `{"iss":"https://issuer.example"`} {
			testkit.Refuse(t, v, attacker.Token(payload), jwt.ErrTokenSignatureInvalid)
			testkit.Refuse(t, v, s.Token(payload), jwt.ErrTokenMalformed)
		}
		if asked != 16 {
			t.Errorf("asked %d times", asked)
		}
	})
	testkit.Bubble(t, "its issuer must be decided, for it may have other keys", func(t *testing.T) {
		env := testkit.NewEnv(t)
		_, err := jwks.NewVerifier(embedding{Client: env.NewClient()}, jwks.WithoutAudienceCheck())
		if !errors.Is(err, jwks.ErrConfig) {
			t.Errorf("got %v, want ErrConfig", err)
		}
	})
}
