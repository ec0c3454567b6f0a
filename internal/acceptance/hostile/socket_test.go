package hostile

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// hostileServer is an issuer on a real socket whose answers change.
type hostileServer struct {
	url    string
	answer atomic.Pointer[http.HandlerFunc]
}

func newHostileServer(t *testing.T) *hostileServer {
	s := new(hostileServer)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*s.answer.Load())(w, r) }))
	t.Cleanup(func() {
		server.CloseClientConnections() // some answers have no end
		server.Close()
	})
	s.url = server.URL + testkit.KeySetPath
	return s
}

func (s *hostileServer) answers(f http.HandlerFunc) { s.answer.Store(&f) }

// document answers with a body as servers do.
func document(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }
}

// manyEd25519 is a set of n real keys, each another one, with which kids is up
// to the caller. The document comes with 10,000 to less than a megabyte: it is
// the number of keys that is too large.
func manyEd25519(t *testing.T, n int) []byte {
	t.Helper()
	entries := make([]string, n)
	for i := range entries {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		entries[i] = `{"kty":"OKP","crv":"Ed25519","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}`
	}
	return []byte(`{"keys":[` + strings.Join(entries, ",") + `]}`)
}

// gzipBomb is 100 MB of spaces and an empty set behind them, in 100 kB: the
// members of a gzip file follow each other (RFC 1952 section 2.2).
func gzipBomb(t *testing.T) []byte {
	t.Helper()
	compressed := func(text []byte) []byte {
		var b bytes.Buffer
		z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(text); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	bomb := bytes.Repeat(compressed(bytes.Repeat([]byte(" "), 1_000_000)), 100)
	if len(bomb) > 150_000 {
		t.Fatalf("a bomb of %d bytes is none", len(bomb))
	}
	return append(bomb, compressed([]byte(`{"keys":[]}`))...)
}

// unanswered is what is told of an answer that does not come, or does not end.
const unanswered = "no answer within 5s"

// generated are the answers that the manifest wants made, and how they may be
// refused: by what is in them, or before that by how they came.
func generated(t *testing.T, good []byte) map[string]struct {
	answer  http.HandlerFunc
	content bool   // ErrInvalidKeySet: it was read
	says    string // in the error
} {
	t.Helper()
	type answer = struct {
		answer  http.HandlerFunc
		content bool
		says    string
	}
	tenThousand, bomb := manyEd25519(t, 10_000), gzipBomb(t)
	chunk := bytes.Repeat([]byte("A"), 64<<10)
	spaces := bytes.Repeat([]byte(" "), 64<<10)
	stream := func(w http.ResponseWriter, part []byte, n int) { // until the client has gone
		for range n {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}
	return map[string]answer{
		"gen-50MB-string": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[],"x":"`)
			stream(w, chunk, 50_000_000/len(chunk)+1)
			_, _ = io.WriteString(w, `"}`)
		}, false, "longer than the limit"},
		"gen-10k-ed25519": {document(tenThousand), true, "more than 1000 entries"},
		"gen-gzip-bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		}, false, "longer than the limit"},
		"gen-slowloris": {func(w http.ResponseWriter, r *http.Request) {
			for _, b := range good {
				_, _ = w.Write([]byte{b})
				w.(http.Flusher).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(time.Second):
				}
			}
		}, false, unanswered},
		"gen-endless-whitespace": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(good)
			stream(w, spaces, 1<<30)
		}, false, "longer than the limit"},
		"gen-short-content-length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(good)+10))
			_, _ = w.Write(good)
		}, false, "unexpected EOF"},
		// Beyond the manifest.
		"endless whitespace before": {func(w http.ResponseWriter, _ *http.Request) {
			stream(w, spaces, 1<<30)
		}, false, "longer than the limit"},
		"a promise of a terabyte": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000000000")
			_, _ = w.Write(good)
		}, false, "longer than the limit"},
		"a header without end": {func(w http.ResponseWriter, _ *http.Request) {
			for i := range 1000 {
				w.Header().Set("X-"+strconv.Itoa(i), string(chunk[:4096]))
			}
			_, _ = w.Write(good)
		}, false, ""},
		"a closed connection": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false, ""},
		"no answer at all":    {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, false, unanswered},
		"gzip that is none": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(good)
		}, false, ""},
	}
}

// hostileClient is a client on a socket with a good set, and the means to see
// that it is unharmed.
type hostileClient struct {
	server *hostileServer
	client *jwks.Client
	good   *testkit.Signer
	check  *jwks.Verifier
}

// patience is how long an answer of a kind may take: those that come in the end
// have all the time that a busy machine needs.
func patience(says string) time.Duration {
	if says == unanswered {
		return 5 * time.Second
	}
	return time.Minute
}

