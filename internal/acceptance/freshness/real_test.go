package freshness

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/internal/testkit/firewall"
)

// Go's own file server gives a file's mtime as its only validator. Where all
// files have one date, as in reproducible images, and the new set is as long as
// the old one, every conditional request is told that nothing has changed.
func TestFileServer_SameDateAndLength(t *testing.T) {
	for _, date := range []time.Time{
		time.Date(1980, 1, 1, 0, 0, 1, 0, time.UTC), // of reproducible images
		time.Unix(0, 0), // Go's file server takes this for no date
		time.Date(2025, 11, 27, 12, 0, 0, 0, time.UTC),
	} {
		t.Run(date.UTC().Format(time.RFC3339), func(t *testing.T) {
			dir := t.TempDir()
			publish := func(s *testkit.Signer) int {
				t.Helper()
				document, path := testkit.KeySetDocument(s.JWK()), filepath.Join(dir, "jwks")
				if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(path, date, date); err != nil {
					t.Fatal(err)
				}
				return len(document)
			}
			server := httptest.NewServer(http.FileServer(http.Dir(dir)))
			defer server.Close()
			k1, k2, replaced := testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "ES256", "k2"), testkit.NewSigner(t, "ES256", "k2")
			length := publish(k1)
			c, err := jwks.NewClient(jwks.WithJWKSURL(server.URL+"/jwks"), jwks.WithIssuer(testkit.Issuer))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			v := testkit.NewVerifier(t, c)
			payload := fmt.Sprintf(`{"iss":%q,"aud":%q,"exp":9999999999}`, testkit.Issuer, testkit.Audience)
			testkit.AcceptOnce(t, v, k1.Token(payload))

			if n := publish(k2); n != length {
				t.Fatalf("the sets have %d and %d bytes", length, n)
			}
			testkit.MustRefresh(t, c)
			testkit.RefuseOnce(t, v, k1.Token(payload), jwks.ErrKeyNotFound)
			testkit.AcceptOnce(t, v, k2.Token(payload))

			publish(replaced) // under the same kid
			testkit.AcceptOnce(t, v, replaced.Token(payload))
			publish(k1)
			testkit.AcceptOnce(t, v, k1.Token(payload)) // an unknown kid
			if st := c.Status(); st.NotModified != 0 {
				t.Errorf("%d times the server was believed", st.NotModified)
			}
		})
	}
}

// A user's HTTP/2 transport keeps one connection for everything. When that dies
// without a word, the next attempt has to have another.
func TestDeadConnection_OfAUsersTransport(t *testing.T) {
	document := testkit.OneKey(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("HTTP/%d", r.ProtoMajor)
		}
		_, _ = io.WriteString(w, document)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	between := firewall.New(t, server.Listener.Addr().String())
	transport := server.Client().Transport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	c, err := jwks.NewClient(
		jwks.WithJWKSURL("https://"+between.Addr().String()+"/jwks"),
		jwks.WithHTTPClient(&http.Client{Transport: transport}),
		jwks.WithTimeout(4*time.Second), // which a dead connection takes, and another must do with
	)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		before := between.Forget()
		testkit.MustRefresh(t, c)
		if between.Connections() == before {
			t.Errorf("the refresh went over a dead connection, of %d", before)
		}
	}
	if st := c.Status(); st.Failures != 0 || st.Fetches != 3 {
		t.Errorf("%+v", st)
	}
}
