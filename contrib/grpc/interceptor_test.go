package jwksgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/grpc"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// answers is the table of the package documentation, over a real connection.
func TestCall_Answers(t *testing.T) {
	issuer, stranger := newIssuer(t), jwkstest.New(t, jwkstest.WithBaseURL("https://other.example"))
	good := sign(issuer, nil)
	down := newIssuer(t)
	down.Close()
	verifier := newVerifier(t, issuer)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	secret := errors.New("sql: password wrong for vault-7.internal")

	tests := []struct {
		name     string
		verifier jwkshttp.TokenVerifier
		values   []string
		code     codes.Code
		text     string
	}{
		{"a valid token", verifier, []string{"Bearer " + good}, codes.OK, ""},
		{"bearer in lower case", verifier, []string{"bearer  " + good}, codes.OK, ""},
		{"no authorization", verifier, nil, codes.Unauthenticated, "no bearer token"},
		{"an empty value", verifier, []string{""}, codes.Unauthenticated, "no bearer token"},
		{"another scheme", verifier, []string{"Basic dTpw"}, codes.Unauthenticated, "no bearer token"},
		{"a token without a scheme", verifier, []string{good}, codes.Unauthenticated, "no bearer token"},
		{"two values, both valid", verifier, []string{"Bearer " + good, "Bearer " + good}, codes.Unauthenticated, "exactly one"},
		{"two values, another scheme first", verifier, []string{"Basic dTpw", "Bearer " + good}, codes.Unauthenticated, "exactly one"},
		{"comma-joined", verifier, []string{"Bearer " + good + ", Bearer " + good}, codes.Unauthenticated, "exactly one"},
		{"Bearer without a token", verifier, []string{"Bearer "}, codes.Unauthenticated, "exactly one"},
		{"not a JWT", verifier, []string{"Bearer abc"}, codes.Unauthenticated, "not valid here"},
		{"expired", verifier, []string{"Bearer " + sign(issuer, map[string]any{"exp": 1})}, codes.Unauthenticated, "not valid here"},
		{"another audience", verifier, []string{"Bearer " + sign(issuer, map[string]any{"aud": "x"})}, codes.Unauthenticated, "not valid here"},
		{"another issuer", verifier, []string{"Bearer " + sign(stranger, nil)}, codes.Unauthenticated, "not valid here"},
		{"without the scope", verifier, []string{"Bearer " + sign(issuer, map[string]any{"scope": "write"})}, codes.PermissionDenied, "lacks a required scope"},
		{"the keys are unavailable", newVerifier(t, down, jwks.WithRetries(0)), []string{"Bearer " + sign(down, nil)}, codes.Unavailable, "try again later"},
		{"no token while they are", newVerifier(t, down, jwks.WithRetries(0)), nil, codes.Unauthenticated, "no bearer token"},
		{"a closed client", closed(t, issuer), []string{"Bearer " + good}, codes.Unavailable, "try again later"},
		{"another context ended", failing(fmt.Errorf("%w: %w", jwks.ErrUnavailable, gone.Err())), []string{"Bearer " + good}, codes.Unavailable, "try again later"},
		{"both classes", failing(fmt.Errorf("%w: %w", jwks.ErrTokenInvalid, jwks.ErrUnavailable)), []string{"Bearer " + good}, codes.Unavailable, "try again later"},
		{"an error of neither class", failing(secret), []string{"Bearer " + good}, codes.Internal, "verifying the token failed"},
		{"a status of the verifier's own", failing(status.Error(codes.NotFound, secret.Error())), []string{"Bearer " + good}, codes.Internal, "verifying the token failed"},
		{"neither token nor error", failing(nil), []string{"Bearer " + good}, codes.Internal, "verifying the token failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			called := false
			s := &service{
				unary: func(context.Context) error { called = true; return nil },
				duplex: func(s grpc_testing.TestService_FullDuplexCallServer) error {
					called = true
					return nil
				},
			}
			client := dial(t, s, protected(tt.verifier,
				jwksgrpc.RequireScopes(unaryCall, "read"), jwksgrpc.RequireScopes(fullDuplex, "read")))
			reply, err := client.UnaryCall(bearing(t.Context(), tt.values...), &grpc_testing.SimpleRequest{})
			check := func(kind string, err error) {
				if got := status.Code(err); got != tt.code {
					t.Errorf("%s: %v, want %v", kind, err, tt.code)
				}
				if err != nil && !strings.Contains(status.Convert(err).Message(), tt.text) {
					t.Errorf("%s: %q, want %q in it", kind, err, tt.text)
				}
				for _, inner := range []string{"jwkstest", "example", "vault", "aud", "k1", "user"} {
					if err != nil && strings.Contains(status.Convert(err).Proto().String(), inner) {
						t.Errorf("%s: the caller sees %q in %v", kind, inner, status.Convert(err).Proto())
					}
				}
				if called != (tt.code == codes.OK) {
					t.Errorf("%s: the method was called: %t", kind, called)
				}
				called = false
			}
			if err == nil && reply.GetUsername() != "user" {
				t.Errorf("the token in the method is of %q, want user", reply.GetUsername())
			}
			check("unary", err)

			stream, err := client.FullDuplexCall(bearing(t.Context(), tt.values...))
			if err != nil {
				t.Fatal(err)
			}
			check("stream", drain(stream))
		})
	}
}

