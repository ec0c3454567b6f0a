package issuers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

func TestIssuers_AnyChecksNamesBeforeIO(t *testing.T) {
	n := testkit.NewInternet()
	dialled := 0
	guarded := &http.Client{Transport: &http.Transport{DialContext: dialCounter(&dialled)}}
	onATransport, err := jwks.NewIssuers(jwks.TrustAnyIssuer(), jwks.WithClientOptions(jwks.WithHTTPClient(guarded)))
	if err != nil {
		t.Fatal(err)
	}
	insecure := n.NewIssuers(t, jwks.TrustAnyIssuer(), jwks.WithClientOptions(jwks.AllowInsecureHTTP()))
	for _, issuer := range []string{
		"", "x", "issuer.example", "http://issuer.example", "ftp://issuer.example", "https://", "https:///path",
		"https://user@issuer.example", "https://issuer.example@127.0.0.1", "https://issuer.example:8443", "https://issuer.example:80", "https://issuer.example:",
		"https://issuer.example?x=1", "https://issuer.example?", "https://issuer.example#x", "https://issuer.example/{tenantid}",
		"https://issuer.example/" + strings.Repeat("x", 490),
		"https://localhost", "https://LOCALHOST", "https://localhost.", "https://a.localhost", "https://localhost:443",
		"https://127.0.0.1", "https://127.1", "https://2130706433", "https://0x7f.1", "https://0x7f000001", "https://0177.0.0.1", "https://0",
		"https://10.0.0.1", "https://172.16.0.1", "https://192.168.0.1", "https://169.254.169.254", "https://100.100.100.200", "https://168.63.129.16",
		"https://224.0.0.1", "https://255.255.255.255", "https://0.0.0.0",
		"https://[::1]", "https://[::]", "https://[fe80::1]", "https://[fe80::1%25eth0]", "https://[fd00:ec2::254]", "https://[ff02::1]",
		"https://[::ffff:127.0.0.1]", "https://[64:ff9b::7f00:1]", "https://[2002:7f00:1::]", "https://[::127.0.0.1]",
		"https://metadata", "https://metadata.google.internal", "https://printer.local", "https://router.lan", "https://１２７.０.０.１", "https://foo.ｌocal",
	} {
		for _, s := range []*jwks.Issuers{onATransport, insecure, n.NewIssuers(t, jwks.TrustAnyIssuer())} {
			_, err := s.SigningKeys(t.Context(), testkit.ES256K1, issuer)
			if err == nil || !errors.Is(err, jwks.ErrIssuerNotTrusted) {
				t.Errorf("%q: %v", issuer, err)
			}
			testkit.WantError(t, err, jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid, jwt.ErrTokenInvalidIssuer)
			_, err = s.Client(t.Context(), issuer)
			testkit.WantError(t, err, jwks.ErrIssuerNotTrusted)
		}
	}
	if n.WantRequests(t); dialled != 0 {
		t.Errorf("%d dials", dialled)
	}
	longest := "https://issuer.example/" + strings.Repeat("x", 489)
	if _, err := n.NewIssuers(t, jwks.TrustAnyIssuer()).Client(t.Context(), longest); err != nil {
		t.Errorf("a name of %d bytes: %v", len(longest), err)
	}
	// None of them was charged.
	good := n.AddIssuer(t, "good.example")
	for range 10 {
		testkit.Accept(t, testkit.NewSourceVerifier(t, insecure), good.Sign(nil))
	}
}

// Where a document or a redirect leads is judged as well: of a RoundTripper
// that is not a transport, by the URL.
func TestIssuers_AnyChecksEveryURL(t *testing.T) {
	inside := map[string]string{"/": "secret", "/jwks": testkit.OneKey(t), testkit.DiscoveryPath: "secret"}
	for _, target := range []string{"https://127.0.0.1/jwks", "https://localhost/jwks", "https://[::1]/jwks", "https://169.254.169.254/jwks", "https://10.0.0.1/jwks",
		"https://evil.example:8443/jwks", "https://metadata.google.internal/jwks", "http://evil.example/jwks"} {
		n := testkit.NewInternet()
		for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "metadata.google.internal", "evil.example:8443"} {
			n.Serve(host, inside)
		}
		n.Serve("issuer.example", map[string]string{testkit.DiscoveryPath: testkit.Metadata("https://issuer.example", target)})
		for name, opts := range map[string][]jwks.ClientOption{"": nil, "insecure": {jwks.AllowInsecureHTTP()}} {
			s := n.NewIssuers(t, jwks.TrustAnyIssuer(), jwks.WithClientOptions(opts...))
			_, err := s.SigningKeys(t.Context(), testkit.ES256K1, "https://issuer.example")
			if name == "" && strings.HasPrefix(target, "http:") { // the document is invalid for any issuer
				testkit.WantError(t, err, jwks.ErrInvalidMetadata)
			} else {
				testkit.WantError(t, err, jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid)
			}
			n.WantRequests(t, "https://issuer.example"+testkit.DiscoveryPath)
			_, err = s.SigningKeys(t.Context(), testkit.ES256K1, "https://issuer.example") // in the backoff the same
			testkit.WantError(t, err)
			n.WantRequests(t)
		}

		redirecting := n.AddIssuer(t, "redirecting.example")
		redirecting.SetFault(jwkstest.Redirect(target))
		s := n.NewIssuers(t, jwks.TrustAnyIssuer())
		_, err := s.SigningKeys(t.Context(), testkit.ES256K1, redirecting.URL())
		if strings.HasPrefix(target, "http:") { // which no redirect from https may lead to
			testkit.WantError(t, err, jwks.ErrUnavailable)
		} else {
			testkit.WantError(t, err, jwks.ErrIssuerNotTrusted, jwks.ErrTokenInvalid)
		}
		n.WantRequests(t, redirecting.URL()+testkit.DiscoveryPath)
	}
}

