package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

// verdict is what the library says of a JWS, leaving aside whether its payload
// is a claims set.
type verdict struct {
	accepted bool
	err      error // of the library; nil or about the claims when accepted
}

func (v verdict) String() string {
	word := "refused"
	if v.accepted {
		word = "accepted"
	}
	if v.err != nil {
		word += ": " + v.err.Error()
	}
	return word
}

// asked is a key set that notes whether a verifier came as far as to get keys.
type asked struct {
	*jwks.KeySet
	found bool
}

func (a *asked) SigningKeys(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
	keys, err := a.KeySet.SigningKeys(ctx, h, issuer)
	a.found = err == nil
	return keys, err
}

// signatureVerdict says whether the library takes a key set and a token's form,
// header and signature. A payload such as "foo" is no claims set, and Verify
// refuses every one; but claims come last, so a token that got keys and did not
// fail at its signature had a good one.
func signatureVerdict(t *testing.T, document []byte, token string) verdict {
	t.Helper()
	set, err := jwks.ParseKeySet(document)
	if err != nil {
		if !errors.Is(err, jwks.ErrInvalidKeySet) {
			t.Fatalf("ParseKeySet: %v, want ErrInvalidKeySet", err)
		}
		return verdict{err: err}
	}
	source := &asked{KeySet: set}
	verifier, err := jwks.NewVerifier(source, jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck(), jwks.WithoutTimeChecks())
	if err != nil {
		t.Fatal(err)
	}
	_, err = verifier.Verify(t.Context(), token)
	switch {
	case err == nil:
		return verdict{accepted: true}
	case !errors.Is(err, jwks.ErrTokenInvalid) || errors.Is(err, jwks.ErrUnavailable):
		t.Fatalf("Verify: %v, want ErrTokenInvalid alone", err)
	case !source.found:
		if header, signed, ok := withoutPayload(token); ok && errors.Is(err, jwt.ErrTokenMalformed) {
			return keyfuncVerdict(t, set, header, signed, token[len(signed)+1:])
		}
		return verdict{err: err}
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return verdict{err: err}
	case !errors.Is(err, jwt.ErrTokenMalformed):
		t.Fatalf("Verify: %v, want the claims to be malformed", err)
	}
	return verdict{accepted: true, err: err}
}

// withoutPayload tells whether a token is header, nothing and signature. No
// claims set is empty, so Verify refuses that by its form (RFC 7519 section
// 7.2, step 10); as a JWS it may be good.
func withoutPayload(token string) (header, signed string, ok bool) {
	header, signature, ok := strings.Cut(token, "..")
	if !ok || header == "" || signature == "" || strings.Contains(header, ".") || strings.Contains(signature, ".") {
		return "", "", false
	}
	return header, header + ".", true
}

// keyfuncVerdict takes the library's other way in: Keyfunc chooses the key, and
// the form of the token is golang-jwt's business.
func keyfuncVerdict(t *testing.T, set *jwks.KeySet, header, signed, signature string) verdict {
	t.Helper()
	client, err := jwks.NewClient(jwks.WithKeySet(set))
	if err != nil {
		t.Fatal(err)
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(header)
	if err != nil {
		return verdict{err: err}
	}
	token := &jwt.Token{}
	if err := json.Unmarshal(text, &token.Header); err != nil {
		return verdict{err: err}
	}
	alg, _ := token.Header["alg"].(string)
	if token.Method = jwt.GetSigningMethod(alg); token.Method == nil {
		return verdict{err: jwt.ErrTokenUnverifiable}
	}
	key, err := client.Keyfunc(token)
	if err != nil {
		return verdict{err: err}
	}
	octets, err := base64.RawURLEncoding.Strict().DecodeString(signature)
	if err != nil {
		return verdict{err: err}
	}
	if err := token.Method.Verify(signed, octets, key); err != nil {
		return verdict{err: errors.Join(jwt.ErrTokenSignatureInvalid, err)}
	}
	return verdict{accepted: true}
}
