package jwksmcp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/mcp"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// TestProtect_Answers holds what the SDK's handler answers behind it to what the
// MCP specification and package jwkshttp say.
func TestProtect_Answers(t *testing.T) {
	issuer := newIssuer(t)
	good := sign(issuer, nil)
	verifier := newVerifier(t, issuer)
	outage := fmt.Errorf("%w: %w", jwks.ErrUnavailable, &jwks.FetchError{URL: "https://idp.internal/jwks", RetryAfter: time.Minute})
	const metadata = `resource_metadata="https://mcp.example/.well-known/oauth-protected-resource/mcp"`

	tests := []struct {
		name      string
		verifier  jwkshttp.TokenVerifier
		token     string
		status    int
		challenge []string
		after     string
	}{
		{"a valid token", verifier, good, 200, nil, ""},
		{"no token", verifier, "", 401, []string{metadata}, ""},
		{"expired", verifier, sign(issuer, map[string]any{"exp": 1}), 401, []string{metadata, "invalid_token"}, ""},
		{"another audience", verifier, sign(issuer, map[string]any{"aud": "x"}), 401, []string{metadata, "invalid_token"}, ""},
		{"without the scope", verifier, sign(issuer, map[string]any{"scope": "x"}), 403, []string{metadata, "insufficient_scope", `scope="mcp"`}, ""},
		{"unavailable", failing(outage), good, 503, nil, "60"},
		{"an error of neither class", failing(errors.New("vault-7.internal")), good, 500, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := post(protected(t, tt.verifier, options), initialize, tt.token, "")
			challenges := w.Header()["Www-Authenticate"]
			if w.Code != tt.status || w.Header().Get("Retry-After") != tt.after || len(challenges) > 1 || len(challenges) == 1 != (tt.challenge != nil) {
				t.Errorf("%d, %q, Retry-After %q, want %d", w.Code, challenges, w.Header().Get("Retry-After"), tt.status)
			}
			for _, want := range tt.challenge {
				if !strings.Contains(challenges[0], want) {
					t.Errorf("challenge %q, want %s", challenges[0], want)
				}
			}
			if body := w.Body.String(); strings.Contains(body, "internal") || strings.Contains(body, "jwkstest") {
				t.Errorf("the caller sees %q", body)
			}
		})
	}
}

// TestSDKAlone_InAnOutage is why jwkshttp is outside: the SDK's own middleware
// shows the error, and answers 500.
func TestSDKAlone_InAnOutage(t *testing.T) {
	outage := &jwks.FetchError{URL: "https://idp.internal/jwks", StatusCode: 503}
	alone := auth.RequireBearerToken(func(context.Context, string, *http.Request) (*auth.TokenInfo, error) {
		return nil, outage
	}, nil)(streamable())
	w := post(alone, initialize, "x", "")
	if w.Code != 500 || !strings.Contains(w.Body.String(), "idp.internal") {
		t.Errorf("the SDK got better, so the documentation should: %d %q", w.Code, w.Body)
	}
}

// TestSession_BelongsToItsUser is why the SDK's middleware is inside.
func TestSession_BelongsToItsUser(t *testing.T) {
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	h := protected(t, verifier, options)
	alice := sign(issuer, map[string]any{"sub": "alice"})
	session := begin(t, h, alice)

	tests := []struct {
		name   string
		token  string
		status int
		want   string
	}{
		{"the user", alice, 200, "alice"},
		{"the user with a new token", sign(issuer, map[string]any{"sub": "alice", "jti": "2"}), 200, "alice"},
		{"another user", sign(issuer, map[string]any{"sub": "bob"}), 403, "mismatch"},
		{"a subject that ends alike", sign(issuer, map[string]any{"sub": "x alice"}), 403, "mismatch"},
		{"no subject", sign(issuer, map[string]any{"sub": nil}), 403, "mismatch"},
		{"no token", "", 401, ""},
	}
	for _, tt := range tests {
		if w := post(h, call, tt.token, session); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
			t.Errorf("%s: %d %q, want %d with %q", tt.name, w.Code, w.Body, tt.status, tt.want)
		}
	}

	// With jwkshttp alone the SDK does not know anybody.
	alone := jwkshttp.Middleware(verifier)(streamable())
	session = begin(t, alone, alice)
	if w := post(alone, call, sign(issuer, map[string]any{"sub": "bob"}), session); w.Code != 200 {
		t.Errorf("the SDK got better, so the documentation should: %d", w.Code)
	}
}

// begin starts a session.
func begin(t *testing.T, h http.Handler, token string) string {
	t.Helper()
	w := post(h, initialize, token, "")
	session := w.Header().Get("Mcp-Session-Id")
	if w.Code != 200 || session == "" {
		t.Fatalf("no session: %d %q", w.Code, w.Body)
	}
	if w := post(h, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, token, session); w.Code != 202 {
		t.Fatalf("the session does not begin: %d %q", w.Code, w.Body)
	}
	return session
}