func newHostileClient(t *testing.T, server *hostileServer, good *testkit.Signer, timeout time.Duration) *hostileClient {
	t.Helper()
	c, err := jwks.NewClient(jwks.WithJWKSURL(server.url), jwks.WithTimeout(timeout), jwks.WithRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	h := &hostileClient{server, c, good, testkit.NewVerifier(t, c)}
	h.unharmed(t)
	return h
}

// unharmed wants the good set to serve.
func (h *hostileClient) unharmed(t *testing.T) {
	t.Helper()
	if got := h.client.Status().KeyIDs; got != nil && !slices.Equal(got, []string{"good"}) {
		t.Errorf("the set is %q", got)
	}
	testkit.Accept(t, h.check, h.good.Token(testkit.Payload(nil)))
}

// refresh fetches what the server answers now, and bounds what that costs. The
// server is in the same process and counts too.
func (h *hostileClient) refresh(t *testing.T) (*jwks.KeySet, error) {
	t.Helper()
	var set *jwks.KeySet
	var err error
	if n := testkit.Allocated(func() { set, err = h.client.Refresh(t.Context()) }); n > 24<<20 {
		t.Errorf("%d bytes are allocated", n)
	}
	return set, err
}

// TestHostile_DocumentsOverHTTP puts every hostile document, stored and
// generated, before a client with a good set: what can be used is used, what
// cannot changes nothing, and none costs much.
func TestHostile_DocumentsOverHTTP(t *testing.T) {
	server := newHostileServer(t)
	good := testkit.NewSigner(t, "ES256", "good")
	set := []byte(`{"keys":[` + good.JWK() + `]}`)
	server.answers(document(set))
	bad := generated(t, set)
	entries := readManifest(t, testkit.Testdata(t, "hostile"))
	for name := range bad {
		if !strings.HasPrefix(name, "gen-") {
			entries = append(entries, manifestEntry{File: name, Expect: "reject_document"})
		}
	}
	for _, entry := range entries {
		t.Run(entry.File, func(t *testing.T) {
			server.answers(document(set))
			reply, made := bad[entry.File]
			timeout := patience(reply.says)
			h := newHostileClient(t, server, good, timeout)
			if !made {
				body, err := os.ReadFile(testkit.Testdata(t, "hostile", entry.File))
				if errors.Is(err, os.ErrNotExist) {
					body, _ = unstored(t, entry.File)
				} else if err != nil {
					t.Fatal(err)
				}
				reply.answer, reply.content = document(body), true
			}
			server.answers(reply.answer)
			got, err := h.refresh(t)
			if entry.Expect == "accept_keys" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				if kids := testkit.KeyIDs(got); !made && len(kids) != len(entry.UsableKids) && entry.File != "055-akp-mldsa.json" {
					t.Errorf("usable %q, want %q", kids, entry.UsableKids)
				}
				server.answers(document(set)) // and the good one again
				if _, err := h.refresh(t); err != nil {
					t.Fatal(err)
				}
				h.unharmed(t)
				return
			}
			var fetch *jwks.FetchError
			if got != nil || !errors.Is(err, jwks.ErrUnavailable) || errors.Is(err, jwks.ErrTokenInvalid) || !errors.As(err, &fetch) {
				t.Fatalf("%v and %v, want ErrUnavailable with a FetchError", got, err)
			}
			if errors.Is(err, jwks.ErrInvalidKeySet) != reply.content {
				t.Errorf("%v: ErrInvalidKeySet %t, want %t", err, !reply.content, reply.content)
			}
			if text := err.Error(); !strings.Contains(text, reply.says) || strings.ContainsAny(text, "\r\n") || len(text) > 400 {
				t.Errorf("%q, want %q in one line", text, reply.says)
			}
			h.unharmed(t)
			if st := h.client.Status(); st.ConsecutiveFailures != 1 || st.LastError == nil || st.State != jwks.StateFresh {
				t.Errorf("status %+v", st)
			}
			// A client that never had a set has none now, and says why.
			fresh, err := jwks.NewClient(jwks.WithJWKSURL(server.url), jwks.WithTimeout(timeout), jwks.WithRetries(0))
			if err != nil {
				t.Fatal(err)
			}
			defer fresh.Close()
			if reply.content { // the others take their time and behave the same
				_, err = testkit.NewVerifier(t, fresh).Verify(t.Context(), good.Token(testkit.Payload(nil)))
				testkit.WantError(t, err, jwks.ErrUnavailable, jwks.ErrInvalidKeySet)
			}
		})
	}
}

// TestHostile_ParseCost: the same by ParseKeySet, as far as they are
// documents, with what it may cost.
func TestHostile_ParseCost(t *testing.T) {
	documents := map[string][]byte{"10,000 Ed25519 keys": manyEd25519(t, 10_000)}
	for _, entry := range readManifest(t, testkit.Testdata(t, "hostile")) {
		if entry.File == "gen-gzip-bomb" || entry.File == "gen-50MB-string" {
			continue // sizes that ParseKeySet leaves to its caller
		}
		body, err := os.ReadFile(testkit.Testdata(t, "hostile", entry.File))
		if errors.Is(err, os.ErrNotExist) {
			body, _ = unstored(t, entry.File)
		} else if err != nil {
			t.Fatal(err)
		}
		documents[entry.File] = body
	}
	for name, body := range documents {
		var set *jwks.KeySet
		var err error
		n := testkit.Allocated(func() { set, err = jwks.ParseKeySet(body) })
		if most := uint64(8*len(body) + 12<<20); n > most { // up to 10 kB go into judging a key, of which there are at most 1,000
			t.Errorf("%s: %d bytes are allocated, want at most %d", name, n, most)
		}
		if (set == nil) != (err != nil) || err != nil && !errors.Is(err, jwks.ErrInvalidKeySet) {
			t.Errorf("%s: %v and %v", name, set, err)
		}
		if name == "10,000 Ed25519 keys" && (err == nil || !strings.Contains(err.Error(), "more than 1000 entries")) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if set := testkit.ParseKeySet(t, string(manyEd25519(t, 1000))); set.Len() != 1000 {
		t.Errorf("1000 keys: %d", set.Len())
	}
}
