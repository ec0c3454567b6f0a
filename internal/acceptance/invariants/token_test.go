package invariants

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestInvariant04_StrictJSON(t *testing.T) {
	// What may be wrong with any object, with good for its members.
	wrong := func(good string) map[string]string {
		inside := strings.TrimSuffix(strings.TrimPrefix(good, "{"), "}")
		return map[string]string{
			"empty":                    "",
			"null":                     "null",
			"an array":                 "[" + good + "]",
			"a string":                 testkit.Quote(good),
			"a number":                 "1",
			"truncated":                "{" + inside,
			"a trailing object":        good + "{}",
			"a trailing letter":        good + "x",
			"a trailing NUL":           good + "\x00",
			"a byte order mark":        "\uFEFF" + good,
			"an extra comma":           "{" + inside + ",}",
			"a missing comma":          "{" + inside + ` "x":1}`,
			"a comment":                "{/**/" + inside + "}",
			"single quotes":            "{" + inside + `,'x':1}`,
			"a number with a plus":     "{" + inside + `,"x":+1}`,
			"a number with a zero":     "{" + inside + `,"x":01}`,
			"NaN":                      "{" + inside + `,"x":NaN}`,
			"a control character":      "{" + inside + ",\"x\":\"\x01\"}",
			"another kind of space":    "{\u00a0" + inside + "}",
			"invalid UTF-8 in a value": "{" + inside + ",\"x\":\"\xff\"}",
			"invalid UTF-8 in a name":  "{" + inside + ",\"\xff\":1}",
			"UTF-8 of a surrogate":     "{" + inside + ",\"x\":\"\xed\xa0\x80\"}",
			"a name twice":             "{" + inside + `,"x":1,"x":1}`,
			"a name twice, escaped":    "{" + inside + `,"x":1,"\u0078":1}`,
			"a name twice, astral":     "{" + inside + `,"😀":1,"\ud83d\ude00":1}`,
			"65 deep":                  "{" + inside + `,"x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`,
			"65 deep of objects":       "{" + inside + `,"x":` + strings.Repeat(`{"x":`, 63) + "{}" + strings.Repeat("}", 63) + `}`,
			"a lone surrogate, named":  "{" + inside + `,"\ud800":1}`,
		}
	}
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		s := testkit.NewSigner(t, "EdDSA", "k1")
		set := testkit.KeySetOf(t, s)
		for name, source := range map[string]jwks.KeySource{
			"the issuer is read first": testkit.SourceFunc(set.SigningKeys), // and with it the payload
			"the signature is first":   set,
		} {
			v := mode.fixedVerifier(t, source)
			for what, header := range wrong(s.Header()) {
				t.Run(name+"/header/"+what, func(t *testing.T) {
					testkit.Refuse(t, v, s.Sign(header, testkit.Payload(nil)), jwks.ErrTokenInvalid, jwt.ErrTokenMalformed)
				})
			}
			for what, payload := range wrong(testkit.Payload(nil)) {
				t.Run(name+"/claims/"+what, func(t *testing.T) {
					testkit.Refuse(t, v, s.Token(payload), jwks.ErrTokenInvalid, jwt.ErrTokenMalformed)
				})
			}
			t.Run(name+"/the very name twice", func(t *testing.T) {
				testkit.Refuse(t, v, s.Sign(`{"alg":"none","alg":"EdDSA","kid":"k1"}`, testkit.Payload(nil)), jwt.ErrTokenMalformed)
				testkit.Refuse(t, v, s.Sign(`{"alg":"EdDSA","kid":"k1","k\u0069d":"k2"}`, testkit.Payload(nil)), jwt.ErrTokenMalformed)
				testkit.Refuse(t, v, s.Token(testkit.PayloadPlus(`,"exp":1`)), jwt.ErrTokenMalformed)
				testkit.Refuse(t, v, s.Token(testkit.PayloadPlus(`,"\u0065xp":9999999999`)), jwt.ErrTokenMalformed)
				testkit.Refuse(t, v, s.Token(testkit.PayloadPlus(`,"iss":"https://evil.example"`)), jwt.ErrTokenMalformed)
			})
			t.Run(name+"/names are exact", func(t *testing.T) {
				testkit.Accept(t, v, s.Sign(`{"ALG":"none","alg":"EdDSA","Kid":"k9","kid":"k1","CRIT":["x"],"B64":false}`, testkit.Payload(nil)))
				testkit.Refuse(t, v, s.Sign(`{"Alg":"EdDSA","kid":"k1"}`, testkit.Payload(nil)), jwt.ErrTokenMalformed)
				testkit.Accept(t, v, s.Token(testkit.PayloadPlus(`,"EXP":1,"Iss":"x","AUD":"x"`)))
				testkit.Refuse(t, v, s.Token(testkit.PayloadJSON(map[string]string{"exp": "1", "EXP": "9999999999"})), jwt.ErrTokenExpired)
				for _, change := range [][2]string{{"exp", "Exp"}, {"iss", "ISS"}, {"aud", "Aud"}, {"iss", "iss "}, {"iss", "i\u017fs"}} { // the long s folds to s
					payload := strings.Replace(testkit.Payload(nil), `"`+change[0]+`":`, `"`+change[1]+`":`, 1)
					testkit.Refuse(t, v, s.Token(payload), jwt.ErrTokenRequiredClaimMissing)
				}
			})
			t.Run(name+"/64 deep", func(t *testing.T) {
				deep := `,"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63)
				testkit.Accept(t, v, s.Sign(strings.TrimSuffix(s.Header(), "}")+deep+"}", testkit.PayloadPlus(deep)))
			})
		}
	})
}

func TestInvariant05_KeyHeadersAreIgnored(t *testing.T) {
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		synctest.Test(t, func(t *testing.T) {
			env := testkit.NewEnv(t)
			v := mode.verifier(t, env.NewClient(), jwks.WithoutAudienceCheck())
			honest := testkit.NewSigner(t, "EdDSA", "k1") // the attacker's, who names itself k1
			const evil = "https://evil.example/keys"
			payload := `{"iss":"` + env.Issuer.URL() + `","exp":9999999999}`
			pointing := []string{
				`"jku":"` + evil + `"`, `"x5u":"` + evil + `"`, `"jwk":` + honest.JWK(), `"x5c":["` + base64.StdEncoding.EncodeToString([]byte("MIIB")) + `"]`,
				`"jku":"` + evil + `","x5u":"` + evil + `","jwk":` + honest.JWK() + `,"jwks":{"keys":[` + honest.JWK() + `]},"jwks_uri":"` + evil + `"`,
				`"kid":"` + evil + `"`, `"x5t":"` + evil + `"`, `"x5t#S256":"` + evil + `"`,
			}
			for _, more := range pointing {
				for _, alg := range []string{"EdDSA", "ES256"} {
					header := `{"alg":"` + alg + `",` + more
					if !strings.HasPrefix(more, `"kid"`) && !strings.HasPrefix(more, `"x5t`) {
						header += `,"kid":"k1"`
					}
					testkit.Refuse(t, v, honest.Sign(header+"}", payload), jwks.ErrTokenInvalid)
				}
			}
			// Its own key signs, and the rest changes nothing.
			for name, value := range map[string]any{"jku": evil, "x5u": evil, "jwk": map[string]any{"kty": "oct", "k": "AA"}, "x5c": []string{"!"}} {
				testkit.Accept(t, v, env.Issuer.Sign(nil, jwkstest.WithHeader(name, value)))
			}
			for _, value := range []any{[]string{"exp"}, []string{}, testkit.JSONNull, "b64", 0, map[string]any{}} {
				testkit.Refuse(t, v, env.Issuer.Sign(nil, jwkstest.WithHeader("crit", value)), jwks.ErrUnsupportedCritical, jwks.ErrTokenInvalid)
			}
			for _, value := range []any{false, true, testkit.JSONNull, "false"} {
				testkit.Refuse(t, v, env.Issuer.Sign(nil, jwkstest.WithHeader("b64", value)), jwks.ErrUnsupportedCritical, jwks.ErrTokenInvalid)
			}
			for _, r := range env.TakeRequests("") {
				if r.Path != testkit.DiscoveryPath && r.Path != testkit.KeySetPath {
					t.Errorf("a request for %s", r.Path)
				}
			}
		})
	})
	t.Run("a listener", func(t *testing.T) {
		n := testkit.NewInternet()
		issuer := n.AddIssuer(t, "issuer.example")
		heard := 0
		n.Route("evil.example", testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			heard++
			return testkit.RespondTo(r, http.StatusOK, testkit.OneKey(t)), nil
		}))
		v := testkit.NewSourceVerifier(t, n.NewIssuers(t, jwks.TrustIssuers(issuer.URL())))
		const evil = "https://evil.example/jwks"
		for _, opts := range [][]string{{"jku", evil}, {"x5u", evil}, {"kid", evil}, {"x5t", evil}} {
			_, _ = v.Verify(t.Context(), issuer.Sign(nil, jwkstest.WithHeader(opts[0], opts[1])))
			_, _ = v.Verify(t.Context(), issuer.Sign(map[string]any{"jku": evil, "jwks_uri": evil, "iss": evil}, jwkstest.WithHeader(opts[0], opts[1])))
		}
		if heard != 0 {
			t.Errorf("the listener saw %d connections", heard)
		}
		if len(n.TakeRequests()) == 0 {
			t.Error("nothing was asked for at all")
		}
	})
}

