package jwksgrpc_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A call brings no proof of a key, so a token that is bound to one is refused,
// whatever the scheme, unless the program accepts it from anyone.
func TestBoundToken_IsRefused(t *testing.T) {
	issuer := newIssuer(t)
	key := jwkstest.NewProofKey("ES256")
	token := sign(issuer, map[string]any{"cnf": key.Confirmation()})
	proof := key.Proof("POST", "http://memory"+unaryCall, token)
	for name, test := range map[string]struct {
		verifier *jwks.Verifier
		scheme   string
		code     codes.Code
	}{
		"as Bearer":       {newVerifier(t, issuer), "Bearer ", codes.Unauthenticated},
		"as DPoP":         {newVerifier(t, issuer), "DPoP ", codes.Unauthenticated},
		"with a cache":    {newVerifier(t, issuer, jwks.WithTokenCache(10)), "Bearer ", codes.Unauthenticated},
		"accepted anyway": {newVerifier(t, issuer, jwks.WithoutProofOfPossession()), "Bearer ", codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			client := dial(t, &service{}, protected(test.verifier))
			ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", test.scheme+token, "dpop", proof)
			_, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
			if status.Code(err) != test.code {
				t.Errorf("unary: %v, want %v", err, test.code)
			}
			stream, err := client.FullDuplexCall(ctx)
			if err == nil {
				_, err = stream.Recv()
			}
			if status.Code(err) != test.code {
				t.Errorf("stream: %v, want %v", err, test.code)
			}
			if err != nil && strings.Contains(err.Error(), token) {
				t.Error("the token stands in the error")
			}
		})
	}
}
