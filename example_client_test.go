package jwks_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/jwksstore"
	"github.com/seed-22400188/jwks/jwkstest"
)

// A line for what matters: the first set, a rotation, a failing issuer, and its
// recovery. Tokens and keys are never in it.
func ExampleWithLogger() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: shorten}))
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithLogger(logger))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	if err := client.Ready(ctx); err != nil {
		fmt.Println(err)
		return
	}
	issuer.Rotate()
	if _, err := client.Refresh(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// level=INFO msg="jwks: first key set loaded" added=[k1] removed=[] changed=[]
	// level=INFO msg="jwks: key set changed" added=[k2] removed=[] changed=[]
}

// shorten leaves out what differs from run to run, or is in every line.
func shorten(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == "issuer" || a.Key == "url" || a.Key == "duration" {
		return slog.Attr{}
	}
	return a
}

// Events are for a program, where the log is for people.
func ExampleWithObserver() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(
		jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0),
		jwks.WithObserver(func(e jwks.Event) { fmt.Println(e.Kind, e.Added, e.Failures) }),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	_, _ = client.Refresh(ctx)
	issuer.SetFault(jwkstest.Status(503))
	_, _ = client.Refresh(ctx)
	issuer.SetFault(jwkstest.None())
	_, _ = client.Refresh(ctx)
	// Output:
	// refreshed [k1] 0
	// refresh failed [] 1
	// refreshed [] 0
	// recovered [] 1
}

// Run keeps the keys warm where hours may pass between two tokens. It belongs to
// the program, which starts it and waits for it.
func ExampleClient_Run() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx, stop := context.WithCancel(context.Background()) // in a service: signal.NotifyContext
	done := make(chan error)
	go func() { done <- client.Run(ctx) }()

	if err := client.Ready(ctx); err != nil { // before the service takes traffic
		fmt.Println(err)
	}
	fmt.Println(client.Status().State)
	stop()
	fmt.Println(<-done)
	// Output:
	// fresh
	// context canceled
}

// An issuer whose certificate is signed by an authority of one's own.
func ExampleWithTLSConfig() {
	server := httptest.NewUnstartedServer(nil)
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithBaseURL("https://"+server.Listener.Addr().String()))
	defer issuer.Close()
	server.Config.Handler = issuer.Handler()
	server.StartTLS()
	defer server.Close()

	authorities := x509.NewCertPool() // in a service: AppendCertsFromPEM
	authorities.AddCert(server.Certificate())
	client, err := jwks.NewClient(
		jwks.WithIssuer(issuer.URL()),
		jwks.WithTLSConfig(&tls.Config{RootCAs: authorities}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Ready(context.Background()))
	// Output: <nil>
}

// A seed lets a service start while its issuer is away.
func ExampleWithKeySet() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	saved := savedKeySet(issuer) // at deployment: curl https://issuer.example/jwks
	issuer.SetFault(jwkstest.Status(503))

	seed, err := jwks.ParseKeySet(saved)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := jwks.NewClient(
		jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()), jwks.WithRetries(0),
		jwks.WithKeySet(seed), // until the first fetch succeeds, for WithMaxStale at most
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := verifier.Verify(context.Background(), issuer.Sign(map[string]any{"sub": "alice", "aud": "orders-api"}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.Subject(), client.Status().State)
	// Output: alice stale
}

// savedKeySet fetches the key set document of an issuer.
func savedKeySet(issuer *jwkstest.Issuer) []byte {
	client, err := jwks.NewClient(jwks.WithJWKSURL(issuer.JWKSURL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		panic(err)
	}
	defer client.Close()
	set, err := client.KeySet(context.Background())
	if err != nil {
		panic(err)
	}
	document, err := set.MarshalJSON()
	if err != nil {
		panic(err)
	}
	return document
}

// Retention is for issuers whose replicas disagree about their keys.
func ExampleWithRetention() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256", "RS256")) // k1 and k2
	defer issuer.Close()
	client, err := jwks.NewClient(
		jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()),
		jwks.WithRetention(48*time.Hour),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	if err := client.Ready(ctx); err != nil {
		fmt.Println(err)
		return
	}
	issuer.RemoveKey("k1") // a replica that does not have it answers
	if _, err := client.Refresh(ctx); err != nil {
		fmt.Println(err)
		return
	}
	_, err = client.Key(ctx, "k1")
	status := client.Status()
	fmt.Println(status.KeyIDs, status.Retained, err)
	// Output: [k2] [k1] <nil>
}

