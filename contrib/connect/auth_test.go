package jwksconnect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/connect"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// served is the code of a call that is not refused.
const served = connect.Code(0)

// TestCall_Answers is the table of the package documentation, over real
// connections, in each protocol, unary and streaming.
func TestCall_Answers(t *testing.T) {
	issuer, stranger := newIssuer(t), jwkstest.New(t, jwkstest.WithBaseURL("https://other.example"))
	good := sign(issuer, nil)
	verifier := newVerifier(t, issuer)
	down := newIssuer(t)
	down.Close()
	broken := newVerifier(t, down, jwks.WithRetries(0))
	secret := errors.New("sql: password wrong for vault-7.internal")

	tests := []struct {
		name      string
		verifier  jwkshttp.TokenVerifier
		values    []string
		code      connect.Code
		challenge string // of a unary call of the Connect protocol
	}{
		{"a valid token", verifier, []string{"Bearer " + good}, served, ""},
		{"bearer in lower case", verifier, []string{"bearer  " + good}, served, ""},
		{"no token", verifier, nil, connect.CodeUnauthenticated, "Bearer"},
		{"another scheme", verifier, []string{"Basic dTpw"}, connect.CodeUnauthenticated, "Bearer"},
		{"two headers, both valid", verifier, []string{"Bearer " + good, "Bearer " + good}, connect.CodeUnauthenticated, `Bearer error="invalid_request"`},
		{"comma-joined", verifier, []string{"Bearer " + good + ", Bearer " + good}, connect.CodeUnauthenticated, `Bearer error="invalid_request"`},
		{"not a JWT", verifier, []string{"Bearer abc"}, connect.CodeUnauthenticated, `Bearer error="invalid_token"`},
		{"expired", verifier, []string{"Bearer " + sign(issuer, map[string]any{"exp": 1})}, connect.CodeUnauthenticated, `Bearer error="invalid_token"`},
		{"another audience", verifier, []string{"Bearer " + sign(issuer, map[string]any{"aud": "x"})}, connect.CodeUnauthenticated, `Bearer error="invalid_token"`},
		{"another issuer", verifier, []string{"Bearer " + sign(stranger, nil)}, connect.CodeUnauthenticated, `Bearer error="invalid_token"`},
		{"without the scope", verifier, []string{"Bearer " + sign(issuer, map[string]any{"scope": "write"})}, connect.CodePermissionDenied, `Bearer error="insufficient_scope", scope="read"`},
		{"the keys are unavailable", broken, []string{"Bearer " + sign(down, nil)}, connect.CodeUnavailable, ""},
		{"no token while they are", broken, nil, connect.CodeUnauthenticated, "Bearer"},
		{"another context ended", failing(fmt.Errorf("%w: %w", jwks.ErrUnavailable, context.Canceled)), []string{"Bearer " + good}, connect.CodeUnavailable, ""},
		{"both classes", failing(fmt.Errorf("%w: %w", jwks.ErrTokenInvalid, jwks.ErrUnavailable)), []string{"Bearer " + good}, connect.CodeUnavailable, ""},
		{"an error of neither class", failing(secret), []string{"Bearer " + good}, connect.CodeInternal, ""},
		{"a connect error of the verifier's own", failing(connect.NewError(connect.CodeNotFound, secret)), []string{"Bearer " + good}, connect.CodeInternal, ""},
		{"neither token nor error", failing(nil), []string{"Bearer " + good}, connect.CodeInternal, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			auth := jwksconnect.AuthFunc(tt.verifier,
				jwksconnect.RequireScopes(whoAmI, "read"), jwksconnect.RequireScopes(watch, "read"))
			url, client := serve(t, authenticated(auth, mux()))
			for protocol, opts := range protocols {
				unary := connect.NewClient[text, text](client, url+whoAmI, append(opts, connect.WithIdempotency(connect.IdempotencyNoSideEffects))...)
				reply, err := unary.CallUnary(t.Context(), bearing(connect.NewRequest(wrapperspb.String("")), tt.values...))
				if err == nil && reply.Msg.GetValue() != "user" {
					t.Errorf("%s: the token in the method is of %q, want user", protocol, reply.Msg.GetValue())
				}
				want := tt.challenge
				if strings.HasPrefix(protocol, "grpc") {
					want = ""
				}
				checkError(t, protocol, err, tt.code)
				checkMeta(t, protocol, err, want)

				stream, err := connect.NewClient[text, text](client, url+watch, opts...).
					CallServerStream(t.Context(), bearing(connect.NewRequest(wrapperspb.String("")), tt.values...))
				if err != nil {
					t.Fatal(err)
				}
				for stream.Receive() {
					if got := stream.Msg().GetValue(); got != "user" {
						t.Errorf("%s stream: the token in the method is of %q, want user", protocol, got)
					}
				}
				checkError(t, protocol+" stream", stream.Err(), tt.code)
				_ = stream.Close()
			}
		})
	}
}

