package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/testkit/firewall"
)

// behindFirewall is an HTTP/2 server, its firewall, and the settings of TLS
// that trust it.
func behindFirewall(t *testing.T) (url string, w *firewall.Firewall, settings *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		io.WriteString(w, "{}")
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	w = firewall.New(t, s.Listener.Addr().String())
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return "https://" + w.Addr().String() + "/", w, &tls.Config{RootCAs: roots}
}

// patience is how long an attempt may take: one over a dead connection takes that
// long, and the next one has to do with it on a busy machine.
const patience = 4 * time.Second

// wrapped hides a transport, as packages for tracing do.
type wrapped struct{ *http.Transport }

func TestDeadConnection_IsNotUsedAgain(t *testing.T) {
	for _, test := range []struct {
		name   string
		client func(settings *tls.Config) *http.Client // nil: the Fetcher's own transport
	}{
		{"own transport", nil},
		{"a user's transport", func(settings *tls.Config) *http.Client {
			return &http.Client{Transport: &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}}
		}},
		{"one whose HTTP/2 was set up by itself", func(settings *tls.Config) *http.Client {
			rt := &http.Transport{} // HTTP/2 only as long as there are no settings
			rt.RegisterProtocol("nothing", http.NewFileTransport(nil))
			_, _ = rt.RoundTrip(&http.Request{}) // sets it up
			rt.TLSClientConfig.RootCAs = settings.RootCAs
			return &http.Client{Transport: rt}
		}},
		{"a RoundTripper around one", func(settings *tls.Config) *http.Client {
			return &http.Client{Transport: wrapped{&http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel() // each waits for a dead connection
			url, wall, settings := behindFirewall(t)
			cfg := Config{MaxSize: 10, Timeout: patience, Retries: 1}
			if test.client == nil {
				cfg.TLS = settings
			} else {
				cfg.Client = test.client(settings)
				defer cfg.Client.CloseIdleConnections()
			}
			f := New(cfg)
			defer f.CloseIdle()
			get := func() error {
				resp, err := f.Get(t.Context(), Request{URL: url})
				if err == nil && resp.Header.Get("X-Proto") != "HTTP/2.0" {
					t.Errorf("over %s", resp.Header.Get("X-Proto"))
				}
				return err
			}
			for range 2 {
				if err := get(); err != nil {
					t.Fatal(err)
				}
			}
			if n := wall.Forget(); n != 1 {
				t.Fatalf("two fetches over %d connections", n)
			}
			stumbled := 0
			_, err := f.Get(t.Context(), Request{URL: url, Stumbled: func(e *Error) {
				if stumbled++; !errors.Is(e, os.ErrDeadlineExceeded) {
					t.Errorf("stumbled over %v", e)
				}
			}})
			if err != nil || stumbled != 1 || wall.Connections() != 2 {
				t.Errorf("%d attempts failed, %d connections, %v; want the second attempt over a second one", stumbled, wall.Connections(), err)
			}
			// And the one after it needs no second attempt.
			if err := get(); err != nil {
				t.Error(err)
			}
			if test.client == nil { // the dead one is not left behind either
				f.CloseIdle()
				wall.AwaitOpen(t, 0)
			}
		})
	}
}

// Without retries the next fetch is the one that must not meet it.
func TestDeadConnection_NextFetchIsFree(t *testing.T) {
	url, wall, settings := behindFirewall(t)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	f := New(Config{MaxSize: 10, Timeout: time.Minute, Client: client})
	defer f.CloseIdle()
	if _, err := f.Get(t.Context(), Request{URL: url}); err != nil {
		t.Fatal(err)
	}
	wall.Forget()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // the time of the whole refresh
	defer cancel()
	_, err := f.Get(ctx, Request{URL: url})
	if e := mustFail(t, err); !errors.Is(e, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	for range 2 {
		if _, err := f.Get(t.Context(), Request{URL: url}); err != nil {
			t.Error(err)
		}
		f.CloseIdle() // as between refreshes
	}
	if n := wall.Connections(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

// The user's connections stay the user's.
func TestDeadConnection_TransportIsNotTouched(t *testing.T) {
	url, wall, settings := behindFirewall(t)
	rt := &http.Transport{TLSClientConfig: settings, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: rt}
	defer client.CloseIdleConnections()
	f := New(Config{MaxSize: 10, Timeout: patience, Retries: 1, Client: client})
	defer f.CloseIdle()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	wall.Forget()
	if _, err := f.Get(t.Context(), Request{URL: url}); err != nil {
		t.Fatal(err)
	}
	if client.Transport != http.RoundTripper(rt) || f.client.Transport != http.RoundTripper(rt) {
		t.Error("the user's client has another transport")
	}
}

func TestCloneTransport_KeepsHTTP2(t *testing.T) {
	url, _, settings := behindFirewall(t)
	offering := settings.Clone()
	offering.NextProtos = []string{"h2", "http/1.1"}
	for name, test := range map[string]struct {
		rt   *http.Transport
		used bool // before it is cloned
		want string
	}{
		"forced":         {&http.Transport{TLSClientConfig: settings.Clone(), ForceAttemptHTTP2: true}, false, "HTTP/2.0"},
		"forced, used":   {&http.Transport{TLSClientConfig: settings.Clone(), ForceAttemptHTTP2: true}, true, "HTTP/2.0"},
		"not asked for":  {&http.Transport{TLSClientConfig: settings.Clone()}, true, "HTTP/1.1"},
		"switched off":   {&http.Transport{TLSClientConfig: settings.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}, true, "HTTP/1.1"},
		"of the package": {NewTransport(settings), false, "HTTP/2.0"},
		"set up by another package": {&http.Transport{TLSClientConfig: offering, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{
			"h2": func(string, *tls.Conn) http.RoundTripper {
				return roundTrip(func(*http.Request) (*http.Response, error) { return nil, errors.New("an old connection") })
			},
		}}, false, "HTTP/2.0"},
	} {
		get := func(rt *http.Transport) {
			defer rt.CloseIdleConnections()
			resp, err := (&http.Client{Transport: rt}).Get(url)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("X-Proto"); got != test.want {
				t.Errorf("%s: %s, want %s", name, got, test.want)
			}
		}
		if test.used {
			get(test.rt)
		}
		clone := CloneTransport(test.rt)
		get(clone)
		get(CloneTransport(clone))
	}
}