// The issuer of Microsoft Entra for several tenants. The token's own tenant must
// be one of those that are listed.
func ExampleWithTenants() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"), jwkstest.WithPath("/{tenantid}/v2.0"))
	defer issuer.Close()
	const blue, red = "11111111-1111-4111-8111-111111111111", "99999999-9999-4999-8999-999999999999"
	client, err := jwks.NewClient(
		jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()),
		jwks.WithTenants(blue), // none: any tenant
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, tenant := range []string{blue, red} {
		_, err := verifier.Verify(context.Background(), issuer.Sign(map[string]any{"aud": "orders-api", "tid": tenant}))
		fmt.Println(jwks.Reason(err) == "", errors.Is(err, jwt.ErrTokenInvalidIssuer))
	}
	// Output:
	// true false
	// false true
}

// Access tokens of the JWT profile (RFC 9068), and nothing that is signed with the
// same keys but is not one, such as an ID token.
func ExampleWithAccessTokenProfile() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithHTTPClient(issuer.HTTPClient()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	verifier, err := jwks.NewVerifier(client, jwks.WithAudience("orders-api"), jwks.WithAccessTokenProfile())
	if err != nil {
		fmt.Println(err)
		return
	}
	claims := map[string]any{"aud": "orders-api", "client_id": "web", "jti": "1"}
	_, err = verifier.Verify(context.Background(), issuer.Sign(claims, jwkstest.WithHeader("typ", "at+jwt")))
	fmt.Println(err)
	_, err = verifier.Verify(context.Background(), issuer.Sign(claims, jwkstest.WithHeader("typ", "JWT")))
	fmt.Println(err)
	// Output:
	// <nil>
	// jwks: token invalid: typ is "JWT", want "at+jwt" (RFC 9068)
}

// Each issuer's tokens by rules of their own: an audience of one issuer does not
// count for the other.
func ExampleForIssuer() {
	blue, green, client := tenants()
	defer blue.Close()
	defer green.Close()
	issuers, err := jwks.NewIssuers(jwks.TrustIssuers(blue.URL(), green.URL()), jwks.WithClientOptions(jwks.WithHTTPClient(client)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuers.Close()
	verifier, err := jwks.NewVerifier(issuers,
		jwks.ForIssuer(blue.URL(), jwks.WithAudience("orders-api")),
		jwks.ForIssuer(green.URL(), jwks.WithAudience("urn:green:orders"), jwks.WithRequiredClaims("tenant")),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{
		blue.Sign(map[string]any{"aud": "orders-api"}),
		green.Sign(map[string]any{"aud": "urn:green:orders", "tenant": "t1"}),
		green.Sign(map[string]any{"aud": "orders-api", "tenant": "t1"}),
	} {
		_, err := verifier.Verify(context.Background(), text)
		fmt.Println(jwks.Reason(err) == "", errors.Is(err, jwt.ErrTokenInvalidAudience))
	}
	// Output:
	// true false
	// true false
	// false true
}

// Keys from a file, which may be replaced while the service runs.
func ExampleWithKeyFile() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	file := filepath.Join(dir, "jwks.json") // in a service: a mounted ConfigMap
	if err := os.WriteFile(file, savedKeySet(issuer), 0o600); err != nil {
		fmt.Println(err)
		return
	}

	client, err := jwks.NewClient(jwks.WithIssuer(issuer.URL()), jwks.WithKeyFile(file))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	key, err := client.KeyForToken(context.Background(), issuer.Sign(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(key.ID(), key.Type())
	// Output: k1 EC
}

// A service that is restarted while its issuer is down goes on with the keys of
// the process before it.
func ExampleWithStore() {
	issuer := jwkstest.Start(jwkstest.WithAlgorithms("ES256"))
	defer issuer.Close()
	store := jwksstore.Memory()                                   // a service takes jwksstore.Dir, a fleet contrib/redis
	secret := []byte("32 random bytes, the same in all replicas") // from where the service has its secrets

	for _, process := range []string{"first", "second"} {
		client, err := jwks.NewClient(
			jwks.WithIssuer(issuer.URL()),
			jwks.WithHTTPClient(issuer.HTTPClient()),
			jwks.WithStore(store, secret),
		)
		if err != nil {
			fmt.Println(err)
			return
		}
		key, err := client.Key(context.Background(), "k1")
		if err != nil {
			fmt.Println(err)
			return
		}
		status := client.Status()
		fmt.Printf("%s: %s, stored %t\n", process, key.ID(), !status.Stored.IsZero())
		client.Close() // waits until the keys are saved
		issuer.SetFault(jwkstest.DropConnection())
	}
	// Output:
	// first: k1, stored false
	// second: k1, stored true
}
