package interop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

// issuer is a real one, whatever it is made of.
type issuer struct {
	name       string // its row in RESULTS.md
	version    string
	url        string
	algorithms []string // of its tokens
	source     []jwks.ClientOption
	policy     []jwks.VerifierOption
	audience   string // "": the one that is asked for
	discovery  bool   // it publishes a discovery document
	others     int    // keys in its set that are not for tokens

	mint           func(ctx context.Context, audience, algorithm string) (string, error)
	rotate, retire func(t *testing.T)
	stop, start    func(t *testing.T)
}

const ours = "https://api.example/"

// audienceOf is the audience of the tokens that the issuer mints for us.
func (i *issuer) audienceOf(algorithm string) string {
	if i.audience != "" {
		return i.audience
	}
	return ours + algorithm
}

func (i *issuer) token(t *testing.T, algorithm string) string {
	t.Helper()
	token, err := i.mint(t.Context(), i.audienceOf(algorithm), algorithm)
	if err != nil {
		t.Fatalf("%s hands out no %s token: %v", i.name, algorithm, err)
	}
	return token
}

func (i *issuer) client(t *testing.T, opts ...jwks.ClientOption) *jwks.Client {
	t.Helper()
	source := i.source
	if source == nil {
		source = []jwks.ClientOption{jwks.WithIssuer(i.url)}
	}
	client, err := jwks.NewClient(append(append([]jwks.ClientOption{}, source...), opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func (i *issuer) verifier(t *testing.T, client *jwks.Client, audience string) *jwks.Verifier {
	t.Helper()
	v, err := jwks.NewVerifier(client, append([]jwks.VerifierOption{jwks.WithAudience(audience)}, i.policy...)...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// examine goes through every step and writes the issuer's row.
func (i *issuer) examine(t *testing.T) {
	row := results.row(t, issuersTable, i.name, i.version)
	steps := []struct {
		name string
		run  func(t *testing.T)
	}{
		{"discovery", i.examineDiscovery},
		{"token", i.examineToken},
		{"wrong audience", i.examineAudience},
		{"Keyfunc", i.examineKeyfunc},
		{"rotation", i.examineRotation},
		{"retired key", i.examineRetirement},
		{"outage", i.examineOutage},
	}
	for _, step := range steps {
		row.step(t, step.name, step.run)
	}
}

func (i *issuer) examineDiscovery(t *testing.T) {
	client := i.client(t)
	if err := client.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if status := client.Status(); len(status.KeyIDs) == 0 || len(status.Skipped) != i.others {
		t.Errorf("keys %v, skipped %v; want keys and %d skipped", status.KeyIDs, status.Skipped, i.others)
	}
	if !i.discovery {
		notApplicable(t, "it publishes a key set only")
	}
	document, err := client.Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if document.Issuer != i.url || document.JWKSURI == "" {
		t.Errorf("the document names issuer %q and key set %q; want issuer %q", document.Issuer, document.JWKSURI, i.url)
	}
}

func (i *issuer) examineToken(t *testing.T) {
	client := i.client(t)
	for _, alg := range i.algorithms {
		verified, err := i.verifier(t, client, i.audienceOf(alg)).Verify(t.Context(), i.token(t, alg))
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if got := verified.Header().Algorithm; got != alg {
			t.Errorf("the token is signed with %s, want %s", got, alg)
		}
		if verified.Subject() == "" {
			t.Errorf("%s: no subject", alg)
		}
	}
	if fetches := client.Status().Fetches; fetches != 1 {
		t.Errorf("%d tokens cost %d fetches, want 1", len(i.algorithms), fetches)
	}
	detail(t, "%s", strings.Join(i.algorithms, " "))
}

func (i *issuer) examineAudience(t *testing.T) {
	alg := i.algorithms[0]
	_, err := i.verifier(t, i.client(t), "https://other.example/").Verify(t.Context(), i.token(t, alg))
	if !errors.Is(err, jwks.ErrTokenInvalid) || !errors.Is(err, jwt.ErrTokenInvalidAudience) {
		t.Errorf("got %v, want an invalid audience", err)
	}
}

func (i *issuer) examineKeyfunc(t *testing.T) {
	client, alg := i.client(t), i.algorithms[0]
	token := i.token(t, alg)
	claims := jwt.RegisteredClaims{}
	if _, err := jwt.ParseWithClaims(token, &claims, client.Keyfunc, jwt.WithAudience(i.audienceOf(alg)), jwt.WithExpirationRequired()); err != nil {
		t.Error(err)
	}
	if _, err := jwt.Parse(forged(token), client.Keyfunc); !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
		t.Errorf("a forged signature: %v", err)
	}
}

// examineRotation changes the keys while tokens are verified, and wants not one
// refusal: neither of tokens under the old key nor under the new.
func (i *issuer) examineRotation(t *testing.T) {
	client := i.client(t)
	before := i.token(t, i.algorithms[0])
	var verified, fresh atomic.Int64
	old, verifiers := map[string]bool{}, map[string]*jwks.Verifier{}
	for _, alg := range i.algorithms {
		old[keyID(t, i.token(t, alg))] = true
		verifiers[alg] = i.verifier(t, client, i.audienceOf(alg))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var load sync.WaitGroup
	for worker := range 4 {
		load.Go(func() {
			for n := worker; ctx.Err() == nil; n++ {
				alg := i.algorithms[n%len(i.algorithms)]
				token, err := i.mint(ctx, i.audienceOf(alg), alg)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Errorf("%s hands out no %s token under load: %v", i.name, alg, err)
					return
				}
				got, err := verifiers[alg].Verify(context.WithoutCancel(ctx), token)
				if err != nil {
					t.Errorf("refused under load: %v", err)
					return
				}
				if !old[got.Header().KeyID] {
					fresh.Add(1)
				}
				verified.Add(1)
			}
		})
	}
	moreThan := func(n *atomic.Int64, want int64) func() error {
		return func() error {
			if got := n.Load(); got < want {
				return fmt.Errorf("%d tokens, want %d", got, want)
			}
			return nil
		}
	}
	eventually(t, "load before the rotation", moreThan(&verified, 20))
	i.rotate(t)
	eventually(t, "tokens under the new keys", moreThan(&fresh, 20))
	cancel()
	load.Wait()
	if _, err := verifiers[i.algorithms[0]].Verify(t.Context(), before); err != nil {
		t.Errorf("a token from before the rotation, its key still published: %v", err)
	}
	if fetches := client.Status().Fetches; fetches < 2 || fetches > 3 {
		t.Errorf("%d fetches for one rotation, want 2 (3 if one began before it)", fetches)
	}
}

// examineRetirement ends the rotation: the old key leaves the set.
func (i *issuer) examineRetirement(t *testing.T) {
	client, alg := i.client(t), i.algorithms[0]
	verifier := i.verifier(t, client, i.audienceOf(alg))
	i.rotate(t)
	token := i.token(t, alg)
	if _, err := verifier.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	i.rotate(t)
	i.retire(t)
	if _, err := client.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := verifier.Verify(t.Context(), token)
	if !errors.Is(err, jwks.ErrTokenInvalid) || !errors.Is(err, jwks.ErrKeyNotFound) {
		t.Errorf("a token under the retired key: %v", err)
	}
	if _, err := verifier.Verify(t.Context(), i.token(t, alg)); err != nil {
		t.Errorf("a token under the key that took its place: %v", err)
	}
}

// examineOutage stops the issuer. Who has keys goes on with them, who has none
// says that it cannot be decided, and both recover by themselves.
func (i *issuer) examineOutage(t *testing.T) {
	alg := i.algorithms[0]
	hurried := []jwks.ClientOption{jwks.WithTTL(300 * time.Millisecond), jwks.WithMaxStale(time.Hour), jwks.WithRetries(0)}
	warm, cold := i.client(t, hurried...), i.client(t, hurried...)
	token := i.token(t, alg)
	verify := func(client *jwks.Client, token string) error {
		_, err := i.verifier(t, client, i.audienceOf(alg)).Verify(t.Context(), token)
		return err
	}
	if err := verify(warm, token); err != nil {
		t.Fatal(err)
	}
	i.stop(t)
	if err := verify(cold, token); !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrTokenInvalid) {
		t.Errorf("without keys, during the outage: %v; want ErrUnavailable", err)
	}
	eventually(t, "keys that are served stale", func() error {
		if err := verify(warm, token); err != nil {
			t.Fatalf("with keys, during the outage: %v", err)
		}
		if s := warm.Status(); s.State != jwks.StateStale || s.ConsecutiveFailures == 0 {
			return fmt.Errorf("state %v after %d failures", s.State, s.ConsecutiveFailures)
		}
		return nil
	})
	i.start(t)
	eventually(t, "the return of a client without keys", func() error { return verify(cold, token) })
	eventually(t, "the return of a client with stale keys", func() error {
		if err := verify(warm, token); err != nil {
			t.Fatalf("after the outage: %v", err)
		}
		if s := warm.Status(); s.ConsecutiveFailures != 0 {
			return fmt.Errorf("%d failures, the last: %w", s.ConsecutiveFailures, s.LastError)
		}
		return nil
	})
	if err := verify(warm, i.token(t, alg)); err != nil {
		t.Errorf("a token from after the outage: %v", err)
	}
}