// closed is a verifier whose client was closed.
func closed(t *testing.T, issuer *jwkstest.Issuer) *jwks.Verifier {
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience(audience))
	if err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	return verifier
}

// TestCall_CallerGaveUp ends the caller's context while the keys are fetched.
func TestCall_CallerGaveUp(t *testing.T) {
	issuer := newIssuer(t)
	issuer.SetFault(jwkstest.Hang())
	verifier := newVerifier(t, issuer)
	for want, end := range map[codes.Code]func(context.Context) (context.Context, context.CancelFunc){
		codes.DeadlineExceeded: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 10*time.Millisecond)
		},
		codes.Canceled: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(10*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		ctx, cancel := end(incoming(t.Context(), "Bearer "+sign(issuer, nil)))
		defer cancel()
		_, err := jwksgrpc.UnaryServerInterceptor(verifier)(ctx, nil, &grpc.UnaryServerInfo{FullMethod: unaryCall}, nil)
		if got := status.Code(err); got != want {
			t.Errorf("%v, want %v", err, want)
		}
		if !errors.Is(err, jwks.ErrUnavailable) {
			t.Errorf("%v lost what Verify returned", err)
		}
	}
}

func TestPublic_ExactNames(t *testing.T) {
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	tests := []struct {
		public, method string
		passes         bool
	}{
		{"/a.B/C", "/a.B/C", true},
		{"/a.B/C", "/a.B/c", false},
		{"/a.B/C", "/a.B/CD", false},
		{"/a.B/C", "a.B/C", false},
		{"/a.B/*", "/a.B/C", true},
		{"/a.B/*", "/a.B/", true}, // no service registers it
		{"/a.B/*", "/a.Bx/C", false},
		{"/a.B/*", "/a.b/C", false},
		{"/a.B/*", "/a.B/C/D", false}, // gRPC: method D of service "a.B/C"
		{"/a.B/*", "/a.B/../x.Y/Z", false},
		{"/a.B/*", "//a.B/C", false},
		{"/a.B/*", "", false},
		{"/grpc.health.v1.Health/*", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", false},
	}
	for _, tt := range tests {
		called := false
		handler := func(context.Context, any) (any, error) { called = true; return nil, nil }
		_, err := jwksgrpc.UnaryServerInterceptor(verifier, jwksgrpc.Public(tt.public))(
			t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: tt.method}, handler)
		if called != tt.passes || (err == nil) != tt.passes {
			t.Errorf("Public(%q), a call of %q without a token: passed %t, %v", tt.public, tt.method, called, err)
		}
	}
}

func TestPublic_NothingByDefault(t *testing.T) {
	issuer := newIssuer(t)
	for _, public := range []bool{false, true} {
		var opts []jwksgrpc.Option
		want := codes.Unauthenticated
		if public {
			opts = append(opts, jwksgrpc.Public("/grpc.health.v1.Health/*"))
			want = codes.OK
		}
		client := grpc_health_v1.NewHealthClient(connectHealth(t, protected(newVerifier(t, issuer), opts...)))
		if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); status.Code(err) != want {
			t.Errorf("health, public %t: %v, want %v", public, err, want)
		}
		watch, err := client.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := watch.Recv(); status.Code(err) != want {
			t.Errorf("watching health, public %t: %v, want %v", public, err, want)
		}
	}
}

