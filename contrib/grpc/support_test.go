package jwksgrpc_test

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/grpc"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

const (
	audience   = "my-api"
	unaryCall  = "/grpc.testing.TestService/UnaryCall"
	fullDuplex = "/grpc.testing.TestService/FullDuplexCall"
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
	for name, value := range claims {
		all[name] = value
	}
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

// service answers with the subject of the token. The functions that are set
// answer instead.
type service struct {
	grpc_testing.UnimplementedTestServiceServer
	unary  func(context.Context) error
	duplex func(grpc_testing.TestService_FullDuplexCallServer) error
}

func (s *service) UnaryCall(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	if s.unary != nil {
		if err := s.unary(ctx); err != nil {
			return nil, err
		}
	}
	return &grpc_testing.SimpleResponse{Username: subject(ctx)}, nil
}

func (s *service) FullDuplexCall(stream grpc_testing.TestService_FullDuplexCallServer) error {
	if s.duplex != nil {
		return s.duplex(stream)
	}
	return stream.Send(&grpc_testing.StreamingOutputCallResponse{
		Payload: &grpc_testing.Payload{Body: []byte(subject(stream.Context()))},
	})
}

// subject is whose token the call has.
func subject(ctx context.Context) string {
	token, ok := jwksgrpc.TokenFromContext(ctx)
	if !ok {
		return "nobody"
	}
	return token.Subject()
}

// protected is a server option list with both interceptors.
func protected(v jwkshttp.TokenVerifier, opts ...jwksgrpc.Option) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(jwksgrpc.UnaryServerInterceptor(v, opts...)),
		grpc.ChainStreamInterceptor(jwksgrpc.StreamServerInterceptor(v, opts...)),
	}
}

// dial starts a server in memory and returns a client of it.
func dial(t testing.TB, s *service, server []grpc.ServerOption, client ...grpc.DialOption) grpc_testing.TestServiceClient {
	t.Helper()
	return grpc_testing.NewTestServiceClient(connect(t, s, server, client...))
}

func connect(t testing.TB, s *service, server []grpc.ServerOption, client ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	return connectWith(t, func(srv *grpc.Server) { grpc_testing.RegisterTestServiceServer(srv, s) }, server, client...)
}

func connectWith(t testing.TB, register func(*grpc.Server), server []grpc.ServerOption, client ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(server...)
	register(srv)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()

	conn, err := grpc.NewClient("passthrough:///memory", append([]grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
	}, client...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		srv.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return conn
}

// bearing is a context for a call with these authorization values.
func bearing(ctx context.Context, values ...string) context.Context {
	for _, v := range values {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", v)
	}
	return ctx
}

// incoming is what a server makes of them.
func incoming(ctx context.Context, values ...string) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.MD{"authorization": values})
}

// panics says with what f panics.
func panics(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}
