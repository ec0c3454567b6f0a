// Command alb shows package awsalb in a service behind an AWS Application Load
// Balancer that signs its users in. The load balancer and the place of its keys
// are inside the program, so it needs no network, no port and no account.
//
//	go run ./examples/alb
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/awsalb"
	"github.com/seed-22400188/jwks/jwkshttp"
)

const loadBalancer = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"

// newService is what a service behind the load balancer consists of.
func newService(alb *awsalb.Validator) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := alb.Verify(r.Context(), r.Header.Get(awsalb.Header))
		if err == nil && user.ClientID != "shop" { // the load balancer may have rules for other applications
			http.Error(w, "signed in elsewhere", http.StatusForbidden)
			return
		}
		if err != nil {
			status := jwkshttp.StatusCode(err) // 401, or 503 while the keys are unavailable
			log.Print(err)                     // which never holds the token
			http.Error(w, http.StatusText(status), status)
			return
		}
		fmt.Fprint(w, "hello, ", user.Email)
	})
}

func main() {
	log.SetFlags(0)
	log.SetOutput(os.Stdout)
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	fake, err := newFakeALB()
	if err != nil {
		return err
	}
	// In a service the ARN is all there is.
	alb, err := awsalb.New([]string{loadBalancer}, awsalb.WithHTTPClient(&http.Client{Transport: fake}))
	if err != nil {
		return err
	}
	defer alb.Close()
	service := newService(alb) // for http.ListenAndServe

	send := func(what, token string) {
		r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
		if token != "" {
			r.Header.Set(awsalb.Header, token) // as the load balancer does
		}
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r)
		fmt.Fprintf(out, "%-28s%d  %s\n", what, w.Code, strings.TrimSpace(w.Body.String()))
	}
	soon := time.Now().Add(2 * time.Minute)
	send("past the load balancer", "")
	send("alice", fake.sign(loadBalancer, "shop", "alice@example.com", soon))
	send("another application's", fake.sign(loadBalancer, "wiki", "alice@example.com", soon))
	send("another load balancer's", fake.sign(loadBalancer+"9", "shop", "alice@example.com", soon))
	send("an old one", fake.sign(loadBalancer, "shop", "alice@example.com", time.Now().Add(-time.Hour)))
	fake.down = true
	send("alice, keys unavailable", fake.sign(loadBalancer, "shop", "alice@example.com", soon)) // her key is known
	fake.rotate()
	send("bob, keys unavailable", fake.sign(loadBalancer, "shop", "bob@example.com", soon))
	fake.down = false
	send("bob", fake.sign(loadBalancer, "shop", "bob@example.com", soon))
	return nil
}