func TestScopes_ByMethodAndService(t *testing.T) {
	issuer := newIssuer(t)
	verifier := newVerifier(t, issuer)
	opts := []jwksgrpc.Option{
		jwksgrpc.RequireScopes("/a.B/*", "base"),
		jwksgrpc.RequireScopes("/a.B/Write", "write"),
		jwksgrpc.Public("/a.B/Ping", "/p.Q/*"),
		jwksgrpc.RequireScopes("/p.Q/Admin", "admin"),
	}
	const none = "no token"
	tests := []struct {
		method, scope string
		want          codes.Code
	}{
		{"/a.B/Read", "base", codes.OK},
		{"/a.B/Read", "write", codes.PermissionDenied},
		{"/a.B/Write", "write base", codes.OK},
		{"/a.B/Write", "write", codes.PermissionDenied},
		{"/a.B/Write", "base", codes.PermissionDenied},
		{"/a.B/Ping", none, codes.OK},
		{"/x.Y/Z", "", codes.OK},
		{"/x.Y/Z", none, codes.Unauthenticated},
		{"/p.Q/Open", none, codes.OK},
		{"/p.Q/Admin", none, codes.Unauthenticated},
		{"/p.Q/Admin", "base", codes.PermissionDenied},
		{"/p.Q/Admin", "admin", codes.OK},
	}
	for _, tt := range tests {
		ctx := t.Context()
		if tt.scope != none {
			ctx = incoming(ctx, "Bearer "+sign(issuer, map[string]any{"scope": tt.scope}))
		}
		_, err := jwksgrpc.UnaryServerInterceptor(verifier, opts...)(ctx, nil,
			&grpc.UnaryServerInfo{FullMethod: tt.method}, func(context.Context, any) (any, error) { return nil, nil })
		if got := status.Code(err); got != tt.want {
			t.Errorf("%s with scope %q: %v, want %v", tt.method, tt.scope, got, tt.want)
		}
	}
}

func TestAuthFunc_AsInterceptor(t *testing.T) {
	issuer := newIssuer(t)
	auth := jwksgrpc.AuthFunc(newVerifier(t, issuer), jwksgrpc.RequireScopes(unaryCall, "read"), jwksgrpc.Public(fullDuplex))
	// What go-grpc-middleware's auth interceptors do with it.
	unary := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, err := auth(ctx)
		if err != nil {
			return nil, err
		}
		return handler(ctx, req)
	}
	client := dial(t, &service{}, []grpc.ServerOption{grpc.UnaryInterceptor(unary)})
	for scope, want := range map[string]codes.Code{"read": codes.OK, "write": codes.PermissionDenied} {
		ctx := bearing(t.Context(), "Bearer "+sign(issuer, map[string]any{"scope": scope}))
		reply, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
		if status.Code(err) != want || err == nil && reply.GetUsername() != "user" {
			t.Errorf("scope %q: %v, %v, want %v", scope, reply, err, want)
		}
	}
	if _, err := auth(incoming(t.Context(), "Bearer "+sign(issuer, nil))); status.Code(err) != codes.Internal {
		t.Errorf("outside of a call, where scopes depend on the method: %v, want Internal", err)
	}
}

func TestTokenFromContext_IsJWKSHTTP(t *testing.T) {
	issuer := newIssuer(t)
	s := &service{unary: func(ctx context.Context) error {
		ours, ok := jwksgrpc.TokenFromContext(ctx)
		theirs, _ := jwkshttp.TokenFromContext(ctx)
		if !ok || ours != theirs {
			return status.Error(codes.DataLoss, "two tokens")
		}
		return nil
	}}
	client := dial(t, s, protected(newVerifier(t, issuer)))
	if _, err := client.UnaryCall(bearing(t.Context(), "Bearer "+sign(issuer, nil)), &grpc_testing.SimpleRequest{}); err != nil {
		t.Error(err)
	}
}

