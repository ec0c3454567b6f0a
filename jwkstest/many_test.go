package jwkstest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestSign_TimesAreNumericDates(t *testing.T) {
	issuer := small(t)
	moment := time.Date(2026, time.March, 1, 12, 0, 0, 999_999_999, time.FixedZone("", 3600))
	claims := map[string]any{"exp": moment, "nbf": moment.Add(-time.Hour), "auth_time": moment, "iat": time.Time{}, "text": "x",
		"pointer": &moment, "nested": map[string]any{"at": moment}}
	_, got := decode(t, issuer.Sign(claims))
	for name, want := range map[string]any{"exp": float64(moment.Unix()), "nbf": float64(moment.Unix() - 3600), "auth_time": float64(moment.Unix()),
		"iat": float64(time.Time{}.Unix()), "text": "x", "pointer": moment.Format(time.RFC3339Nano)} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if _, ok := claims["exp"].(time.Time); !ok {
		t.Error("the caller's map was changed")
	}
}

func TestWithoutKeyIDs_KeysAndTokens(t *testing.T) {
	issuer := small(t, jwkstest.WithoutKeyIDs())
	if kid := issuer.AddKey("ES384"); kid != "k2" {
		t.Errorf("AddKey returns %q", kid)
	}
	if kid := issuer.Rotate(); kid != "k3" {
		t.Errorf("Rotate returns %q", kid)
	}
	body := get(t, issuer, issuer.JWKSURL()).body
	if keys := parseKeys(t, body); len(keys) != 3 || strings.Contains(string(body), `"kid"`) {
		t.Errorf("key set %s", body)
	}
	for name, test := range map[string]struct {
		opts []jwkstest.SignOption
		want map[string]any
	}{
		"the newest":      {nil, map[string]any{"alg": "ES256", "typ": "JWT"}},
		"one of its keys": {[]jwkstest.SignOption{jwkstest.WithKeyID("k2")}, map[string]any{"alg": "ES384", "typ": "JWT"}},
		"an unknown key":  {[]jwkstest.SignOption{jwkstest.WithKeyID("k9")}, map[string]any{"alg": "ES256", "typ": "JWT", "kid": "k9"}},
		"a header":        {[]jwkstest.SignOption{jwkstest.WithHeader("kid", "k9")}, map[string]any{"alg": "ES256", "typ": "JWT", "kid": "k9"}},
	} {
		if header, _ := decode(t, issuer.Sign(nil, test.opts...)); fmt.Sprint(header) != fmt.Sprint(test.want) {
			t.Errorf("%s: header %v, want %v", name, header, test.want)
		}
	}
	issuer.RemoveKey("k3")
	if keys := publishedKeys(t, issuer); len(keys) != 2 {
		t.Errorf("%d keys after one was removed", len(keys))
	}
}

func TestHTTPClient_ReachesEach(t *testing.T) {
	a := small(t, jwkstest.WithBaseURL("https://a.example"))
	b := small(t, jwkstest.WithBaseURL("https://b.example"))
	tenant1 := small(t, jwkstest.WithBaseURL("https://a.example"), jwkstest.WithPath("/one"))
	tenant2 := small(t, jwkstest.WithBaseURL("https://a.example"), jwkstest.WithPath("/{tenantid}/v2.0"))
	all := []*jwkstest.Issuer{a, b, tenant1, tenant2}
	client := jwkstest.HTTPClient(all...)
	all[0] = nil // the client keeps its own list
	for _, i := range []*jwkstest.Issuer{a, b, tenant1, tenant2} {
		for _, place := range []string{i.JWKSURL(), discoveryURL(i)} {
			g, err := send(t, client, http.MethodGet, strings.Replace(place, "{tenantid}", "t1", 1))
			if err != nil || g.status != http.StatusOK {
				t.Errorf("%s: status %d, %v", place, g.status, err)
				continue
			}
			var document struct{ Issuer string }
			if err := json.Unmarshal(g.body, &document); err != nil {
				t.Fatal(err)
			}
			if document.Issuer != "" && document.Issuer != i.URL() {
				t.Errorf("%s is answered by %s", place, document.Issuer)
			}
		}
		if got := i.Requests(); got.Discovery != 1 || got.JWKS != 1 {
			t.Errorf("%s got %+v", i.URL(), got)
		}
	}
	if g, err := send(t, client, http.MethodGet, "https://b.example/nothing"); err != nil || g.status != http.StatusNotFound {
		t.Errorf("no document: %d, %v", g.status, err)
	}
	b.Close()
	if _, err := send(t, client, http.MethodGet, b.JWKSURL()); err == nil {
		t.Error("a closed issuer answers")
	}
	for _, c := range []*http.Client{client, jwkstest.HTTPClient()} {
		var dns *net.DNSError
		if _, err := send(t, c, http.MethodGet, "https://c.example/jwks"); !errors.As(err, &dns) || !dns.IsNotFound {
			t.Errorf("another host: %v", err)
		}
	}
}

