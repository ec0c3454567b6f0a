package invariants

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// logBuffer collects what is logged, on every level.
type logBuffer struct {
	mu      sync.Mutex
	written strings.Builder
}

func (j *logBuffer) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.written.Write(p)
}

func (j *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (j *logBuffer) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.written.String()
}

// hostileLogText is what a sender would like to have in somebody's logs.
var hostileLogText = "Zq\r\nlevel=ERROR\x1b[31m\x00\u202e\u2028" + strings.Repeat("Zq", 1500)

// checkDiscreet checks one text that mentions foreign input.
func checkDiscreet(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	if strings.Contains(text, strings.Repeat("Zq", 33)) {
		t.Errorf("%s: more than 64 bytes of foreign text: %.200q", where, text)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%s: %.200q is not one printable line", where, text)
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%s: %.200q has the secret %.20q", where, text, secret)
		}
	}
}

// everyText lists the texts of an error and of all below it.
func everyText(err error) []string {
	if err == nil {
		return nil
	}
	texts := []string{err.Error()}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		texts = append(texts, everyText(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			texts = append(texts, everyText(err)...)
		}
	}
	return texts
}

func TestInvariant23_ErrorsAndLogsKeepSecrets(t *testing.T) {
	eachCacheModeInBubble(t, func(t *testing.T, mode cacheMode) {
		env := testkit.NewEnv(t)
		log := new(logBuffer)
		const apiKey = "api-key-7f3a9c1e5b"
		c := env.NewClientWithoutIssuer(jwks.WithIssuer(env.Issuer.URL()), jwks.WithJWKSURL(env.Issuer.JWKSURL()+"?key="+apiKey), jwks.WithHeader("X-Api-Key", apiKey), jwks.WithLogger(log.logger()))
		v := mode.verifier(t, c, jwks.WithAudience("api"), jwks.WithRequiredClaims("tenant"), jwks.WithTokenTypes("JWT"), jwks.WithAuthorizedParties("me"), jwks.WithMaxTokenAge(time.Hour))
		attacker := testkit.NewSigner(t, "ES256", "k1")
		good := map[string]any{"aud": "api", "tenant": "t", "azp": "me"}
		plus := func(name string, value any) map[string]any {
			m := map[string]any{name: value}
			for k, v := range good {
				if k != name {
					m[k] = v
				}
			}
			return m
		}
		testkit.Accept(t, v, env.Issuer.Sign(good))
		var tokens []string
		for _, name := range []string{"kid", "alg", "typ", "x5t", "x5t#S256", "crit", "b64", "jku", hostileLogText} {
			tokens = append(tokens, env.Issuer.Sign(good, jwkstest.WithHeader(name, hostileLogText)), env.Issuer.Sign(good, jwkstest.WithHeader(name, []string{hostileLogText})))
		}
		for _, name := range []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "tid", "scope", "tenant"} {
			for _, value := range []any{hostileLogText, []string{hostileLogText, hostileLogText, hostileLogText}, map[string]any{hostileLogText: hostileLogText}, 1, -1} {
				tokens = append(tokens, env.Issuer.Sign(plus(name, value)))
			}
		}
		honest := env.Issuer.Sign(good)
		tokens = append(tokens,
			attacker.Token(`{"iss":"`+env.Issuer.URL()+`","exp":9999999999,"sub":`+testkit.Quote(hostileLogText)+`}`),
			attacker.Token(`{"iss":`+testkit.Quote(hostileLogText)+`}`), attacker.Token(hostileLogText), attacker.Sign(hostileLogText, "{}"), attacker.Token(`{`+testkit.Quote(hostileLogText)+`:1,`+testkit.Quote(hostileLogText)+`:1}`),
			honest+"x", honest+"\n", honest[:len(honest)-2], strings.Replace(honest, ".", "..", 1), hostileLogText, strings.Repeat(honest, 50), "Basic "+honest, honest+" "+honest)
		for _, token := range tokens {
			raw := token[strings.LastIndexByte(token, '.')+1:]
			secrets := []string{apiKey}
			if signature, err := base64.RawURLEncoding.DecodeString(raw); err == nil && len(signature) > 16 {
				secrets = append(secrets, raw[:16], string(signature[:8]))
			}
			_, err := v.Verify(t.Context(), token)
			_, keyErr := c.KeyForToken(t.Context(), token)
			for _, err := range []error{err, keyErr} {
				if err == nil {
					continue // not all is wrong to everybody
				}
				checkDiscreet(t, "error", err.Error(), secrets...)
				if token != hostileLogText {
					testkit.CheckVerifyError(t, err, token)
				}
				for _, text := range everyText(err) {
					checkDiscreet(t, "below "+err.Error(), text, secrets...)
				}
			}
		}
		// A source of the program's own, and its checks, may say anything.
		for _, loud := range []error{errors.New(hostileLogText), jwks.ErrKeyNotFound, &jwks.FetchError{URL: "https://u:" + apiKey + "@x.example/?k=" + apiKey + hostileLogText, Err: errors.New(hostileLogText)}} {
			failing := mode.verifier(t, testkit.SourceFunc(func(context.Context, jwks.Header, string) ([]*jwks.Key, error) { return nil, loud }), jwks.WithoutAudienceCheck(), jwks.WithoutIssuerCheck())
			_, err := failing.Verify(t.Context(), honest)
			if err == nil {
				t.Fatal("accepted")
			}
			if _, ours := loud.(*jwks.FetchError); !ours { // whose cause is for its maker to keep short
				checkDiscreet(t, "source", err.Error(), apiKey)
			}
			refusing := mode.verifier(t, c, jwks.WithoutAudienceCheck(), jwks.WithCheck(func(context.Context, *jwks.Token) error { return loud }))
			if _, err = refusing.Verify(t.Context(), honest); err == nil {
				t.Fatal("accepted")
			}
			checkDiscreet(t, "check", err.Error())
		}

		// What a server says.
		key := testkit.NewSigner(t, "ES256", hostileLogText[:200])
		for _, reply := range []func(*http.Request) *http.Response{
			func(*http.Request) *http.Response {
				return testkit.Response(500, "body-secret-of-the-answer "+hostileLogText)
			},
			func(*http.Request) *http.Response {
				return testkit.Response(200, "body-secret-of-the-answer "+hostileLogText)
			},
			func(*http.Request) *http.Response {
				return testkit.Response(200, `{"keys":[],"body-secret-of-the-answer":1}`)
			},
			func(*http.Request) *http.Response {
				return testkit.Response(302, "", "Location", "http://x/"+hostileLogText[:3000]+"?"+apiKey)
			},
			func(*http.Request) *http.Response {
				return testkit.Response(503, "", "Retry-After", hostileLogText[:3000])
			},
			func(*http.Request) *http.Response {
				return testkit.Response(200, `{"keys":[`+key.JWK()+`,{"kty":`+testkit.Quote(hostileLogText)+`,"kid":"x"},{"kty":"oct","k":"body-secret-of-the-answer"},{"kty":"RSA","n":"body-secret-of-the-answer"}]}`)
			},
		} {
			env.ReplyWith(func(r *http.Request) *http.Response {
				if r.URL.Path == testkit.KeySetPath {
					return reply(r)
				}
				return nil
			})
			if _, err := c.Refresh(t.Context()); err != nil {
				checkDiscreet(t, "refresh", err.Error(), apiKey, "body-secret")
				for _, text := range everyText(err) { // down to what net/http says, in its own words
					if strings.Contains(text, "body-secret") {
						t.Errorf("below %v: %.200q shows the body", err, text)
					}
				}
			}
			_, err := v.Verify(t.Context(), honest)
			if err != nil {
				checkDiscreet(t, "verify", err.Error(), apiKey, "body-secret")
			}
			for _, skipped := range c.Status().Skipped {
				checkDiscreet(t, "skipped", skipped.Err.Error(), apiKey, "body-secret")
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Hour)
		_, _ = c.Key(t.Context(), hostileLogText[:100])
		synctest.Wait()
		told := log.text()
		for line := range strings.Lines(told) {
			checkDiscreet(t, "log", strings.TrimSuffix(line, "\n"), apiKey, "body-secret", honest[:20], honest[len(honest)-20:])
		}
		if strings.Count(told, "\n") < 5 || !strings.Contains(told, "refresh failed") {
			t.Errorf("the log has nothing to check: %s", told)
		}
	})
}