func TestInvariant06_ConfiguredAlgorithmsOnly(t *testing.T) {
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "hs256", "rs256", "", "RS256 ", "RSA-OAEP", "dir", "ES256K"} {
		for _, algs := range [][]string{{alg}, {"RS256", alg}} {
			if _, err := jwks.NewVerifier(&jwks.KeySet{}, jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck(), jwks.WithAlgorithms(algs...)); !errors.Is(err, jwks.ErrConfig) {
				t.Errorf("WithAlgorithms(%q): %v", algs, err)
			}
		}
	}
	if _, err := jwks.NewVerifier(&jwks.KeySet{}, jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck(), jwks.WithAlgorithms()); !errors.Is(err, jwks.ErrConfig) {
		t.Errorf("an empty list: %v", err)
	}
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		rs, es, ed := testkit.NewSigner(t, "RS256", "rs"), testkit.NewSigner(t, "ES256", "es"), testkit.NewSigner(t, "EdDSA", "ed")
		all := testkit.KeySetOf(t, rs, es, ed)
		lookups := 0
		counted := testkit.SourceFunc(func(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
			lookups++
			return all.SigningKeys(ctx, h, issuer)
		})
		for _, configured := range []*testkit.Signer{rs, es, ed} {
			v := mode.fixedVerifier(t, counted, jwks.WithAlgorithms(configured.Algorithm))
			testkit.Accept(t, v, configured.Token(testkit.Payload(nil)))
			lookups = 0
			for _, other := range []*testkit.Signer{rs, es, ed} {
				if other != configured {
					testkit.Refuse(t, v, other.Token(testkit.Payload(nil)), jwks.ErrAlgorithmNotAllowed, jwks.ErrTokenInvalid)
				}
			}
			if lookups != 0 {
				t.Errorf("%s: %d lookups before the algorithm was judged", configured.Algorithm, lookups)
			}
		}

		// The classics: no signature, and the public key as a shared secret.
		v := mode.fixedVerifier(t, counted)
		lookups = 0
		der, err := x509.MarshalPKIXPublicKey(rs.Key.Public())
		if err != nil {
			t.Fatal(err)
		}
		secrets := [][]byte{{}, der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), []byte(rs.JWK())}
		static, err := jwks.NewClient(jwks.WithKeySet(all))
		if err != nil {
			t.Fatal(err)
		}
		for _, alg := range []string{"none", "NONE", "HS256", "hs256", "", "RS1", "A128KW"} {
			signed := testkit.Segment(`{"alg":`+testkit.Quote(alg)+`,"kid":"rs"}`) + "." + testkit.Segment(testkit.Payload(nil))
			for _, secret := range secrets {
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(signed))
				token := signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
				testkit.Refuse(t, v, token, jwks.ErrTokenInvalid)
				if _, err := static.KeyForToken(t.Context(), token); !errors.Is(err, jwks.ErrTokenInvalid) {
					t.Errorf("%q: KeyForToken: %v", alg, err)
				}
				if _, err := jwt.Parse(token, static.Keyfunc); err == nil {
					t.Errorf("%q verifies through golang-jwt", alg)
				}
			}
			testkit.Refuse(t, v, signed+".", jwt.ErrTokenMalformed)
			if _, err := jwt.Parse(signed+".", static.Keyfunc); err == nil {
				t.Errorf("%q without a signature verifies through golang-jwt", alg)
			}
		}
		if lookups != 0 {
			t.Errorf("%d lookups", lookups)
		}
	})
}