// TestConstruct_Mistakes panics with the name of what is wrong.
func TestConstruct_Mistakes(t *testing.T) {
	good := failing(nil)
	tests := []struct {
		name string
		v    jwkshttp.TokenVerifier
		opts []jwksgrpc.Option
		want string
	}{
		{"no verifier", nil, nil, "the verifier is nil"},
		{"a nil pointer", (*jwks.Verifier)(nil), nil, "the verifier is nil"},
		{"a nil func", verifierFunc(nil), nil, "the verifier is nil"},
		{"a nil option", good, []jwksgrpc.Option{nil}, "an option is nil"},
		{"no method", good, []jwksgrpc.Option{jwksgrpc.Public()}, "Public: no method"},
		{"an empty method", good, []jwksgrpc.Option{jwksgrpc.Public("")}, "Public: \"\""},
		{"a service alone", good, []jwksgrpc.Option{jwksgrpc.Public("a.B")}, "Public: \"a.B\""},
		{"a service with a slash", good, []jwksgrpc.Option{jwksgrpc.Public("/a.B/")}, "Public: \"/a.B/\""},
		{"everything", good, []jwksgrpc.Option{jwksgrpc.Public("/*")}, "Public: \"/*\""},
		{"all services", good, []jwksgrpc.Option{jwksgrpc.Public("/*/*")}, "Public: \"/*/*\""},
		{"a prefix of methods", good, []jwksgrpc.Option{jwksgrpc.Public("/a.B/Get*")}, "Public: \"/a.B/Get*\""},
		{"three parts", good, []jwksgrpc.Option{jwksgrpc.Public("/a/B/C")}, "Public: \"/a/B/C\""},
		{"no scope", good, []jwksgrpc.Option{jwksgrpc.RequireScopes("/a/B")}, "RequireScopes: no scope"},
		{"a scope with a space", good, []jwksgrpc.Option{jwksgrpc.RequireScopes("/a/B", "r w")}, "RequireScopes: \"r w\""},
		{"scopes of no method", good, []jwksgrpc.Option{jwksgrpc.RequireScopes("B", "r")}, "RequireScopes: \"B\""},
		{"public with scopes", good, []jwksgrpc.Option{jwksgrpc.Public("/a/*"), jwksgrpc.RequireScopes("/a/*", "r")}, "public and requires"},
	}
	for _, tt := range tests {
		for caller, construct := range map[string]func(){
			"UnaryServerInterceptor":  func() { jwksgrpc.UnaryServerInterceptor(tt.v, tt.opts...) },
			"StreamServerInterceptor": func() { jwksgrpc.StreamServerInterceptor(tt.v, tt.opts...) },
			"AuthFunc":                func() { jwksgrpc.AuthFunc(tt.v, tt.opts...) },
		} {
			if got := fmt.Sprint(panics(construct)); !strings.Contains(got, tt.want) || !strings.Contains(got, caller) {
				t.Errorf("%s: %s panics with %q, want %q", tt.name, caller, got, tt.want)
			}
		}
	}
	if got := fmt.Sprint(panics(func() { jwksgrpc.AuthFunc(good, jwksgrpc.EndStreamsAtExpiry()) })); !strings.Contains(got, "EndStreamsAtExpiry") {
		t.Errorf("AuthFunc with EndStreamsAtExpiry panics with %q", got)
	}
}

// TestError_OfMethods is Error used by methods that verify tokens themselves.
func TestError_OfMethods(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want codes.Code
	}{
		{"nil", nil, codes.OK},
		{"invalid", jwks.ErrTokenInvalid, codes.Unauthenticated},
		{"golang-jwt's own", fmt.Errorf("x: %w", jwks.ErrTokenTooLarge), codes.Unauthenticated},
		{"unavailable", jwks.ErrInvalidKeySet, codes.Unavailable},
		{"closed", jwks.ErrClosed, codes.Unavailable},
		{"canceled", fmt.Errorf("%w: %w", jwks.ErrUnavailable, context.Canceled), codes.Canceled},
		{"too late", fmt.Errorf("%w: %w", jwks.ErrUnavailable, context.DeadlineExceeded), codes.DeadlineExceeded},
		{"no token", jwkshttp.ErrNoToken, codes.Unauthenticated},
		{"malformed", jwkshttp.ErrMalformed, codes.Unauthenticated},
		{"scope", jwkshttp.ErrInsufficientScope, codes.PermissionDenied},
		{"configuration", jwks.ErrConfig, codes.Internal},
		{"any other", errors.New("x"), codes.Internal},
		{"a bare context error", context.Canceled, codes.Internal},
		{"invalid and the caller's sentinel", fmt.Errorf("%w: %w", jwks.ErrTokenInvalid, jwt.ErrTokenExpired), codes.Unauthenticated},
	}
	for _, tt := range tests {
		err := jwksgrpc.Error(tt.err)
		if got := status.Code(err); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: the server cannot find %v in %v", tt.name, tt.err, err)
		}
		if jwksgrpc.Error(err) != err {
			t.Errorf("%s: Error of Error is another", tt.name)
		}
		if err == nil {
			continue
		}
		if wrapped := status.Convert(fmt.Errorf("ordering: %w", err)); wrapped.Code() != tt.want {
			t.Errorf("%s, wrapped: %v, want %v", tt.name, wrapped, tt.want)
		}
	}
	if jwksgrpc.Error(nil) != nil {
		t.Error("Error(nil) is not nil")
	}
}

func connectHealth(t *testing.T, server []grpc.ServerOption) *grpc.ClientConn {
	t.Helper()
	return connectWith(t, func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, health.NewServer()) }, server)
}