// checkError looks at the code, at what may never be seen, and at the time to
// come back.
func checkError(t *testing.T, protocol string, err error, want connect.Code) {
	t.Helper()
	if err == nil && want == served {
		return
	}
	var got *connect.Error
	if !errors.As(err, &got) || got.Code() != want {
		t.Errorf("%s: %v, want %v", protocol, err, want)
		return
	}
	for _, inner := range []string{"jwkstest", "example", "vault", "aud", "k1", "user"} {
		if strings.Contains(fmt.Sprint(got.Message(), got.Meta(), got.Details()), inner) {
			t.Errorf("%s: the caller sees %q in %v %v", protocol, inner, got, got.Meta())
		}
	}
	if want != connect.CodeUnavailable {
		return
	}
	for _, d := range got.Details() {
		if value, err := d.Value(); err == nil {
			if info, ok := value.(*errdetails.RetryInfo); ok && info.GetRetryDelay().AsDuration() >= time.Second {
				return
			}
		}
	}
	t.Errorf("%s: details %v, want RetryInfo of a second or more", protocol, got.Details())
}

func checkMeta(t *testing.T, protocol string, err error, challenge string) {
	t.Helper()
	var got *connect.Error
	if !errors.As(err, &got) {
		return
	}
	if c := got.Meta().Get("WWW-Authenticate"); c != challenge {
		t.Errorf("%s: challenge %q, want %q", protocol, c, challenge)
	}
	comeBack := got.Code() == connect.CodeUnavailable && !strings.HasPrefix(protocol, "grpc")
	if after := got.Meta().Get("Retry-After"); (after != "") != comeBack {
		t.Errorf("%s: %v with Retry-After %q", protocol, got, after)
	}
}

// TestUnary_HTTPStatus is what a proxy sees.
func TestUnary_HTTPStatus(t *testing.T) {
	issuer := newIssuer(t)
	for want, err := range map[int]error{
		401: jwks.ErrTokenInvalid, 403: jwkshttp.ErrInsufficientScope, 503: jwks.ErrUnavailable, 500: errors.New("x"),
	} {
		url, client := serve(t, authenticated(jwksconnect.AuthFunc(failing(err)), mux()))
		request, _ := http.NewRequest("POST", url+whoAmI, strings.NewReader(`""`))
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+sign(issuer, nil))
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != want || (response.Header.Get("Retry-After") != "") != (want == 503) {
			t.Errorf("status %d, Retry-After %q, want %d", response.StatusCode, response.Header.Get("Retry-After"), want)
		}
	}
}