// TestTool_ContextIsTheSessions is why tools use Token: their context has the
// token that the session began with.
func TestTool_ContextIsTheSessions(t *testing.T) {
	issuer := newIssuer(t)
	h := protected(t, newVerifier(t, issuer), options)
	session := begin(t, h, sign(issuer, map[string]any{"sub": "alice", "jti": "first"}))
	w := post(h, call, sign(issuer, map[string]any{"sub": "alice", "jti": "second"}), session)
	if want := "alice, token second"; !strings.Contains(w.Body.String(), want) {
		t.Errorf("%q, want %q", w.Body, want)
	}
	if want := "in the context token first"; !strings.Contains(w.Body.String(), want) {
		t.Errorf("the SDK got better, so the documentation should: %q", w.Body)
	}
}

// TestSession_SubjectlessTokens are users of their own each.
func TestSession_SubjectlessTokens(t *testing.T) {
	issuer := newIssuer(t)
	h := protected(t, newVerifier(t, issuer), options)
	first, second := sign(issuer, map[string]any{"sub": nil, "jti": "1"}), sign(issuer, map[string]any{"sub": nil, "jti": "2"})
	session := begin(t, h, first)
	if w := post(h, call, first, session); w.Code != 200 {
		t.Errorf("the token that began the session: %d", w.Code)
	}
	if w := post(h, call, second, session); w.Code != 403 {
		t.Errorf("another one without a subject: %d, want 403", w.Code)
	}
}

// TestExpiry_IsTheVerifiers serves a token within the verifier's leeway, which the
// SDK on its own would refuse.
func TestExpiry_IsTheVerifiers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := newIssuer(t)
		protect, err := jwksmcp.Protect(newVerifier(t, issuer, jwks.WithLeeway(time.Minute)), options)
		if err != nil {
			t.Fatal(err)
		}
		h := protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		token := sign(issuer, map[string]any{"exp": time.Now().Add(time.Minute).Unix()})
		time.Sleep(time.Minute + 30*time.Second)
		if w := post(h, initialize, token, ""); w.Code != 200 {
			t.Errorf("within the leeway: %d %s", w.Code, w.Body)
		}
		time.Sleep(time.Minute)
		if w := post(h, initialize, token, ""); w.Code != 401 {
			t.Errorf("past it: %d, want 401", w.Code)
		}
	})
}

func TestExpiry_MayBeAbsent(t *testing.T) {
	issuer := newIssuer(t)
	h := protected(t, newVerifier(t, issuer, jwks.WithoutExpiry()), options)
	if w := post(h, initialize, sign(issuer, map[string]any{"exp": nil}), ""); w.Code != 200 {
		t.Errorf("WithoutExpiry: %d %s", w.Code, w.Body)
	}
}

func TestTokenInfo_UserID(t *testing.T) {
	const tenant = "11111111-2222-3333-4444-555555555555"
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	template := newIssuer(t, jwkstest.WithPath("/{tenantid}/v2.0"))
	tenants := newVerifier(t, template, jwks.WithTenants(tenant))
	static, err := jwks.ParseKeySet(keySet(t, issuer))
	if err != nil {
		t.Fatal(err)
	}
	unbound, err := jwks.NewVerifier(static, jwks.WithoutIssuerCheck(), jwks.WithAudience(options.Resource))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		token *jwks.Token
		want  string
	}{
		{"an issuer", verify(t, verifier, sign(issuer, map[string]any{"sub": "alice"})), issuer.URL() + " alice"},
		{"a tenant", verify(t, tenants, sign(template, map[string]any{"sub": "alice", "tid": tenant})), "https://issuer.jwkstest.example/" + tenant + "/v2.0 alice"},
		{"keys bound to none", verify(t, unbound, sign(issuer, map[string]any{"sub": "alice", "iss": "https://x.example"})), "https://x.example alice"},
	}
	for _, tt := range tests {
		info := jwksmcp.TokenInfo(tt.token)
		if info.UserID != tt.want {
			t.Errorf("%s: UserID %q, want %q", tt.name, info.UserID, tt.want)
		}
		if back, ok := jwksmcp.Token(info); !ok || back != tt.token {
			t.Errorf("%s: Token gives %v, %t", tt.name, back, ok)
		}
		if len(info.Scopes) != 1 || info.Scopes[0] != "mcp" || !info.Expiration.Equal(tt.token.ExpiresAt()) {
			t.Errorf("%s: %+v", tt.name, info)
		}
	}
	for name, info := range map[string]*auth.TokenInfo{"nil": nil, "another's": {UserID: "x"}} {
		if _, ok := jwksmcp.Token(info); ok {
			t.Errorf("%s: there is a token", name)
		}
	}
}

// keySet is the document that an issuer publishes.
func keySet(t *testing.T, issuer *jwkstest.Issuer) []byte {
	t.Helper()
	response, err := issuer.HTTPClient().Get(issuer.JWKSURL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var b bytes.Buffer
	if _, err := b.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLogger_NeverTheToken(t *testing.T) {
	issuer := newIssuer(t)
	var log bytes.Buffer
	o := options
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	token := sign(issuer, map[string]any{"aud": "elsewhere"})
	post(protected(t, newVerifier(t, issuer), o), initialize, token, "")
	if got := log.String(); !strings.Contains(got, "elsewhere") || !strings.Contains(got, "status=401") || !strings.Contains(got, "reason=audience") || strings.Contains(got, token[:40]) {
		t.Errorf("log %q, want the reason and the status, and not the token", got)
	}
}
