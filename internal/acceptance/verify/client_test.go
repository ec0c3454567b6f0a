package verify

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// TestVerify_ErrorClasses: every reason that Verify can give, each from where it really
// comes from, with its class, of which there is exactly one.
func TestVerify_ErrorClasses(t *testing.T) {
	type scene struct {
		issuer *jwkstest.Issuer
		client *jwks.Client
		v      *jwks.Verifier
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	defer cancel()
	good := func(s *scene) string { return s.issuer.Sign(map[string]any{"aud": testkit.Audience}) }
	with := func(claims map[string]any, opts ...jwkstest.SignOption) func(*scene) string {
		return func(s *scene) string {
			all := map[string]any{"aud": testkit.Audience}
			for name, value := range claims {
				all[name] = value
			}
			return s.issuer.Sign(all, opts...)
		}
	}
	broken := func(f func(s *scene)) func(*scene) string {
		return func(s *scene) string { f(s); return good(s) }
	}
	hour := time.Now().Add(time.Hour).Unix()

	for _, test := range []struct {
		name  string
		ctx   context.Context
		token func(*scene) string
		class error // nil: accepted
		want  []error
	}{
		{"a good token", nil, good, nil, nil},
		{"too large", nil, with(map[string]any{"x": make([]byte, 16<<10)}), jwks.ErrTokenInvalid, []error{jwks.ErrTokenTooLarge}},
		{"malformed", nil, func(*scene) string { return "hello" }, jwks.ErrTokenInvalid, []error{jwt.ErrTokenMalformed}},
		{"crit", nil, with(nil, jwkstest.WithHeader("crit", []string{"exp"})), jwks.ErrTokenInvalid, []error{jwks.ErrUnsupportedCritical}},
		{"alg", nil, with(nil, jwkstest.WithHeader("alg", "HS256")), jwks.ErrTokenInvalid, []error{jwks.ErrAlgorithmNotAllowed}},
		{"the key's alg", nil, with(nil, jwkstest.WithHeader("alg", "ES384")), jwks.ErrTokenInvalid, []error{jwks.ErrAlgorithmNotAllowed}},
		{"an unknown kid", nil, with(nil, jwkstest.WithKeyID("unknown")), jwks.ErrTokenInvalid, []error{jwks.ErrKeyNotFound}},
		{"a bad signature", nil, func(s *scene) string {
			a, b := s.issuer.Sign(map[string]any{"aud": testkit.Audience}), s.issuer.Sign(map[string]any{"aud": "other"})
			return a[:strings.LastIndexByte(a, '.')] + b[strings.LastIndexByte(b, '.'):]
		}, jwks.ErrTokenInvalid, []error{jwt.ErrTokenSignatureInvalid}},
		{"expired", nil, with(map[string]any{"exp": 1}), jwks.ErrTokenInvalid, []error{jwt.ErrTokenExpired}},
		{"not valid yet", nil, with(map[string]any{"nbf": hour}), jwks.ErrTokenInvalid, []error{jwt.ErrTokenNotValidYet}},
		{"used before issued", nil, with(map[string]any{"iat": hour}), jwks.ErrTokenInvalid, []error{jwt.ErrTokenUsedBeforeIssued}},
		{"audience", nil, with(map[string]any{"aud": "other"}), jwks.ErrTokenInvalid, []error{jwt.ErrTokenInvalidAudience}},
		{"issuer", nil, with(map[string]any{"iss": "https://evil.example"}), jwks.ErrTokenInvalid, []error{jwt.ErrTokenInvalidIssuer}},
		{"no issuer", nil, with(map[string]any{"iss": nil}), jwks.ErrTokenInvalid, []error{jwt.ErrTokenRequiredClaimMissing}},
		{"claims of the wrong type", nil, with(map[string]any{"sub": 1}), jwks.ErrTokenInvalid, []error{jwt.ErrTokenInvalidClaims}},

		{"the issuer fails", nil, broken(func(s *scene) { s.issuer.SetFault(jwkstest.Status(500)) }), jwks.ErrUnavailable, nil},
		{"nothing listens", nil, broken(func(s *scene) { s.issuer.Close() }), jwks.ErrUnavailable, nil},
		{"no metadata", nil, broken(func(s *scene) { s.issuer.SetFault(jwkstest.Body([]byte("<html>"))) }), jwks.ErrUnavailable, []error{jwks.ErrInvalidMetadata}},
		{"metadata of another issuer", nil, broken(func(s *scene) {
			s.issuer.SetFault(jwkstest.Body([]byte(`{"issuer":"https://evil.example","jwks_uri":"` + s.issuer.JWKSURL() + `"}`)))
		}), jwks.ErrUnavailable, []error{jwks.ErrIssuerMismatch}},
		{"no key set", nil, broken(func(s *scene) { s.issuer.SetJWKSFault(jwkstest.Body([]byte("null"))) }), jwks.ErrUnavailable, []error{jwks.ErrInvalidKeySet}},
		{"the client is closed", nil, broken(func(s *scene) { s.client.Close() }), jwks.ErrUnavailable, []error{jwks.ErrClosed}},
		{"the caller gave up", cancelled, good, jwks.ErrUnavailable, []error{context.Canceled}},
		{"the caller had no time", late, good, jwks.ErrUnavailable, []error{context.DeadlineExceeded}},
		{"a bad token, and the client is closed", cancelled, func(s *scene) string { s.client.Close(); return "hello" }, jwks.ErrTokenInvalid, []error{jwt.ErrTokenMalformed}},
	} {
		t.Run(test.name, func(t *testing.T) {
			issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
			client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			v, err := jwks.NewVerifier(client, jwks.WithAudience(testkit.Audience))
			if err != nil {
				t.Fatal(err)
			}
			s := &scene{issuer, client, v}
			token := test.token(s)
			ctx := test.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			got, err := v.Verify(ctx, token)
			if test.class == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != nil || err == nil {
				t.Fatalf("got %v and %v", got, err)
			}
			testkit.CheckVerifyError(t, err, token)
			var fetch *jwks.FetchError
			if test.name == "the issuer fails" && (!errors.As(err, &fetch) || fetch.StatusCode != 500) {
				t.Errorf("no FetchError of a status 500 in %v", err)
			}
			for _, want := range append(test.want, test.class) {
				if !errors.Is(err, want) {
					t.Errorf("%v does not match %v", err, want)
				}
			}
		})
	}
}

// TestVerify_ReplacedKey: an issuer put another key under its kid.
func TestVerify_ReplacedKey(t *testing.T) {
	old, current, stranger := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k1")
	published, fetches := old, 0
	transport := testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		fetches++
		return testkit.RespondTo(r, http.StatusOK, `{"keys":[`+published.JWK()+`]}`), nil
	})
	client, err := jwks.NewClient(jwks.WithJWKSURL("https://issuer.example/keys"), jwks.WithIssuer(testkit.Issuer),
		jwks.WithHTTPClient(&http.Client{Transport: transport}), jwks.WithRefreshLimit(time.Hour, 3))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	v := testkit.NewBareVerifier(t, client, jwks.WithAudience(testkit.Audience))
	testkit.Accept(t, v, old.Token(testkit.Payload(nil)))
	published = current
	testkit.Accept(t, v, current.Token(testkit.Payload(nil)))
	testkit.Refuse(t, v, old.Token(testkit.Payload(nil)), jwt.ErrTokenSignatureInvalid)
	for range 100 {
		testkit.Refuse(t, v, stranger.Token(testkit.Payload(nil)), jwt.ErrTokenSignatureInvalid)
	}
	if fetches > 1+3 {
		t.Errorf("%d fetches, want the first and a budget of 3", fetches)
	}
}

