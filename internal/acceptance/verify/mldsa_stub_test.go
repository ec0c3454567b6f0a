//go:build !go1.27

package verify

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// TestMLDSA_SkippedBeforeGo127: without crypto/mldsa a set may hold AKP keys
// (RFC 9964), which are not used and do not affect the other keys.
func TestMLDSA_SkippedBeforeGo127(t *testing.T) {
	good := testkit.NewSigner(t, "ES256", "good")
	pub := base64.RawURLEncoding.EncodeToString(make([]byte, 1312))
	set := testkit.ParseKeys(t, `{"kty":"AKP","kid":"pq","use":"sig","alg":"ML-DSA-44","pub":"`+pub+`"}`, good.JWK())
	skipped := set.Skipped()
	if set.Len() != 1 || len(skipped) != 1 || skipped[0].KeyID != "pq" || !strings.Contains(skipped[0].Err.Error(), "AKP") {
		t.Fatalf("%d keys, skipped %v", set.Len(), skipped)
	}
	verifier, err := jwks.NewVerifier(set, jwks.WithoutTimeChecks(), jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(t.Context(), good.Token(testkit.Payload(nil))); err != nil {
		t.Errorf("the key beside it: %v", err)
	}
	forged := good.Sign(`{"alg":"ML-DSA-44","kid":"pq"}`, testkit.Payload(nil))
	if _, err := verifier.Verify(t.Context(), forged); !errors.Is(err, jwks.ErrKeyNotFound) {
		t.Errorf("a token with its kid: %v", err)
	}
	forged = good.Sign(`{"alg":"ML-DSA-44","kid":"good"}`, testkit.Payload(nil))
	if _, err := verifier.Verify(t.Context(), forged); !errors.Is(err, jwks.ErrAlgorithmNotAllowed) {
		t.Errorf("a token with the other kid: %v", err)
	}
}
