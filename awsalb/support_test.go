package awsalb_test

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
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/awsalb"
)

const (
	arn  = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"
	host = "public-keys.auth.elb.eu-west-1.amazonaws.com"
)

// aws is a load balancer and the place of its keys, in memory.
type aws struct {
	t       *testing.T
	kid     string
	private *ecdsa.PrivateKey

	mu       sync.Mutex
	keys     map[string]string // PEM by URL
	status   int               // of every answer, unless 0
	hang     chan struct{}     // answers wait for it, unless nil
	requests []string
}

func newAWS(t *testing.T) *aws {
	a := &aws{t: t, keys: map[string]string{}}
	a.rotate()
	return a
}

// rotate gives the load balancer a key of a new ID.
func (a *aws) rotate() {
	a.kid, a.private = uuid(), newKey(a.t)
	a.publish("https://"+host+"/"+a.kid, &a.private.PublicKey)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func (a *aws) publish(url string, public any) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		a.t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[url] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (a *aws) set(status int, hang chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.hang = status, hang
}

func (a *aws) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.requests)
}

// RoundTrip answers a request for a key.
func (a *aws) RoundTrip(r *http.Request) (*http.Response, error) {
	a.mu.Lock()
	a.requests = append(a.requests, r.URL.String())
	status, hang := a.status, a.hang
	text, ok := a.keys[r.URL.String()]
	a.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	switch {
	case status != 0:
		text = "<Error>SECRET</Error>"
	case ok:
		status = http.StatusOK
	default:
		status = http.StatusNotFound
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (a *aws) client() *http.Client { return &http.Client{Transport: a} }

func (a *aws) validator(arns ...string) *awsalb.Validator {
	a.t.Helper()
	if arns == nil {
		arns = []string{arn}
	}
	v, err := awsalb.New(arns, awsalb.WithHTTPClient(a.client()))
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = v.Close() })
	return v
}

// header is one as AWS documents it, with some parameters changed; nil takes one
// out.
func (a *aws) header(changes map[string]any) string {
	h := map[string]any{
		"typ": "JWT", "kid": a.kid, "alg": "ES256", "signer": arn,
		"iss": "https://login.example.com", "client": "shop", "exp": time.Now().Add(2 * time.Minute).Unix(),
	}
	maps.Copy(h, changes)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(h)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

const payload = `{"sub":"2c41","email":"ana@example.com","exp":"not a time","iss":"https://login.example.com","groups":["a","b"]}`

// padded is base64url with padding, as load balancers write it.
func padded(b []byte) string { return base64.URLEncoding.EncodeToString(b) }

// token signs a token as a load balancer does.
func (a *aws) token(changes map[string]any) string { return a.sign(a.header(changes), payload) }

// forged is a token with a key ID that nobody has, and a signature of nobody.
func (a *aws) forged() string {
	header := a.header(map[string]any{"kid": uuid()})
	return padded([]byte(header)) + "." + padded([]byte(payload)) + "." + padded(make([]byte, 64))
}

func (a *aws) sign(header, payload string) string {
	return a.signText(padded([]byte(header)) + "." + padded([]byte(payload)))
}

func (a *aws) signText(signed string) string {
	return signed + "." + padded(a.signature(signed))
}

func (a *aws) signature(signed string) []byte {
	digest := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, a.private, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// uuid makes a random one.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// mustBe fails unless err is of exactly one class, class, and matches the
// reasons. It checks that the text is one line without what must not be shown.
func mustBe(t *testing.T, err, class error, reasons ...error) {
	t.Helper()
	if err == nil {
		t.Error("no error")
		return
	}
	if errors.Is(err, jwks.ErrTokenInvalid) == errors.Is(err, jwks.ErrUnavailable) {
		t.Errorf("%v is not of exactly one class", err)
	}
	for _, reason := range append(reasons, class) {
		if !errors.Is(err, reason) {
			t.Errorf("%q does not match %v", err, reason)
		}
	}
	if text := err.Error(); strings.ContainsAny(text, "\n") || strings.Contains(text, "SECRET") || strings.Contains(text, "ana@") {
		t.Errorf("%q", text)
	}
}