// TestVerify_TokensFormNoURLs: no key is fetched from where a token says.
func TestVerify_TokensFormNoURLs(t *testing.T) {
	s := testkit.NewSigner(t, "ES256", "k1")
	var asked []string
	transport := testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			io.Copy(io.Discard, r.Body)
		}
		asked = append(asked, r.URL.String())
		return testkit.RespondTo(r, http.StatusOK, `{"keys":[`+s.JWK()+`]}`), nil
	})
	client, err := jwks.NewClient(jwks.WithJWKSURL("https://issuer.example/keys"), jwks.WithIssuer(testkit.Issuer), jwks.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	v := testkit.NewBareVerifier(t, client, jwks.WithAudience(testkit.Audience))
	attacker := testkit.NewSigner(t, "ES256", "k2")
	for _, header := range []string{
		`{"alg":"ES256","kid":"k2","jku":"https://evil.example/keys"}`,
		`{"alg":"ES256","kid":"https://evil.example/keys","x5u":"https://evil.example/cert"}`,
		`{"alg":"ES256","jwk":` + attacker.JWK() + `}`,
		`{"alg":"ES256","kid":"../../evil","x5c":["AAAA"]}`,
	} {
		testkit.Refuse(t, v, attacker.Sign(header, testkit.Payload(map[string]any{"iss": "https://evil.example", "jku": "https://evil.example"})), jwks.ErrTokenInvalid)
	}
	for _, url := range asked {
		if url != "https://issuer.example/keys" {
			t.Errorf("%s was asked", url)
		}
	}
}
