package interop

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// TestIssuer_Zitadel runs the example server of zitadel/oidc. Its tokens are ID
// tokens: each comes from a login with name and password, a redirect and a code,
// as a browser goes through it.
func TestIssuer_Zitadel(t *testing.T) {
	server := &goServer{address: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	url := "http://" + server.address
	const client, secret, back = "interop", "a-secret-of-this-test", "http://127.0.0.1/back"
	storage.RegisterClients(storage.WebClient(client, secret, back))
	keys := &rotatingStorage{Storage: storage.NewStorage(storage.NewUserStore(url))}
	keys.rotate(t)
	server.handler = exampleop.SetupServer(url, keys, slog.New(slog.DiscardHandler), false)
	server.start(t)
	t.Cleanup(func() { server.stop(t) })

	i := &issuer{
		name: "zitadel/oidc, example server", version: moduleVersion(t, "github.com/zitadel/oidc/v3"), url: url,
		algorithms: []string{"RS256"}, audience: client, discovery: true,
		mint: func(ctx context.Context, _, _ string) (string, error) {
			return login(ctx, url, client, secret, back)
		},
		rotate: keys.rotate,
		retire: keys.retire,
		stop:   server.stop,
		start:  server.start,
	}
	i.examine(t)
}

// rotatingStorage is the example's storage, whose one key never changes, with a
// key set that does.
type rotatingStorage struct {
	*storage.Storage

	mu   sync.Mutex
	keys []zitadelKey // the first signs
}

type zitadelKey struct {
	id      string
	private *rsa.PrivateKey
}

func (k zitadelKey) ID() string                                  { return k.id }
func (k zitadelKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k zitadelKey) Key() any                                    { return k.private }

type zitadelPublicKey struct{ zitadelKey }

func (k zitadelPublicKey) Algorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k zitadelPublicKey) Use() string                        { return "sig" }
func (k zitadelPublicKey) Key() any                           { return &k.private.PublicKey }

func (s *rotatingStorage) SigningKey(context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[0], nil
}

func (s *rotatingStorage) KeySet(context.Context) (keys []op.Key, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		keys = append(keys, zitadelPublicKey{k})
	}
	return keys, nil
}

func (s *rotatingStorage) rotate(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append([]zitadelKey{{rand.Text(), private}}, s.keys...)
}

func (s *rotatingStorage) retire(*testing.T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[:1]
}

// login goes through the authorization code flow (OpenID Connect Core 3.1) and
// returns the ID token.
func login(ctx context.Context, issuer, clientID, secret, back string) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), back) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	query := url.Values{
		"client_id": {clientID}, "redirect_uri": {back}, "response_type": {"code"},
		"scope": {"openid"}, "state": {rand.Text()}, "nonce": {rand.Text()},
	}
	page, err := visit(ctx, browser, http.MethodGet, issuer+"/auth?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(issuer, "http://"), ":")
	form := url.Values{"username": {"test-user@" + host}, "password": {"verysecure"}, "id": {page.Request.URL.Query().Get("authRequestID")}}
	end, err := visit(ctx, browser, http.MethodPost, issuer+"/login/username", form)
	if err != nil {
		return "", err
	}
	target, err := end.Location()
	if err != nil {
		return "", fmt.Errorf("the login did not end in a redirect to the client: %s, %w", end.Status, err)
	}
	form = url.Values{"grant_type": {"authorization_code"}, "code": {target.Query().Get("code")}, "redirect_uri": {back}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, issuer+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(clientID, secret)
	answer, err := send(browser, r)
	if err == nil && answer.IDToken == "" {
		err = errors.New("no id_token in the answer")
	}
	return answer.IDToken, err
}

func visit(ctx context.Context, browser *http.Client, method, address string, form url.Values) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := browser.Do(r)
	if err != nil {
		return nil, err
	}
	return response, response.Body.Close()
}

// goServer is a server of this process that can stop and come back on its port.
type goServer struct {
	address string
	handler http.Handler
	running *http.Server
}

func (s *goServer) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.running = &http.Server{Handler: s.handler}
	go s.running.Serve(listener)
}

func (s *goServer) stop(t *testing.T) {
	t.Helper()
	if err := s.running.Close(); err != nil {
		t.Error(err)
	}
}