// Many tokens of one new issuer at once: one client, one fetch, one charge.
func TestIssuers_AnyAdmitsAnIssuerOnce(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "good.example")
	s := n.NewIssuers(t, jwks.TrustAnyIssuer())
	v := testkit.NewSourceVerifier(t, s)
	token := issuer.Sign(nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := v.Verify(t.Context(), token)
			testkit.WantNoError(t, err)
		})
	}
	if wg.Wait(); issuer.Requests().JWKS != 1 || len(s.Status()) != 1 {
		t.Errorf("%d fetches, %d issuers", issuer.Requests().JWKS, len(s.Status()))
	}
	testkit.WantNoError(t, s.Close())
	testkit.WantError(t, s.Ready(t.Context()), jwks.ErrClosed) // even without issuers
}

// 10,000 forged issuers: 10 are asked, and one more each second.
func TestIssuers_AnyForgedIssuersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testkit.NewInternet()
		listed, good := n.AddIssuer(t, "listed.example"), n.AddIssuer(t, "good.example")
		s := n.NewIssuers(t, jwks.TrustAnyIssuer(), jwks.TrustIssuers(listed.URL()))
		v := testkit.NewSourceVerifier(t, s)
		testkit.Accept(t, v, good.Sign(nil))
		forged := 0
		flood := func(tokens int) {
			for range tokens {
				forged++
				_, err := s.SigningKeys(t.Context(), testkit.ES256K1, fmt.Sprintf("https://forged%d.example", forged))
				if err == nil || errors.Is(err, jwks.ErrIssuerNotTrusted) == errors.Is(err, jwks.ErrUnavailable) { // no such name, or over the budget
					t.Errorf("%v", err)
				}
			}
		}
		n.TakeRequests()
		flood(10_000)
		if got := len(n.TakeRequests()); got != 9 { // good.example was new as well
			t.Errorf("%d requests for 10,000 issuers, want 9", got)
		}
		for range 5 {
			time.Sleep(time.Second)
			flood(1000)
			if got := len(n.TakeRequests()); got != 1 {
				t.Errorf("%d requests for 1,000 issuers in a second, want 1", got)
			}
		}
		n.TakeRequests()
		// Who is known, or listed, does not notice.
		testkit.Accept(t, v, good.Sign(nil))
		testkit.Accept(t, v, listed.Sign(nil))
		n.WantRequests(t, listed.URL()+testkit.DiscoveryPath, listed.JWKSURL())
		_, err := s.Client(t.Context(), "https://new.example")
		if testkit.WantError(t, err, jwks.ErrUnavailable); !strings.Contains(err.Error(), "budget") {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Hour) // back to 10, and no more
		flood(100)
		if got := len(n.TakeRequests()); got != 10 {
			t.Errorf("%d requests after an hour, want 10", got)
		}
		if got := len(s.Status()); got > 33 {
			t.Errorf("%d issuers are kept", got)
		}
	})
}

// Issuers that were evicted and come again are new ones.
func TestIssuers_AnyEvictedIssuersAreNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testkit.NewInternet().NewIssuers(t, jwks.TrustAnyIssuer(), jwks.WithMaxIssuers(1))
		admitted := 0
		for i := range 100 {
			if _, err := s.Client(t.Context(), fmt.Sprintf("https://i%d.example", i%2)); err == nil {
				admitted++
			} else {
				testkit.WantError(t, err, jwks.ErrUnavailable)
			}
		}
		// 10 new ones; from then on the last of them is found every other time.
		if admitted != 10+45 {
			t.Errorf("%d admitted", admitted)
		}
	})
}

// dialCounter is a dialer that counts and never connects.
func dialCounter(n *int) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		*n++
		return nil, errors.New("no network in tests")
	}
}
