// Package invariants has one test for each rule of SECURITY.md that holds for any input,
// through the public API only. The code has tests of its own that go deeper;
// here each rule is shown to hold for the whole.
package invariants

import (
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// cacheMode makes the verifiers of a rule, with a token cache or without: what
// holds must hold either way.
type cacheMode struct{ opts []jwks.VerifierOption }

// eachCacheMode runs a rule with verifiers that have a token cache, and with
// verifiers that have none.
func eachCacheMode(t *testing.T, rule func(t *testing.T, mode cacheMode)) {
	t.Helper()
	t.Run("without a token cache", func(t *testing.T) { rule(t, cacheMode{}) })
	t.Run("with a token cache", func(t *testing.T) { rule(t, cacheMode{[]jwks.VerifierOption{jwks.WithTokenCache(64)}}) })
}

// eachCacheModeInBubble is eachCacheMode where time matters.
func eachCacheModeInBubble(t *testing.T, rule func(t *testing.T, mode cacheMode)) {
	t.Helper()
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		synctest.Test(t, func(t *testing.T) { rule(t, mode) })
	})
}

// verifier makes a verifier; opts decide everything else.
func (mode cacheMode) verifier(tb testing.TB, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	tb.Helper()
	v, err := jwks.NewVerifier(source, append(slices.Clone(mode.opts), opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// fixedVerifier is testkit.NewVerifier.
func (mode cacheMode) fixedVerifier(tb testing.TB, source jwks.KeySource, opts ...jwks.VerifierOption) *jwks.Verifier {
	tb.Helper()
	return testkit.NewVerifier(tb, source, append(slices.Clone(mode.opts), opts...)...)
}

// hostileText has texts of about n bytes that are hard work for a parser.
func hostileText(n int) map[string]string {
	return map[string]string{
		"letters":       strings.Repeat("A", n),
		"dots":          strings.Repeat(".", n),
		"spaces":        strings.Repeat(" ", n),
		"NULs":          strings.Repeat("\x00", n),
		"invalid UTF-8": strings.Repeat("\xff", n),
		"brackets":      strings.Repeat("[", n),
		"objects":       strings.Repeat(`{"a":`, n/5),
		"escapes":       `{"keys":"` + strings.Repeat(`\u0041`, n/6) + `"}`,
		"names":         `{"keys":[]` + testkit.ManyMembers(n) + `}`,
		"duplicates":    `{` + strings.Repeat(`"a":0,`, n/6) + `"a":0}`,
		"entries":       `{"keys":[` + strings.Repeat("{},", n/3) + `{}]}`,
		"elements":      `{"keys":[{"kty":"RSA","key_ops":[` + strings.Repeat(`"",`, n/3) + `""]}]}`,
		"digits":        `{"keys":[{"kty":"RSA","n":` + strings.Repeat("9", n) + `}]}`,
		"one key":       `{"keys":[{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("_", n) + `"}]}`,
		"kids":          `{"keys":[` + strings.Repeat(`{"kid":"`+strings.Repeat("k", max(1, n/1000-12))+`"},`, 999) + `{}]}`,
		"algorithms":    `{"issuer":"` + testkit.Issuer + `","jwks_uri":"` + testkit.Issuer + testkit.KeySetPath + `","id_token_signing_alg_values_supported":[` + strings.Repeat(`"",`, n/3-80) + `""]}`,
		"chains":        `{"keys":[{"kty":"EC","x5c":["` + strings.Repeat("MIIB", n/4) + `"]}]}`,
	}
}

func TestInvariant01_NoPanicBoundedMemory(t *testing.T) {
	const tokenLimit, documentLimit = 16 << 10, 1 << 20 // the defaults
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		s := testkit.NewSigner(t, "EdDSA", "k1")
		v := mode.fixedVerifier(t, testkit.KeySetOf(t, s))
		static, err := jwks.NewClient(jwks.WithKeySet(testkit.KeySetOf(t, s)))
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range hostileText(tokenLimit * 2 / 3) {
			for place, token := range map[string]string{
				"token":     text,
				"header":    s.Sign(text, testkit.Payload(nil)),
				"payload":   s.Token(text),
				"claim":     s.Token(testkit.PayloadJSON(map[string]string{"sub": testkit.Quote(text[:len(text)/8]), "aud": testkit.Quote(text[:len(text)/8])})),
				"signature": testkit.Segment(s.Header()) + "." + testkit.Segment(testkit.Payload(nil)) + "." + testkit.Segment(text),
			} {
				if n := testkit.Allocated(func() { _, err = v.Verify(t.Context(), token) }); err == nil || n > 8*tokenLimit {
					t.Errorf("%s as the %s: %v, %d bytes", name, place, err, n)
				}
				if n := testkit.Allocated(func() { _, _ = static.KeyForToken(t.Context(), token) }); n > 8*tokenLimit {
					t.Errorf("%s as the %s: KeyForToken allocates %d bytes", name, place, n)
				}
			}
		}
		// Random mutations find what no table lists: accepted or refused,
		// and the keyfunc sees what golang-jwt makes of it.
		r := rand.New(rand.NewPCG(1, 1))
		valid := []string{s.Token(testkit.Payload(nil)), s.Token(testkit.Payload(map[string]any{"aud": []string{"api", "x"}}))}
		for range 500 {
			token := valid[r.IntN(len(valid))]
			for range 1 + r.IntN(5) {
				token = testkit.Mutate(r, token, valid)
			}
			_, _ = v.Verify(t.Context(), token)
			_, _ = jwt.Parse(token, static.Keyfunc)
		}
		_, _ = static.Keyfunc(nil)
		_, _ = static.Keyfunc(&jwt.Token{Method: jwt.SigningMethodEdDSA, Header: map[string]any{"kid": 1}})
	})

	documents := hostileText(documentLimit - 100)
	for name, document := range documents {
		if n := testkit.Allocated(func() { _, _ = jwks.ParseKeySet([]byte(document)) }); n > 8*documentLimit {
			t.Errorf("%s: ParseKeySet allocates %d bytes for %d", name, n, len(document))
		}
	}
	documents["no end"] = "" // see below
	for _, member := range []string{testkit.KeySetPath, testkit.DiscoveryPath} {
		for name, document := range documents {
			c, err := jwks.NewClient(jwks.WithIssuer(testkit.Issuer), jwks.WithRetries(0), jwks.WithHTTPClient(&http.Client{Transport: testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
				if !strings.HasSuffix(r.URL.Path, member) {
					return testkit.RespondTo(r, http.StatusOK, testkit.Metadata(testkit.Issuer, testkit.Issuer+testkit.KeySetPath)), nil
				}
				resp := testkit.RespondTo(r, http.StatusOK, document)
				if document == "" {
					resp.Body, resp.ContentLength = io.NopCloser(endless{}), -1
				}
				return resp, nil
			})}))
			if err != nil {
				t.Fatal(err)
			}
			if n := testkit.Allocated(func() { _, err = c.KeySet(t.Context()) }); n > 16*documentLimit {
				t.Errorf("%s at %s: %d bytes", name, member, n)
			}
			testkit.WantError(t, err, jwks.ErrUnavailable)
		}
	}
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestInvariant02_OversizedTokensAreFree(t *testing.T) {
	const limit, megabytes = 16 << 10, 20 << 20
	garbage := map[string]string{
		"letters":       strings.Repeat("A", megabytes),
		"dots":          strings.Repeat(".", megabytes),
		"spaces":        strings.Repeat(" ", megabytes),
		"Bearer":        "Bearer " + strings.Repeat("a", megabytes),
		"Bearer spaces": "Bearer" + strings.Repeat(" ", megabytes),
		"a header":      testkit.Segment(`{"alg":"EdDSA","kid":"k1"}`) + "." + strings.Repeat("A", megabytes),
		"one byte more": strings.Repeat("A", limit+1),
	}
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		s := testkit.NewSigner(t, "EdDSA", "k1")
		set := testkit.KeySetOf(t, s)
		lookups := 0
		v := mode.fixedVerifier(t, testkit.SourceFunc(func(ctx context.Context, h jwks.Header, issuer string) ([]*jwks.Key, error) {
			lookups++
			return set.SigningKeys(ctx, h, issuer)
		}))
		fits := s.Token(testkit.PayloadJSON(map[string]string{"x": `"` + strings.Repeat("x", 11<<10) + `"`}))
		for name, token := range garbage {
			const runs = 50
			fastest := time.Hour
			bytes := testkit.Allocated(func() {
				for range runs {
					began := time.Now()
					_, err := v.Verify(t.Context(), token)
					fastest = min(fastest, time.Since(began))
					if !errors.Is(err, jwks.ErrTokenTooLarge) || !errors.Is(err, jwks.ErrTokenInvalid) {
						t.Fatalf("%s: %v", name, err)
					}
				}
			}) / runs
			if bytes > 1024 && !testkit.RaceEnabled {
				t.Errorf("%s: %d bytes are allocated", name, bytes)
			}
			if fastest > 100*time.Microsecond { // to look at each byte once would take a millisecond
				t.Errorf("%s: takes %v at best", name, fastest)
			}
		}
		// Within the limit nothing is looked up before form, header and
		// algorithm have passed.
		for _, token := range []string{
			strings.Repeat("A", limit), strings.Repeat(".", limit), fits + "=", fits + ".", fits[:len(fits)-1], "x." + fits,
			s.Sign(`{"alg":"EdDSA","kid":"k1"`, testkit.Payload(nil)), s.Sign(`{"alg":"EdDSA","kid":1}`, testkit.Payload(nil)), s.Sign(`{"kid":"k1"}`, testkit.Payload(nil)),
			s.Sign(`{"alg":"EdDSA","kid":"k1","crit":[]}`, testkit.Payload(nil)),
			s.Sign(`{"alg":"none","kid":"k1"}`, testkit.Payload(nil)), s.Sign(`{"alg":"HS256","kid":"k1"}`, testkit.Payload(nil)), s.Sign(`{"alg":"RS257","kid":"k1"}`, testkit.Payload(nil)),
		} {
			testkit.Refuse(t, v, token, jwks.ErrTokenInvalid)
		}
		if lookups != 0 {
			t.Errorf("%d lookups", lookups)
		}
		if testkit.Accept(t, v, fits); lookups != 2 {
			t.Errorf("%d lookups for a token that is in order, want 2", lookups)
		}
	})
	t.Run("nor fetched", func(t *testing.T) {
		n := testkit.NewInternet()
		n.AddIssuer(t, "issuer.example")
		c := n.NewClient(t, jwks.WithIssuer(testkit.Issuer))
		many := n.NewIssuers(t, jwks.TrustIssuers(testkit.Issuer))
		for name, token := range garbage {
			for _, f := range []func(context.Context, string) (*jwks.Key, error){c.KeyForToken, many.KeyForToken} {
				if _, err := f(t.Context(), token); !errors.Is(err, jwks.ErrTokenTooLarge) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
		long := testkit.NewSigner(t, "EdDSA", "k1").Token(testkit.PayloadJSON(map[string]string{"x": `"` + strings.Repeat("x", limit) + `"`}))
		for _, keyfunc := range []jwt.Keyfunc{c.Keyfunc, many.Keyfunc} {
			if _, err := jwt.Parse(long, keyfunc); !errors.Is(err, jwks.ErrTokenTooLarge) {
				t.Errorf("through golang-jwt: %v", err)
			}
		}
		n.WantRequests(t)
	})
}

func TestInvariant03_OneEncodingOfAToken(t *testing.T) {
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		ed, ec := testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "ES256", "k2")
		v := mode.fixedVerifier(t, testkit.KeySetOf(t, ed, ec))
		for rest := range 3 { // bits that base64 has to spare: none, four, two
			for _, s := range []*testkit.Signer{ed, ec} {
				header := testkit.PadMod3(s.Header(), (rest+1)%3)
				token := s.Sign(header, testkit.PadMod3(testkit.Payload(nil), rest))
				testkit.Accept(t, v, token)
				var others []string
				for i := range len(token) + 1 {
					for _, c := range []string{"\n", "\r\n", "\r", " ", "\t", "=", "\x00", ".", "\u00ad"} {
						others = append(others, token[:i]+c+token[i:])
					}
				}
				parts := strings.Split(token, ".")
				for i, part := range parts {
					for _, c := range testkit.Base64URLAlphabet { // all that may stand in the last place
						if other := part[:len(part)-1] + string(c); other != part {
							others = append(others, strings.Join(slices.Concat(parts[:i], []string{other}, parts[i+1:]), "."))
						}
					}
					for _, padding := range []string{"=", "==", "A", "AA", "AAAA"} {
						others = append(others, strings.Join(slices.Concat(parts[:i], []string{part + padding}, parts[i+1:]), "."))
					}
				}
				others = append(others,
					token+token, "."+token, `"`+token+`"`, token+".e30", "\uFEFF"+token, " "+token,
					parts[0]+"."+parts[1]+".", parts[0]+"."+parts[1], parts[0]+".."+parts[2], "."+parts[1]+"."+parts[2])
				if standard := strings.NewReplacer("-", "+", "_", "/").Replace(token); standard != token {
					others = append(others, standard)
				}
				for _, other := range others {
					if got, err := v.Verify(t.Context(), other); err == nil || got != nil || !errors.Is(err, jwks.ErrTokenInvalid) {
						t.Fatalf("%q\nis another encoding of\n%q: %v", other, token, err)
					}
				}
				testkit.Accept(t, v, token)
			}
		}
		// An ECDSA signature is not an identity: whoever has (r, s) can write
		// (r, n-s), which says the same and is of no use to an attacker.
		token := ec.Token(testkit.Payload(nil))
		dot := strings.LastIndexByte(token, '.')
		signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
		if err != nil {
			t.Fatal(err)
		}
		mirrored := token[:dot+1] + base64.RawURLEncoding.EncodeToString(negateS(signature))
		if one, other := testkit.Accept(t, v, token), testkit.Accept(t, v, mirrored); one.Subject() != other.Subject() || one.Raw() == other.Raw() {
			t.Errorf("(r, n-s): %q and %q", one.Subject(), other.Subject())
		}
	})
}

// negateS makes (r, n-s) of an ES256 signature (r, s).
func negateS(signature []byte) []byte {
	other := slices.Clone(signature)
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(other[32:])
	return other
}
