package jwksgrpc_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/grpc"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A service whose calls need a token, but for its health.
func Example() {
	issuer := jwkstest.Start() // stands for your identity provider
	defer issuer.Close()

	keys, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = keys.Close() }()
	verifier, err := jwks.NewVerifier(keys, jwks.WithAudience("my-api"))
	if err != nil {
		log.Fatal(err)
	}

	opts := []jwksgrpc.Option{
		jwksgrpc.Public("/grpc.health.v1.Health/*"),
		jwksgrpc.RequireScopes("/grpc.testing.TestService/*", "read"),
		jwksgrpc.EndStreamsAtExpiry(),
	}
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(jwksgrpc.UnaryServerInterceptor(verifier, opts...)),
		grpc.ChainStreamInterceptor(jwksgrpc.StreamServerInterceptor(verifier, opts...)),
	)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	grpc_testing.RegisterTestServiceServer(server, greeter{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()

	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	call := func(scope string) {
		ctx := context.Background()
		if scope != "" {
			token := issuer.Sign(map[string]any{"aud": "my-api", "sub": "alice", "scope": scope})
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
		}
		reply, err := grpc_testing.NewTestServiceClient(conn).UnaryCall(ctx, &grpc_testing.SimpleRequest{})
		if err != nil {
			fmt.Printf("scope %q: %s, %s\n", scope, status.Code(err), status.Convert(err).Message())
			return
		}
		fmt.Printf("scope %q: hello %s\n", scope, reply.GetUsername())
	}
	check, err := grpc_health_v1.NewHealthClient(conn).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	fmt.Println("health:", check.GetStatus(), err)
	call("read")
	call("write")
	call("")
	// Output:
	// health: SERVING <nil>
	// scope "read": hello alice
	// scope "write": PermissionDenied, the token lacks a required scope
	// scope "": Unauthenticated, no bearer token in the metadata "authorization"
}

// greeter says to whom the token belongs.
type greeter struct {
	grpc_testing.UnimplementedTestServiceServer
}

func (greeter) UnaryCall(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	token, ok := jwksgrpc.TokenFromContext(ctx)
	if !ok {
		return nil, status.Error(codes.Internal, "not behind the interceptor")
	}
	return &grpc_testing.SimpleResponse{Username: token.Subject()}, nil
}

// A tap refuses calls without a token before their message is read. It must not
// verify: it would hold up the whole connection. An interceptor is needed all the
// same.
func Example_tap() {
	tapped := grpc.InTapHandle(func(ctx context.Context, info *tap.Info) (context.Context, error) {
		if len(info.Header["authorization"]) != 1 && info.FullMethodName != "/grpc.health.v1.Health/Check" {
			return nil, status.Error(codes.Unauthenticated, "want one authorization value")
		}
		return ctx, nil
	})
	server := grpc.NewServer(tapped /* and the interceptors */)
	server.Stop()
}
