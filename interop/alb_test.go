package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/awsalb"
)

// loadBalancer signs as those of AWS do.
type loadBalancer struct {
	private *ecdsa.PrivateKey
	header  map[string]any
	payload map[string]any
}

const (
	albARN    = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"
	albIssuer = "https://login.example.com"
)

func newLoadBalancer(t *testing.T) *loadBalancer {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	exp := time.Now().Add(2 * time.Minute).Unix()
	return &loadBalancer{private,
		map[string]any{"typ": "JWT", "alg": "ES256", "kid": "a5b3f0de-7f2c-4f4e-8c3e-2f1f0c8f5a10", "signer": albARN, "iss": albIssuer, "client": "shop", "exp": exp},
		map[string]any{"sub": "alice", "email": "alice@example.com", "exp": exp, "iss": albIssuer},
	}
}

func (l *loadBalancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/"+l.header["kid"].(string) {
		http.NotFound(w, r)
		return
	}
	der, err := x509.MarshalPKIXPublicKey(l.private.Public())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = pem.Encode(w, &pem.Block{Type: "PUBLIC KEY", Bytes: der}) // the client sees what is missing
}

// token is one with some members of its header and payload changed.
func (l *loadBalancer) token(t *testing.T, header, payload map[string]any) string {
	t.Helper()
	segment := func(base, changes map[string]any) string {
		all := maps.Clone(base)
		maps.Copy(all, changes)
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return base64.URLEncoding.EncodeToString(text)
	}
	signed := segment(l.header, header) + "." + segment(l.payload, payload)
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, l.private, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.URLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// TestALB_AWSJWTVerify gives the same tokens to package awsalb and to AWS's own
// library, and wants the same verdicts.
func TestALB_AWSJWTVerify(t *testing.T) {
	balancer := newLoadBalancer(t)
	server := httptest.NewTLSServer(balancer)
	t.Cleanup(server.Close)
	theirs := start(t, node("aws-alb.mjs", "aws-jwt-verify"), map[string]any{
		"arn": albARN, "issuer": albIssuer, "client": "shop", "keys": server.URL, "ca": certificateFile(t, server),
	})
	ours, err := awsalb.New([]string{albARN}, awsalb.WithHTTPClient(server.Client()), awsalb.WithBaseURL(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })

	row := results.row(t, albTable, "aws-jwt-verify", theirs.ready.Version)
	verdicts := func(t *testing.T, token string, good bool) {
		t.Helper()
		id, err := ours.Verify(t.Context(), token)
		if good != (err == nil) || err != nil && !errors.Is(err, jwks.ErrTokenInvalid) || err == nil && id.Subject != "alice" {
			t.Errorf("ours: %+v, %v", id, err)
		}
		a, err := theirs.try(map[string]any{"do": "verify", "token": token})
		if said := refusal(""); good != (err == nil) || err != nil && !errors.As(err, &said) || err == nil && a.Subject != "alice" {
			t.Errorf("theirs: %+v, %v", a, err)
		}
	}
	past := time.Now().Add(-time.Hour).Unix()
	good := balancer.token(t, nil, nil)
	for _, step := range []struct {
		name, token string
		good        bool
	}{
		{"token", good, true},
		{"expired", balancer.token(t, map[string]any{"exp": past}, map[string]any{"exp": past}), false},
		{"another signer", balancer.token(t, map[string]any{"signer": strings.Replace(albARN, "web", "wiki", 1)}, nil), false},
		{"another algorithm", balancer.token(t, map[string]any{"alg": "ES384"}, nil), false},
		{"unknown key", balancer.token(t, map[string]any{"kid": "a5b3f0de-7f2c-4f4e-8c3e-2f1f0c8f5a11"}, nil), false},
		{"kid is not a UUID", balancer.token(t, map[string]any{"kid": "../secret"}, nil), false},
		{"forged", forged(good), false},
	} {
		row.step(t, step.name, func(t *testing.T) { verdicts(t, step.token, step.good) })
	}
}