func TestHTTPClient_TwoOfOneURLPanic(t *testing.T) {
	a, b := small(t), small(t)
	if got := fmt.Sprint(panicOf(func() { jwkstest.HTTPClient(a, b) })); !strings.Contains(got, "two issuers are at "+a.URL()) {
		t.Errorf("panics with %q", got)
	}
	jwkstest.HTTPClient(a, a) // one issuer twice is one
}

func TestVerifier_OfAnIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := small(t)
		v := issuer.Verifier(t, jwks.WithAudience("my-api"))
		token, err := v.Verify(t.Context(), issuer.Sign(map[string]any{"aud": "my-api", "exp": time.Now().Add(time.Minute)}))
		if err != nil || token.Subject() != "user" || token.Issuer() != issuer.URL() {
			t.Fatalf("%v, %v", token, err)
		}
		for want, claims := range map[error]map[string]any{
			jwt.ErrTokenInvalidAudience: {"aud": "another"},
			jwt.ErrTokenInvalidIssuer:   {"aud": "my-api", "iss": "https://b.example"},
			jwt.ErrTokenExpired:         {"aud": "my-api", "exp": time.Now().Add(-time.Minute)},
		} {
			if _, err := v.Verify(t.Context(), issuer.Sign(claims)); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		ahead := issuer.AddKey("ES256")
		if _, err := v.Verify(t.Context(), issuer.Sign(map[string]any{"aud": "my-api"}, jwkstest.WithKeyID(ahead))); err != nil {
			t.Errorf("a key that was published ahead: %v", err)
		}
	})
}

func TestVerifier_OfOtherIssuers(t *testing.T) {
	for _, issuer := range []*jwkstest.Issuer{
		small(t, jwkstest.WithBaseURL("http://issuer.example")),
		small(t, jwkstest.WithPath("/{tenantid}/v2.0")),
	} {
		v := issuer.Verifier(t, jwks.WithoutAudienceCheck())
		if _, err := v.Verify(t.Context(), issuer.Sign(map[string]any{"tid": "4d8d4ba5-6b3c-4d3e-9f5e-0c2b5a1d7e60"})); err != nil {
			t.Errorf("%s: %v", issuer.URL(), err)
		}
	}
}

func TestVerifier_EndsWithTheTest(t *testing.T) {
	issuer := small(t)
	var stand fakeTB
	v := issuer.Verifier(&stand, jwks.WithoutAudienceCheck())
	stand.finish()
	if _, err := v.Verify(t.Context(), issuer.Sign(nil)); !errors.Is(err, jwks.ErrClosed) {
		t.Errorf("after its test: %v", err)
	}
	other := &fakeTB{}
	if got := panicOf(func() { issuer.Verifier(other) }); got != other || !strings.Contains(fmt.Sprint(other.fatal...), "WithAudience") {
		t.Errorf("without an audience: %v, %v", got, other.fatal)
	}
	other.finish()
}
