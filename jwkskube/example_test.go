package jwkskube_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkskube"
	"github.com/seed-22400188/jwks/jwkstest"
)

// In a pod, InCluster needs no option. Here a folder and a server stand for what
// the cluster gives to a pod.
func ExampleInCluster() {
	issuer, server, root := fakeCluster()
	defer issuer.Close()
	defer server.Close()
	defer os.RemoveAll(root)

	options, err := jwkskube.InCluster(jwkskube.WithRoot(root), jwkskube.WithAPIServer(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := jwks.NewClient(options...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"), jwks.WithClaim("/kubernetes.io/namespace", "billing"))
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := verifier.Verify(context.Background(), issuer.Sign(map[string]any{
		"sub": "system:serviceaccount:billing:invoices", "aud": []string{"orders-api"},
		"kubernetes.io": map[string]any{"namespace": "billing"},
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Subject())
	// Output: system:serviceaccount:billing:invoices
}

// Issuer is for a service that trusts other issuers besides the cluster's.
func ExampleIssuer() {
	fake, server, root := fakeCluster()
	defer fake.Close()
	defer server.Close()
	defer os.RemoveAll(root)

	issuer, err := jwkskube.Issuer(jwkskube.WithRoot(root))
	if err != nil {
		fmt.Println(err)
		return
	}
	options, err := jwkskube.InCluster(jwkskube.WithRoot(root), jwkskube.WithAPIServer(server.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	issuers, err := jwks.NewIssuers(
		jwks.TrustIssuer(issuer, options...),
		jwks.TrustIssuers("https://login.example.com/"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuers.Close()
	fmt.Println(issuer)
	// Output: https://kubernetes.default.svc.cluster.local
}

// fakeCluster is an API server and the files of a service account.
func fakeCluster() (issuer *jwkstest.Issuer, server *httptest.Server, root string) {
	issuer = jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://kubernetes.default.svc.cluster.local"))
	server = httptest.NewTLSServer(http.StripPrefix("/openid/v1", issuer.Handler()))
	root, err := os.MkdirTemp("", "serviceaccount")
	if err != nil {
		panic(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, content := range map[string][]byte{"ca.crt": ca, "token": []byte(issuer.Sign(nil))} {
		if err := os.WriteFile(filepath.Join(root, name), content, 0o600); err != nil {
			panic(err)
		}
	}
	return issuer, server, root
}
