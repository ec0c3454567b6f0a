package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/mcp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const (
	resource = "https://notes.example/mcp"
	scope    = "notes:read"
)

// world is an authorization server, the MCP server, and a network in memory
// between them and their clients, so that it fits into a testing/synctest bubble.
type world struct {
	issuer  *jwkstest.Issuer
	network *http.Transport

	mu       sync.Mutex
	requests []string // what the MCP server answered: "POST /mcp 401"
	grants   map[string]grant
}

// grant is what a user consented to.
type grant struct{ user, scope, challenge string }

func newWorld(t *testing.T, opts ...jwks.ClientOption) *world {
	t.Helper()
	w := &world{issuer: jwkstest.New(t, jwkstest.WithAlgorithms("ES256")), grants: make(map[string]grant)}
	keys, err := jwks.NewClient(append(opts, jwks.WithIssuer(w.issuer.URL()), jwks.WithHTTPClient(w.issuer.HTTPClient()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keys.Close() })
	verifier, err := jwks.NewVerifier(keys, jwks.WithAudience(resource))
	if err != nil {
		t.Fatal(err)
	}
	notes, err := newHandler(verifier, jwksmcp.Options{
		Resource: resource, AuthorizationServers: []string{w.issuer.URL()}, Scopes: []string{scope},
	})
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]*listener{
		"notes.example:443":           serve(t, w.recorded(notes)),
		"issuer.jwkstest.example:443": serve(t, w.authorizationServer()),
	}
	w.network = &http.Transport{DialTLSContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
		if l, ok := hosts[addr]; ok {
			return l.dial(ctx)
		}
		return nil, &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}
	}}
	t.Cleanup(w.network.CloseIdleConnections)
	return w
}

// authorizationServer issues tokens for codes and refresh tokens (RFC 6749
// sections 4.1 and 6, RFC 7636).
func (w *world) authorizationServer() http.Handler {
	answer := func(rw http.ResponseWriter, status int, v any) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		_ = json.NewEncoder(rw).Encode(v)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/oauth-authorization-server", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, 200, map[string]any{
			"issuer":                                w.issuer.URL(),
			"authorization_endpoint":                w.issuer.URL() + "/authorize",
			"token_endpoint":                        w.issuer.URL() + "/token",
			"response_types_supported":              []string{"code"},
			"code_challenge_methods_supported":      []string{"S256"},
			"token_endpoint_auth_methods_supported": []string{"none"},
		})
	})
	mux.HandleFunc("POST /token", func(rw http.ResponseWriter, r *http.Request) {
		g, ok := w.redeem(r.FormValue("code") + r.FormValue("refresh_token"))
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !ok || g.challenge != "" && g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
			answer(rw, 400, map[string]string{"error": "invalid_grant"})
			return
		}
		answer(rw, 200, map[string]any{
			"access_token": w.token(g.user, g.scope), "token_type": "Bearer", "expires_in": 3600, "scope": g.scope,
			"refresh_token": w.remember(grant{user: g.user, scope: g.scope}),
		})
	})
	return mux
}

// remember keeps a grant for whoever brings its code or refresh token, once.
func (w *world) remember(g grant) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	secret := rand.Text()
	w.grants[secret] = g
	return secret
}

func (w *world) redeem(secret string) (grant, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	g, ok := w.grants[secret]
	delete(w.grants, secret)
	return g, ok
}

func (w *world) token(user, scope string) string {
	return w.issuer.Sign(map[string]any{"aud": resource, "sub": user, "scope": scope})
}

// recorded remembers what the MCP server answered.
func (w *world) recorded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s := &statusWriter{ResponseWriter: rw, status: 200}
		next.ServeHTTP(s, r)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.requests = append(w.requests, r.Method+" "+r.URL.Path+" "+http.StatusText(s.status))
	})
}

func (w *world) count(request string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if strings.HasPrefix(r, request) {
			n++
		}
	}
	return n
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// user is a person with the SDK's client and a browser.
type user struct {
	world  *world
	name   string
	grants []string // the scopes that each login consents to; the last goes on
	logins int
	asked  []string // the scopes that each login was asked for
}

// browse is the browser: it consents, and comes back with a code.
func (u *user) browse(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	at, err := url.Parse(args.URL)
	if err != nil {
		return nil, err
	}
	q := at.Query()
	if q.Get("resource") != resource {
		return nil, errors.New("the client asks for a token for " + q.Get("resource"))
	}
	granted := u.grants[min(u.logins, len(u.grants)-1)]
	u.logins++
	u.asked = append(u.asked, q.Get("scope"))
	code := u.world.remember(grant{u.name, granted, q.Get("code_challenge")})
	return &auth.AuthorizationResult{Code: code, State: q.Get("state")}, nil
}

// connect begins a session.
func (u *user) connect(t *testing.T) (*mcp.ClientSession, error) {
	t.Helper()
	http := &http.Client{Transport: u.world.network}
	oauth, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
		PreregisteredClient:      &oauthex.ClientCredentials{ClientID: "notes-client"},
		RedirectURL:              "http://localhost:1/callback",
		AuthorizationCodeFetcher: u.browse,
		Client:                   http,
	})
	if err != nil {
		t.Fatal(err)
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: resource, HTTPClient: http, OAuthHandler: oauth}, nil)
	if err == nil {
		t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

// tool calls a tool and returns its text.
func tool(t *testing.T, session *mcp.ClientSession, name string) (string, error) {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: name})
	if err != nil {
		return "", err
	}
	return result.Content[0].(*mcp.TextContent).Text, nil
}

// listener is a network in memory.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func serve(t *testing.T, h http.Handler) *listener {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return l
}

func (l *listener) dial(ctx context.Context) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "memory"} }
