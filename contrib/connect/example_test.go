package jwksconnect_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/contrib/connect"
	"github.com/seed-22400188/jwks/jwkshttp"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A service whose procedures need a token. In a program,
//
//	authn.NewMiddleware(auth).Wrap(mux)
//
// of connectrpc.com/authn takes the place of authenticate, and authn.GetInfo that of
// jwkshttp.TokenFromContext.
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

	const hello = "/greet.Greeter/Hello"
	mux := http.NewServeMux()
	mux.Handle(hello, connect.NewUnaryHandler(hello,
		func(ctx context.Context, _ *connect.Request[emptypb.Empty]) (*connect.Response[wrapperspb.StringValue], error) {
			token, _ := jwkshttp.TokenFromContext(ctx)
			return connect.NewResponse(wrapperspb.String("hello " + token.Subject())), nil
		}))
	auth := jwksconnect.AuthFunc(verifier, jwksconnect.RequireScopes("/greet.Greeter/*", "greet"))
	server := httptest.NewServer(authenticate(auth, mux))
	defer server.Close()

	client := connect.NewClient[emptypb.Empty, wrapperspb.StringValue](server.Client(), server.URL+hello)
	for _, scope := range []string{"greet", "other", ""} {
		request := connect.NewRequest(&emptypb.Empty{})
		if scope != "" {
			token := issuer.Sign(map[string]any{"aud": "my-api", "sub": "alice", "scope": scope})
			request.Header().Set("Authorization", "Bearer "+token)
		}
		reply, err := client.CallUnary(context.Background(), request)
		if err != nil {
			fmt.Printf("scope %q: %v\n", scope, err)
			continue
		}
		fmt.Printf("scope %q: %s\n", scope, reply.Msg.GetValue())
	}
	// Output:
	// scope "greet": hello alice
	// scope "other": permission_denied: the token lacks a required scope
	// scope "": unauthenticated: no bearer token in the Authorization header
}

// authenticate stands for connectrpc.com/authn.
func authenticate(auth func(context.Context, *http.Request) (any, error), next http.Handler) http.Handler {
	errors := connect.NewErrorWriter() // writes in the protocol of the request
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, err := auth(r.Context(), r)
		if err != nil {
			_ = errors.Write(w, r, err)
			return
		}
		ctx := r.Context()
		if token, ok := info.(*jwks.Token); ok {
			ctx = jwkshttp.ContextWithToken(ctx, token)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
