package jwksotel_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	jwksotel "github.com/seed-22400188/jwks/contrib/otel"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// TestSecrets_InNoMetricOrSpan feeds tokens and configured secrets to every
// instrument, and searches what comes out of the SDK for them.
func TestSecrets_InNoMetricOrSpan(t *testing.T) {
	const header, query = "header-secret-1f6b9c07d2", "query-secret-55d0b8e613"
	tel := newTelemetry(t)
	var secrets testkit.Secrets
	secrets.Add("a header", header)
	secrets.Add("a query", query)
	issuer := jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
	stranger := testkit.NewSigner(t, "ES256", "k1")
	c := clientOf(t, issuer, jwks.WithJWKSURL(issuer.JWKSURL()+"?key="+query), jwks.WithHeader("Authorization", "Bearer "+header),
		jwks.WithObserver(jwksotel.ObserverWithTracer(tel.meters, tel.traces)))
	stop, err := jwksotel.Observe(tel.meters, jwkshttp.Clients(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	plain, err := jwks.NewVerifier(c, jwks.WithAudience("api"))
	if err != nil {
		t.Fatal(err)
	}
	v := jwksotel.Verifier(plain, tel.meters, tel.traces)
	good := issuer.Sign(map[string]any{"aud": "api", "sub": "subject-of-a-token"})
	secrets.Add("a subject", "subject-of-a-token")
	secrets.Add("a kid", "a-kid-that-nobody-has")
	tokens := []string{
		good, good[:len(good)-8] + "AAAAAAAA", good + "x", "", stranger.Token(testkit.Payload(nil)), issuer.Sign(map[string]any{"exp": time.Now().Add(-time.Hour)}),
		issuer.Sign(nil, jwkstest.WithKeyID("a-kid-that-nobody-has")), issuer.Sign(map[string]any{"aud": "api", "cnf": map[string]string{"jkt": "x"}}),
	}
	accepted := 0
	for _, fault := range []jwkstest.Fault{jwkstest.None(), jwkstest.Status(http.StatusForbidden), jwkstest.DropConnection(), jwkstest.Body([]byte(query + header))} {
		issuer.SetFault(fault)
		_, _ = c.Refresh(t.Context())
		for i, token := range tokens {
			if len(token) > 100 {
				secrets.AddToken(fmt.Sprintf("token %d", i), token)
			}
			if _, err := v.Verify(context.Background(), token); err == nil {
				accepted++
			}
		}
	}
	if accepted != 4 {
		t.Errorf("%d tokens were accepted: the test shows little", accepted)
	}
	out := fmt.Sprintf("%+v", tel.collect())
	for name, m := range tel.collect() {
		out += fmt.Sprint(name, m.Description, points(t, m))
	}
	spans := tel.spans.Ended()
	for _, s := range spans {
		out += fmt.Sprintf("\n%s %v %v %+v %+v", s.Name(), s.Status(), s.Attributes(), s.Events(), s.Resource().Attributes())
	}
	if len(spans) < 4+4*len(tokens) || len(tel.collect()) != 8 {
		t.Errorf("%d spans, %d instruments", len(spans), len(tel.collect()))
	}
	if name, part := secrets.Find(out); name != "" {
		t.Errorf("%s is shown: %q", name, part)
	}
}
