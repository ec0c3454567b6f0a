package recipes

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/cfaccess"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkskube"
)

func TestRecipes_Cloudflare(t *testing.T) {
	const team, audience = "https://example.cloudflareaccess.com", "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"
	r := recipe{
		issuer: team, keys: team + "/cdn-cgi/access/certs",
		claims: map[string]any{"sub": "7335d417", "aud": []string{audience}, "email": "alice@example.com", "type": "app", "identity_nonce": "n", "country": "DE"},
	}
	signer := testkit.NewSigner(t, "RS256", "key-1")
	access, err := cfaccess.New("example", audience, cfaccess.WithHTTPClient(r.world(t, signer).HTTPClient()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = access.Close() }()
	if user, err := access.VerifyUser(t.Context(), r.token(signer, nil)); err != nil || user.Email != "alice@example.com" {
		t.Errorf("user %+v, %v", user, err)
	}
	for trap, changes := range map[string]map[string]any{
		"another application": {"aud": []string{"0000"}},
		"another team":        {"iss": "https://other.cloudflareaccess.com"},
	} {
		if _, err := access.Verify(t.Context(), r.token(signer, changes)); jwks.Reason(err) == "" {
			t.Errorf("%s was accepted", trap)
		}
	}
	service := r.token(signer, map[string]any{"sub": "", "email": nil, "common_name": "abc.access"})
	if _, err := access.VerifyEmail(t.Context(), service); err == nil {
		t.Error("a service token has an email")
	}
}

// TestRecipes_KubernetesInCluster plays the API server and the pod's files.
func TestRecipes_KubernetesInCluster(t *testing.T) {
	signer := testkit.NewSigner(t, "RS256", "key-1")
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/openid/v1/jwks" || r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = w.Write([]byte(testkit.KeySetDocument(signer.JWKWithAlg("RS256"))))
	}))
	defer server.Close()
	r := recipe{
		issuer: "https://kubernetes.default.svc.cluster.local", header: ` `,
		claims: map[string]any{
			"sub": "system:serviceaccount:billing:invoices", "aud": []string{"orders-api"},
			"kubernetes.io": map[string]any{"namespace": "billing"},
		},
	}
	root := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(root, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("token", []byte(r.token(signer, nil)))
	write("ca.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))

	options, err := jwkskube.InCluster(jwkskube.WithRoot(root), jwkskube.WithAPIServer(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	client, err := jwks.NewClient(options...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"), jwks.WithClaim("/kubernetes.io/namespace", "billing"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verifier.Verify(t.Context(), r.token(signer, nil)); err != nil {
		t.Errorf("a good token: %v", err)
	}
	other := r.token(signer, map[string]any{"kubernetes.io": map[string]any{"namespace": "default"}})
	if _, err := verifier.Verify(t.Context(), other); jwks.Reason(err) != "claim" {
		t.Errorf("another namespace: %v", err)
	}
}

// TestRecipes_Headers: the providers whose token stands alone in a header.
func TestRecipes_Headers(t *testing.T) {
	for _, r := range recipes {
		if r.name != "Google IAP" && r.name != "Cognito, access tokens" {
			continue
		}
		header := map[string]string{"Google IAP": "X-Goog-Iap-Jwt-Assertion", "Cognito, access tokens": "X-Amzn-Oidc-Accesstoken"}[r.name]
		t.Run(header, func(t *testing.T) {
			signer := testkit.NewSigner(t, r.algorithm, "key-1")
			verifier, err := jwks.NewVerifier(r.world(t, signer).NewClient(t, r.client...), r.verifier...)
			if err != nil {
				t.Fatal(err)
			}
			handler := protect(verifier, header)
			request := httptest.NewRequest("GET", "/", nil)
			request.Header.Set(header, r.token(signer, nil))
			for want, request := range map[int]*http.Request{
				http.StatusOK:           request,
				http.StatusUnauthorized: httptest.NewRequest("GET", "/", nil),
				http.StatusNoContent:    httptest.NewRequest("GET", "/healthz", nil),
			} {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, request)
				if w.Code != want {
					t.Errorf("%s: status %d, want %d", request.URL, w.Code, want)
				}
			}
		})
	}
}

// protect is on the pages, with the name of the header in place.
func protect(verifier *jwks.Verifier, header string) http.Handler {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := jwkshttp.TokenFromContext(r.Context()); !ok {
			w.WriteHeader(http.StatusNoContent)
		}
	})
	return jwkshttp.Middleware(verifier, jwkshttp.WithExtractors(jwkshttp.FromHeader(header)), jwkshttp.SkipPaths("/healthz"))(next)
}
