package invariants

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// unusableEntries are entries of "keys" that cannot be used, each odd in its
// own way.
var unusableEntries = []string{
	`null`, `7`, `"x"`, `[]`, `{}`, `{"kty":null}`, `{"kty":"x"}`, `{"kty":"oct","k":"AAAA"}`, `{"kty":"RSA"}`, `{"kty":"RSA","n":7,"e":"AQAB"}`,
	`{"kty":"RSA","n":"!","e":"AQAB"}`, `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`, `{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`,
	`{"kty":"OKP","crv":"Ed25519","x":""}`, `{"kty":"RSA","kty":"EC"}`, `{` + testkit.Ed25519Members + `,"kid":1}`, `{` + testkit.Ed25519Members + `,"use":"enc"}`, `{` + testkit.Ed25519Members + `,"d":"AA"}`, `{` + testkit.Ed25519Members + `,"x5c":["MIIB"],"alg":"none"}`,
}

func TestInvariant16_BadKeysCostNoOthers(t *testing.T) {
	t.Run("one bad key never costs another", func(t *testing.T) {
		good := testkit.NewSigner(t, "ES256", "good")
		for _, entry := range unusableEntries {
			for _, keys := range [][]string{{entry, good.JWK()}, {good.JWK(), entry}, {entry, good.JWK(), entry}} {
				set := testkit.ParseKeys(t, keys...)
				if got := testkit.KeyIDs(set); !slices.Equal(got, []string{"good"}) || set.Len()+len(set.Skipped()) != len(keys) {
					t.Errorf("%s: %q are usable, %v skipped", entry, got, set.Skipped())
				}
			}
			if _, err := jwks.ParseKeySet([]byte(`{"keys":[` + entry + `]}`)); !errors.Is(err, jwks.ErrInvalidKeySet) {
				t.Errorf("%s alone: %v", entry, err)
			}
		}
		set := testkit.ParseKeys(t, append(slices.Clone(unusableEntries), good.JWK())...)
		if set.Len() != 1 || len(set.Skipped()) != len(unusableEntries) {
			t.Errorf("all together: %d usable, %v skipped", set.Len(), set.Skipped())
		}
	})
	eachCacheModeInBubble(t, func(t *testing.T, mode cacheMode) {
		env := testkit.NewEnv(t)
		c := env.NewClient()
		v := mode.verifier(t, c, jwks.WithoutAudienceCheck())
		token := env.Issuer.Sign(map[string]any{"exp": time.Now().Add(1000 * time.Hour).Unix()})
		testkit.Accept(t, v, token)
		before := testkit.KeyIDsOf(t, c)
		for _, document := range []string{
			"", " ", "null", "true", "[]", "{}", "<html>504 Gateway Timeout</html>", `{"error":"busy"}`, `{"keys":null}`, `{"keys":{}}`, `{"keys":"x"}`, `{"Keys":[{` + testkit.Ed25519Members + `}]}`,
			`{"keys":[]}`, `{"keys":[{` + testkit.Ed25519Members + `}],"keys":[]}`, `{"keys":[],"keys":[{` + testkit.Ed25519Members + `}]}`, `{"keys":[{` + testkit.Ed25519Members + `}]`, `{"keys":[{` + testkit.Ed25519Members + `}]}x`, "\uFEFF\uFEFF" + `{"keys":[{` + testkit.Ed25519Members + `}]}`,
			`{"keys":[` + strings.Join(unusableEntries, ",") + `]}`, `{"keys":[` + strings.Repeat(`{`+testkit.Ed25519Members+`},`, 1000) + `{` + testkit.Ed25519Members + `}]}`,
		} {
			for kind, fault := range map[string]func(jwkstest.Fault){"both documents": env.Issuer.SetFault, "the key set": env.Issuer.SetJWKSFault} {
				fault(jwkstest.Body([]byte(document)))
				_, err := c.Refresh(t.Context())
				testkit.WantError(t, err, jwks.ErrUnavailable)
				if !errors.Is(err, jwks.ErrInvalidKeySet) && !errors.Is(err, jwks.ErrInvalidMetadata) {
					t.Errorf("%.40q as %s: %v", document, kind, err)
				}
				testkit.Accept(t, v, token) // within the TTL
				time.Sleep(16 * time.Minute)
				testkit.Accept(t, v, token) // and past it
				if got := testkit.KeyIDsOf(t, c); !slices.Equal(got, before) {
					t.Errorf("%.40q as %s: the set is %q", document, kind, got)
				}
				fault(jwkstest.None())
				if _, err := c.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		// A set that has only another key is a good document.
		env.Issuer.Rotate()
		env.Issuer.RemoveKey("k1")
		if _, err := c.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		testkit.Refuse(t, v, token, jwks.ErrKeyNotFound, jwks.ErrTokenInvalid)
	})
}

func TestInvariant22_PrivateKeysAreReported(t *testing.T) {
	rs, es, ed := testkit.NewSigner(t, "RS256", "leaked"), testkit.NewSigner(t, "ES256", "leaked"), testkit.NewSigner(t, "EdDSA", "leaked")
	private := func(s *testkit.Signer) string {
		text, err := jose.JSONWebKey{Key: s.Key, KeyID: s.KeyID}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
	plus := func(s *testkit.Signer, members string) string { return testkit.WithMembers(s.JWK(), members) }
	good := testkit.NewSigner(t, "ES256", "good")
	for rule, test := range map[string]struct {
		entry  string
		signer *testkit.Signer
	}{
		"a private RSA key":           {private(rs), rs},
		"a private EC key":            {private(es), es},
		"a private Ed25519 key":       {private(ed), ed},
		"an RSA key with d only":      {plus(rs, `"d":"`+secret+`"`), rs},
		"an RSA key with a prime":     {plus(rs, `"p":"`+secret+`"`), rs},
		"an RSA key with q":           {plus(rs, `"q":"`+secret+`"`), rs},
		"an RSA key with dp":          {plus(rs, `"dp":"`+secret+`"`), rs},
		"an RSA key with dq":          {plus(rs, `"dq":"`+secret+`"`), rs},
		"an RSA key with qi":          {plus(rs, `"qi":"`+secret+`"`), rs},
		"an RSA key with oth":         {plus(rs, `"oth":[{}]`), rs},
		"an EC key with d":            {plus(es, `"d":"`+secret+`"`), es},
		"an EC key with an odd d":     {plus(es, `"d":5`), es},
		"an Ed25519 key with d":       {plus(ed, `"d":"`+secret+`"`), ed},
		"an RSA key with a secret":    {plus(rs, `"k":"`+secret+`"`), rs},
		"a shared secret":             {`{"kty":"oct","kid":"leaked","k":"` + secret + `"}`, nil},
		"a shared secret for RS256":   {`{"kty":"oct","kid":"leaked","k":"` + secret + `","alg":"RS256","use":"sig"}`, nil},
		"a shared secret named HS256": {`{"kty":"oct","kid":"leaked","k":"` + secret + `","alg":"HS256"}`, nil},
	} {
		t.Run(rule, func(t *testing.T) {
			eachCacheMode(t, func(t *testing.T, mode cacheMode) {
				set := testkit.ParseKeys(t, test.entry, good.JWK())
				v := mode.fixedVerifier(t, set)
				if test.signer != nil {
					testkit.Refuse(t, v, test.signer.Token(testkit.Payload(nil)), jwks.ErrKeyNotFound)
				} else {
					key, _ := base64.RawURLEncoding.DecodeString(secret)
					signed := testkit.Segment(`{"alg":"HS256","kid":"leaked"}`) + "." + testkit.Segment(testkit.Payload(nil))
					mac := hmac.New(sha256.New, key)
					mac.Write([]byte(signed))
					testkit.Refuse(t, v, signed+"."+base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), jwks.ErrAlgorithmNotAllowed)
				}
				testkit.Accept(t, v, good.Token(testkit.Payload(nil)))
				skipped := set.Skipped()
				if len(skipped) != 1 || skipped[0].KeyID != "leaked" || skipped[0].Index != 0 || skipped[0].Err == nil {
					t.Fatalf("skipped %+v", skipped)
				}
				if text := skipped[0].Err.Error(); strings.Contains(text, secret[:12]) {
					t.Errorf("the reason shows the secret: %s", text)
				}
				if text, err := set.MarshalJSON(); err != nil || strings.Contains(string(text), "leaked") {
					t.Errorf("written as %s, %v", text, err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // and a client reports them
		env := testkit.NewEnv(t)
		log := new(logBuffer)
		env.Issuer.SetJWKSFault(jwkstest.Body([]byte(`{"keys":[` + private(rs) + `,{"kty":"oct","kid":"shared","k":"` + secret + `"},` + good.JWK() + `]}`)))
		c := env.NewClient(jwks.WithLogger(log.logger()))
		testkit.WantKey(t, c, "good")
		testkit.WantNoKey(t, c, "leaked", jwks.ErrKeyNotFound)
		st := c.Status()
		if len(st.Skipped) != 2 || st.Skipped[0].KeyID != "leaked" || st.Skipped[1].KeyID != "shared" {
			t.Errorf("status lists %+v", st.Skipped)
		}
		told := fmt.Sprint(st.Skipped) + log.text()
		for _, number := range []string{
			base64.RawURLEncoding.EncodeToString(rs.Key.(*rsa.PrivateKey).D.Bytes())[:16], rs.Key.(*rsa.PrivateKey).D.String()[:16], secret[:12],
			es.Key.(*ecdsa.PrivateKey).D.String()[:16],
		} {
			if strings.Contains(told, number) {
				t.Errorf("key material is shown: %s", told)
			}
		}
		v, err := jwks.NewVerifier(c, jwks.WithoutAudienceCheck())
		if err != nil {
			t.Fatal(err)
		}
		testkit.Refuse(t, v, rs.Token(`{"iss":"`+env.Issuer.URL()+`","exp":9999999999}`), jwks.ErrKeyNotFound)
	})
}