// TestCall_CallerGaveUp ends the caller's context while the keys are fetched.
func TestCall_CallerGaveUp(t *testing.T) {
	issuer := newIssuer(t)
	issuer.SetFault(jwkstest.Hang())
	auth := jwksconnect.AuthFunc(newVerifier(t, issuer))
	request := httptest.NewRequest("POST", whoAmI, nil)
	request.Header.Set("Authorization", "Bearer "+sign(issuer, nil))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := auth(ctx, request); connect.CodeOf(err) != connect.CodeDeadlineExceeded {
		t.Errorf("%v, want deadline_exceeded", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := auth(ctx, request); connect.CodeOf(err) != connect.CodeCanceled {
		t.Errorf("%v, want canceled", err)
	}
}

func TestRules_ByPath(t *testing.T) {
	issuer := newIssuer(t)
	auth := jwksconnect.AuthFunc(newVerifier(t, issuer),
		jwksconnect.Public("/open.S/*", "/a.B/Ping"),
		jwksconnect.RequireScopes("/a.B/*", "base"),
		jwksconnect.RequireScopes("/a.B/Write", "write"),
		jwksconnect.RequireScopes("/open.S/Admin", "admin"))
	const none = "no token"
	tests := []struct {
		path, scope string
		want        connect.Code
	}{
		{"/open.S/M", none, served},
		{"/open.S%2FM", none, connect.CodeUnauthenticated},
		{"/open.s/M", none, connect.CodeUnauthenticated},
		{"/open.Sx/M", none, connect.CodeUnauthenticated},
		{"/open.S/M/", none, connect.CodeUnauthenticated},
		{"//open.S/M", none, connect.CodeUnauthenticated},
		{"/a.B/Read/open.S/M", none, connect.CodeUnauthenticated},
		{"/open.S/../a.B/Read", none, connect.CodeUnauthenticated},
		{"/api/open.S/M", none, connect.CodeUnauthenticated},
		{"/", none, connect.CodeUnauthenticated},
		{"/open.S", none, connect.CodeUnauthenticated},
		{"/open.S/Admin", none, connect.CodeUnauthenticated},
		{"/open.S/Admin", "base", connect.CodePermissionDenied},
		{"/open.S/Admin", "admin", served},
		{"/a.B/Ping", none, served},
		{"/a.B/Read", "base", served},
		{"/a.B/Read", "write", connect.CodePermissionDenied},
		{"/a.B/Write", "write base", served},
		{"/a.B/Write", "base", connect.CodePermissionDenied},
		{"/a.B/Write", "write", connect.CodePermissionDenied},
		// Whatever a mux makes of these, they need no fewer scopes.
		{"/api/a.B/Write", "base", connect.CodePermissionDenied},
		{"/api/a.B/Write", "base write", served},
		{"/a.B/Write/", "base", connect.CodePermissionDenied},
		{"//a.B//Write", "base", connect.CodePermissionDenied},
		{"/a.B%2FWrite", "base", connect.CodePermissionDenied},
		{"/a.B/Write/x.Y/Z", "", connect.CodePermissionDenied},
		{"/x.Y/Z", "", served},
	}
	for _, tt := range tests {
		request := httptest.NewRequest("POST", "http://api.example"+tt.path, nil)
		if tt.scope != none {
			request.Header.Set("Authorization", "Bearer "+sign(issuer, map[string]any{"scope": tt.scope}))
		}
		info, err := auth(t.Context(), request)
		if err == nil && tt.want != served || err != nil && connect.CodeOf(err) != tt.want {
			t.Errorf("%s with scope %q: %v, want %v", tt.path, tt.scope, err, tt.want)
		}
		if token, ok := info.(*jwks.Token); ok == (tt.scope == none || err != nil) {
			t.Errorf("%s with scope %q: token %v beside %v", tt.path, tt.scope, token, err)
		}
	}
}

// TestConstruct_Mistakes panics with the name of what is wrong.
func TestConstruct_Mistakes(t *testing.T) {
	good := failing(nil)
	tests := []struct {
		name string
		v    jwkshttp.TokenVerifier
		opts []jwksconnect.Option
		want string
	}{
		{"no verifier", nil, nil, "the verifier is nil"},
		{"a nil pointer", (*jwks.Verifier)(nil), nil, "the verifier is nil"},
		{"a nil func", verifierFunc(nil), nil, "the verifier is nil"},
		{"a nil option", good, []jwksconnect.Option{nil}, "an option is nil"},
		{"no procedure", good, []jwksconnect.Option{jwksconnect.Public()}, "Public: no procedure"},
		{"a service alone", good, []jwksconnect.Option{jwksconnect.Public("a.B")}, "Public: \"a.B\""},
		{"everything", good, []jwksconnect.Option{jwksconnect.Public("/*/*")}, "Public: \"/*/*\""},
		{"a prefix of methods", good, []jwksconnect.Option{jwksconnect.Public("/a.B/Get*")}, "Public: \"/a.B/Get*\""},
		{"a prefix of the path", good, []jwksconnect.Option{jwksconnect.Public("/api/a.B/C")}, "Public: \"/api/a.B/C\""},
		{"no scope", good, []jwksconnect.Option{jwksconnect.RequireScopes("/a/B")}, "RequireScopes: no scope"},
		{"a scope with a space", good, []jwksconnect.Option{jwksconnect.RequireScopes("/a/B", "r w")}, "RequireScopes: \"r w\""},
		{"scopes of no procedure", good, []jwksconnect.Option{jwksconnect.RequireScopes("B", "r")}, "RequireScopes: \"B\""},
		{"public with scopes", good, []jwksconnect.Option{jwksconnect.Public("/a/*"), jwksconnect.RequireScopes("/a/*", "r")}, "public and requires"},
	}
	for _, tt := range tests {
		if got := fmt.Sprint(panics(func() { jwksconnect.AuthFunc(tt.v, tt.opts...) })); !strings.Contains(got, tt.want) {
			t.Errorf("%s: panics with %q, want %q", tt.name, got, tt.want)
		}
	}
}
