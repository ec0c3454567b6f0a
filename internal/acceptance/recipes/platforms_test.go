package recipes

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/awsalb"
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

// TestRecipes_AWSALB plays a load balancer: padded segments, and a key as PEM.
func TestRecipes_AWSALB(t *testing.T) {
	const arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"
	const kid = "1c1d2e3f-0000-4000-8000-000000000001"
	signer := testkit.NewSigner(t, "ES256", kid)
	der, err := x509.MarshalPKIXPublicKey(signer.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	n := testkit.NewInternet()
	n.Serve("public-keys.auth.elb.eu-west-1.amazonaws.com", map[string]string{
		"/" + kid: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	})
	alb, err := awsalb.New([]string{arn}, awsalb.WithHTTPClient(n.HTTPClient()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = alb.Close() }()

	token := func(signerARN string) string {
		header := fmt.Sprintf(`{"typ":"JWT","kid":%q,"alg":"ES256","iss":%q,"client":"3n4b5urk1ft4fl3mg5e62d9ado","signer":%q,"exp":%d}`,
			kid, cognito, signerARN, time.Now().Add(2*time.Minute).Unix())
		signed := base64.URLEncoding.EncodeToString([]byte(header)) + "." +
			base64.URLEncoding.EncodeToString([]byte(`{"sub":"u1","email":"alice@example.com"}`))
		return signed + "." + base64.URLEncoding.EncodeToString(signer.Signature(signed))
	}
	if identity, err := alb.Verify(t.Context(), token(arn)); err != nil || identity.Email != "alice@example.com" || identity.Issuer != cognito {
		t.Errorf("identity %+v, %v", identity, err)
	}
	if _, err := alb.Verify(t.Context(), token(arn+"0")); err == nil {
		t.Error("a token of another load balancer was accepted")
	}
}

// TestRecipes_Headers: the providers whose token stands alone in a header.
func TestRecipes_Headers(t *testing.T) {
	for _, r := range recipes {
		provider := map[string]string{"Google IAP": "Google IAP", "Cognito, access tokens": "AWS ALB"}[r.name]
		if provider == "" {
			continue
		}
		t.Run(provider, func(t *testing.T) {
			header := map[string]string{"Google IAP": "X-Goog-Iap-Jwt-Assertion", "AWS ALB": "X-Amzn-Oidc-Accesstoken"}[provider]
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
