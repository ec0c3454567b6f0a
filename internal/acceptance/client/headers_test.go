package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// Whom the headers were kept from may say no, and the error says why.
func TestHeaders_RefusalNamesTheOption(t *testing.T) {
	for _, status := range []int{401, 403} {
		n := testkit.NewInternet()
		n.Serve("idp.example", map[string]string{testkit.DiscoveryPath: testkit.Metadata("https://idp.example", "https://keys.example/jwks")})
		n.Route("keys.example", testkit.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			return testkit.RespondTo(r, status, ""), nil
		}))
		c := n.NewClient(t, jwks.WithIssuer("https://idp.example"), jwks.WithHeader("Authorization", "Bearer s3cret"))
		err := c.Ready(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable)
		if !strings.Contains(err.Error(), `not sent to "keys.example": see WithHeaderHosts`) || strings.Contains(err.Error(), "s3cret") {
			t.Error(err)
		}
	}
}

// The function is asked before each attempt, so that a token that has expired
// meanwhile is replaced.
func TestHeaderFunc_AskedAnew(t *testing.T) {
	testkit.Bubble(t, "at each fetch", func(t *testing.T) {
		env := testkit.NewEnv(t)
		asked := 0
		c := env.NewClient(jwks.WithHeader("X-Key", "old"), jwks.WithHeaderFunc("X-Key", func(context.Context) (string, error) {
			asked++
			return strings.Repeat("x", asked), nil
		}))
		for range 2 {
			_, err := c.Refresh(t.Context())
			testkit.WantNoError(t, err)
		}
		var got []string
		for _, r := range env.TakeRequests("") {
			got = append(got, strings.Join(r.Header["X-Key"], ","))
		}
		if want := []string{"x", "xx", "xxx", "xxxx"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
	testkit.Bubble(t, "its error is a failed refresh, and the set at hand serves", func(t *testing.T) {
		env := testkit.NewEnv(t)
		broken := errors.New("the file is gone")
		var fail error
		c := env.NewClient(jwks.WithHeaderFunc("X-Key", func(context.Context) (string, error) { return "", fail }))
		testkit.WantKey(t, c, "k1")
		fail = broken
		_, err := c.Refresh(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable, broken)
		testkit.WantKey(t, c, "k1")
		time.Sleep(testkit.DefaultTTL + time.Minute)
		testkit.WantKey(t, c, "k1")
	})
	testkit.Bubble(t, "a value with a line break is not sent", func(t *testing.T) {
		env := testkit.NewEnv(t)
		c := env.NewClient(jwks.WithHeaderFunc("X-Key", func(context.Context) (string, error) { return "s3cret\r\nEvil: yes", nil }))
		err := c.Ready(t.Context())
		testkit.WantError(t, err, jwks.ErrUnavailable)
		if strings.Contains(err.Error(), "s3cret") || len(env.TakeRequests("")) != 0 {
			t.Error(err)
		}
	})
}
