package conformance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	jwxjwk "github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/seed-22400188/jwks"
)

// What every judge is told: one issuer, one audience, the asymmetric
// algorithms, no leeway where it can be chosen, and the time.
const (
	issuer   = "https://issuer.example"
	audience = "https://api.example"
	jwksURL  = "https://issuer.example/jwks"
)

var now = time.Date(2026, time.November, 22, 12, 0, 0, 0, time.UTC)

var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}

// judges is a set of libraries.
type judges uint8

const (
	ours judges = 1 << iota
	withKeyfunc
	goOIDC
	withJWX

	others = withKeyfunc | goOIDC | withJWX
)

// sitting is how a judge gets the key set, and what judges tokens then. wanted
// is the "typ" that the program wants, if any. A verdict comes with the subject
// that the program would see.
type sitting func(ctx context.Context, client *http.Client, wanted string) (func(token string) (subject string, err error), error)

// bench lists the judges in the order of the table. Each one fetches the key
// set as its documentation shows, and gives a function that judges tokens.
var bench = []struct {
	judge   judges
	name    string
	modules []string // itself, and what it leaves the work to
	sit     sitting
}{
	{ours, "this library", nil, sitOurs},
	{withKeyfunc, "keyfunc", []string{"github.com/MicahParks/keyfunc/v3", "github.com/MicahParks/jwkset", "github.com/golang-jwt/jwt/v5"}, sitKeyfunc},
	{goOIDC, "go-oidc", []string{"github.com/coreos/go-oidc/v3", "github.com/go-jose/go-jose/v4"}, sitOIDC},
	{withJWX, "jwx", []string{"github.com/lestrrat-go/jwx/v3"}, sitJWX},
}

func sitOurs(ctx context.Context, client *http.Client, wanted string) (func(string) (string, error), error) {
	source, err := jwks.NewClient(jwks.WithJWKSURL(jwksURL), jwks.WithHTTPClient(client))
	if err != nil {
		return nil, err
	}
	options := []jwks.VerifierOption{jwks.WithExpectedIssuer(issuer), jwks.WithAudience(audience),
		jwks.WithLeeway(0), jwks.WithNow(func() time.Time { return now })}
	if wanted != "" {
		options = append(options, jwks.WithTokenTypes(wanted))
	}
	verifier, err := jwks.NewVerifier(source, options...)
	if err != nil {
		return nil, err
	}
	return func(token string) (string, error) {
		verified, err := verifier.Verify(ctx, token)
		if err != nil {
			return "", err
		}
		return verified.Subject(), nil
	}, nil
}

func sitKeyfunc(ctx context.Context, client *http.Client, _ string) (func(string) (string, error), error) {
	report := false // an error of the first fetch is returned then
	source, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{jwksURL}, keyfunc.Override{
		Client:                    client,
		NoErrorReturnFirstHTTPReq: &report,
		RefreshErrorHandlerFunc:   func(string) func(context.Context, error) { return func(context.Context, error) {} },
	})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithValidMethods(asymmetric), jwt.WithTimeFunc(func() time.Time { return now }))
	return func(token string) (string, error) {
		var claims jwt.RegisteredClaims
		_, err := parser.ParseWithClaims(token, &claims, source.KeyfuncCtx(ctx))
		return claims.Subject, err
	}, nil
}

func sitOIDC(ctx context.Context, client *http.Client, _ string) (func(string) (string, error), error) {
	source := oidc.NewRemoteKeySet(oidc.ClientContext(ctx, client), jwksURL)
	verifier := oidc.NewVerifier(issuer, source, &oidc.Config{
		ClientID: audience, SupportedSigningAlgs: asymmetric, Now: func() time.Time { return now },
	})
	return func(token string) (string, error) {
		verified, err := verifier.Verify(ctx, token)
		if err != nil {
			return "", err
		}
		return verified.Subject, nil
	}, nil
}

func sitJWX(ctx context.Context, client *http.Client, _ string) (func(string) (string, error), error) {
	source, err := jwxjwk.Fetch(ctx, jwksURL, jwxjwk.WithHTTPClient(client))
	if err != nil {
		return nil, err
	}
	return func(token string) (string, error) {
		verified, err := jwxjwt.ParseString(token, jwxjwt.WithKeySet(source), jwxjwt.WithValidate(true),
			jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience), jwxjwt.WithRequiredClaim("exp"),
			jwxjwt.WithClock(jwxjwt.ClockFunc(func() time.Time { return now })))
		if err != nil {
			return "", err
		}
		subject, _ := verified.Subject()
		return subject, nil
	}, nil
}

// publisher serves one key set in memory, and remembers what else was asked
// for.
type publisher struct {
	document string

	mu    sync.Mutex
	stray []string
}

func (p *publisher) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := http.StatusOK, p.document
	if r.URL.String() != jwksURL {
		p.mu.Lock()
		p.stray = append(p.stray, r.URL.String())
		p.mu.Unlock()
		status, body = http.StatusNotFound, ""
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

func (p *publisher) strayRequests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stray
}

// The verdicts. One that accepts names a subject other than the ordinary one.
const (
	accepts = "accepts"
	refuses = "refuses"
)

// judged is what one judge says of one token, and its error.
func judged(ctx context.Context, sit sitting, p *publisher, tr *trial) (verdict string, err error) {
	defer func() {
		if r := recover(); r != nil {
			verdict, err = "panics", fmt.Errorf("panic: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	verify, err := sit(ctx, &http.Client{Transport: p}, tr.wanted)
	if err != nil {
		return refuses, fmt.Errorf("reading the key set: %w", err)
	}
	subject, err := verify(tr.token)
	switch {
	case err != nil:
		return refuses, err
	case subject != "user":
		return accepts + " as " + subject, nil
	default:
		return accepts, nil
	}
}

// versionOf reads a module's version from go.mod.
func versionOf(t *testing.T, module string) string {
	t.Helper()
	text, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\s+` + regexp.QuoteMeta(module) + ` (v\S+)`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("go.mod does not require %s", module)
	}
	return string(found[1])
}
