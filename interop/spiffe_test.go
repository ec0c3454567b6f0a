package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"

	"github.com/seed-22400188/jwks"
)

// TestIssuer_SPIFFE reads the bundle that go-spiffe's federation handler serves
// (SPIFFE Trust Domain and Bundle): its keys for JWT-SVIDs have the use jwt-svid,
// and beside them are those for X.509, which are not for tokens.
func TestIssuer_SPIFFE(t *testing.T) {
	domain := spiffeid.RequireTrustDomainFromString("example.org")
	a := &authority{bundle: spiffebundle.New(domain)}
	a.bundle.AddX509Authority(x509Authority(t, domain))
	a.rotate(t)
	handler, err := federation.NewHandler(domain, a.bundle)
	if err != nil {
		t.Fatal(err)
	}
	server := &goServer{address: fmt.Sprintf("127.0.0.1:%d", freePort(t)), handler: handler}
	server.start(t)
	t.Cleanup(func() { server.stop(t) })

	i := &issuer{
		name: "go-spiffe, federation handler", version: moduleVersion(t, "github.com/spiffe/go-spiffe/v2"),
		algorithms: []string{"ES256"}, others: 1,
		source: []jwks.ClientOption{jwks.WithJWKSURL("http://" + server.address), jwks.WithKeyUses("jwt-svid")},
		policy: []jwks.VerifierOption{jwks.WithoutIssuerCheck()}, // a JWT-SVID has no issuer, its subject says who it is
		mint:   a.mint,
		rotate: a.rotate,
		retire: a.retire,
		stop:   server.stop,
		start:  server.start,
	}
	i.examine(t)

	t.Run("without WithKeyUses", func(t *testing.T) {
		client := i.client(t)
		i.source = i.source[:1]
		if err := client.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		if err := i.client(t).Ready(t.Context()); err == nil {
			t.Error("a key of the use jwt-svid counts without being asked for")
		}
	})
}

// authority signs JWT-SVIDs, as a SPIFFE server does, and publishes its keys in a
// bundle.
type authority struct {
	bundle *spiffebundle.Bundle

	mu   sync.Mutex
	keys []spiffeKey // the first signs
}

type spiffeKey struct {
	id      string
	private *ecdsa.PrivateKey
}

func (a *authority) rotate(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := rand.Text()
	if err := a.bundle.AddJWTAuthority(id, private.Public()); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = append([]spiffeKey{{id, private}}, a.keys...)
}

func (a *authority) retire(*testing.T) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, old := range a.keys[1:] {
		a.bundle.RemoveJWTAuthority(old.id)
	}
	a.keys = a.keys[:1]
}

// mint signs a JWT-SVID, which must be one to go-spiffe too.
func (a *authority) mint(_ context.Context, audience, _ string) (string, error) {
	a.mu.Lock()
	key := a.keys[0]
	a.mu.Unlock()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"sub": "spiffe://example.org/orders", "aud": []string{audience},
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	})
	token.Header["kid"] = key.id
	signed, err := token.SignedString(key.private)
	if err != nil {
		return "", err
	}
	_, err = jwtsvid.ParseAndValidate(signed, a.bundle, []string{audience})
	return signed, err
}

// x509Authority is a certificate authority of a trust domain.
func x509Authority(t *testing.T, domain spiffeid.TrustDomain) *x509.Certificate {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: domain.Name()}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
		URIs: []*url.URL{domain.ID().URL()},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}
