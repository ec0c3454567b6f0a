package awsalb_test

import (
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
)

// Each refusal says what was expected and what came.
func TestVerify_Texts(t *testing.T) {
	a := newAWS(t)
	v := a.validator()
	for token, want := range map[string]string{
		"":                                       "malformed: it is empty: the load balancer sends it in the header x-amzn-oidc-data",
		"a.b":                                    "malformed: it has 2 segments, want 3",
		"a.b.c.d.e":                              "malformed: it has 5 segments, want 3",
		"e30=.e30.AA==":                          "the payload is not base64url with padding (RFC 4648 section 5)",
		a.token(map[string]any{"client": 7}):     "header: client is not a string",
		a.token(map[string]any{"alg": nil}):      "header: alg is missing",
		a.token(map[string]any{"alg": "RS256"}):  `alg is "RS256", want "ES256"`,
		a.token(map[string]any{"exp": nil}):      "exp is required in the header",
		a.token(map[string]any{"exp": "soon"}):   "header: exp is not a number of seconds since 1970",
		a.token(map[string]any{"signer": nil}):   "header: signer is missing, want the ARN of a load balancer",
		a.token(map[string]any{"signer": "arn"}): `signed by the load balancer "arn", which is not one of those that were given`,
		a.token(map[string]any{"kid": "k1"}):     `header: kid "k1" is not a UUID`,
		a.sign(a.header(nil), `{"sub":[]}`):      "malformed: claims: sub is not a string",
	} {
		_, err := v.Verify(t.Context(), token)
		mustBe(t, err, jwks.ErrTokenInvalid)
		if err != nil && (!strings.HasPrefix(err.Error(), "jwks: token invalid: ") || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A UUID may be written in either case (RFC 9562 section 4).
func TestKey_UpperCaseID(t *testing.T) {
	a := newAWS(t)
	a.kid = "ABCDEF01-2345-6789-ABCD-EFABCDEF0123"
	a.publish("https://"+host+"/"+a.kid, &a.private.PublicKey)
	if _, err := a.validator().Verify(t.Context(), a.token(nil)); err != nil {
		t.Error(err)
	}
}

// A document with more than its key is not what AWS publishes.
func TestKey_SomethingBesideIt(t *testing.T) {
	a := newAWS(t)
	a.keys["https://"+host+"/"+a.kid] += "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
	_, err := a.validator().Verify(t.Context(), a.token(nil))
	mustBe(t, err, jwks.ErrUnavailable, jwks.ErrInvalidKeySet)
	if err != nil && strings.Contains(err.Error(), "With") {
		t.Errorf("%v names an option that does not exist here", err)
	}
}
