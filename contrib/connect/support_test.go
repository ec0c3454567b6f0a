package jwksconnect_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const (
	audience = "my-api"
	whoAmI   = "/test.Users/WhoAmI"
	watch    = "/test.Users/Watch"
)

// newIssuer starts an issuer whose signatures are cheap.
func newIssuer(t testing.TB) *jwkstest.Issuer {
	t.Helper()
	return jwkstest.New(t, jwkstest.WithAlgorithms("ES256"))
}

// newVerifier makes a verifier of an issuer's tokens for audience, with options
// of the client and of the verifier.
func newVerifier(t testing.TB, issuer *jwkstest.Issuer, opts ...any) *jwks.Verifier {
	t.Helper()
	ofClient := []jwks.ClientOption{jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient())}
	ofVerifier := []jwks.VerifierOption{jwks.WithAudience(audience)}
	for _, o := range opts {
		switch o := o.(type) {
		case jwks.ClientOption:
			ofClient = append(ofClient, o)
		case jwks.VerifierOption:
			ofVerifier = append(ofVerifier, o)
		default:
			t.Fatalf("newVerifier: an option of type %T", o)
		}
	}
	client, err := jwks.NewClient(ofClient...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	verifier, err := jwks.NewVerifier(client, ofVerifier...)
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

// sign makes a token for audience with the scope read.
func sign(issuer *jwkstest.Issuer, claims map[string]any) string {
	all := map[string]any{"aud": audience, "scope": "read"}
	maps.Copy(all, claims)
	return issuer.Sign(all)
}

// verifierFunc is a TokenVerifier.
type verifierFunc func(ctx context.Context, token string) (*jwks.Token, error)

func (f verifierFunc) Verify(ctx context.Context, token string) (*jwks.Token, error) {
	return f(ctx, token)
}

// failing is a verifier that always returns err.
func failing(err error) jwkshttp.TokenVerifier {
	return verifierFunc(func(context.Context, string) (*jwks.Token, error) { return nil, err })
}

// authenticated is what connectrpc.com/authn does: it asks auth in front of the
// handlers, and writes the error in the protocol of the request.
func authenticated(auth func(context.Context, *http.Request) (any, error), next http.Handler) http.Handler {
	errors := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, err := auth(r.Context(), r)
		if err != nil {
			_ = errors.Write(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), infoKey{}, info)))
	})
}

type infoKey struct{}

// subject is whose token the call has.
func subject(ctx context.Context) string {
	if token, ok := ctx.Value(infoKey{}).(*jwks.Token); ok {
		return token.Subject()
	}
	return "nobody"
}

type (
	text   = wrapperspb.StringValue
	asked  = *connect.Request[text]
	answer = *connect.Response[text]
)

// mux serves one unary procedure and one that streams.
func mux() *http.ServeMux {
	m := http.NewServeMux()
	m.Handle(whoAmI, connect.NewUnaryHandler(whoAmI, func(ctx context.Context, _ asked) (answer, error) {
		return connect.NewResponse(wrapperspb.String(subject(ctx))), nil
	}, connect.WithIdempotency(connect.IdempotencyNoSideEffects)))
	m.Handle(watch, connect.NewServerStreamHandler(watch, func(ctx context.Context, _ asked, s *connect.ServerStream[text]) error {
		return s.Send(wrapperspb.String(subject(ctx)))
	}))
	return m
}

// serve starts a server on a free loopback port that speaks HTTP/1 and HTTP/2
// without TLS, and returns a client of HTTP/2 alone, as gRPC wants it.
func serve(t testing.TB, h http.Handler) (url string, client *http.Client) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)

	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return server.URL, &http.Client{Transport: transport}
}

// bearing gives a request these Authorization headers.
func bearing[T any](r *connect.Request[T], values ...string) *connect.Request[T] {
	r.Header()["Authorization"] = values
	return r
}

// protocols are the ones that a connect handler speaks.
var protocols = map[string][]connect.ClientOption{
	"connect":      nil,
	"connect, GET": {connect.WithHTTPGet()},
	"grpc":         {connect.WithGRPC()},
	"grpc-web":     {connect.WithGRPCWeb()},
}

// panics says with what f panics.
func panics(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}
