package awsalb_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/awsalb"
)

// The ARN of the load balancer says whose tokens pass and where their keys are.
// examples/alb has a whole service.
func ExampleNew() {
	alb, err := awsalb.New([]string{"arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alb.Close()

	// In a handler: alb.Verify(r.Context(), r.Header.Get(awsalb.Header)).
	_, err = alb.Verify(context.Background(), "")
	switch {
	case errors.Is(err, jwks.ErrUnavailable):
		fmt.Println(503)
	case err != nil:
		fmt.Println(401, err)
	}
	// Output:
	// 401 jwks: token invalid: malformed: it is empty: the load balancer sends it in the header x-amzn-oidc-data
}
