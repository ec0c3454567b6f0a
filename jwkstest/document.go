package jwkstest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

// answer is an HTTP response that is not yet bound to a transport.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// answer is what the in-memory transport and the handler both serve. An error
// means that no answer comes at all.
func (i *Issuer) answer(r *http.Request) (*answer, error) {
	ctx := r.Context()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return nil, i.errClosed()
	}
	jwks := i.matches(r.URL.Path, jwksPath)
	if !i.has(r.URL.Path) {
		return plain(http.StatusNotFound), nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != "" { // "" is GET to a client
		a := plain(http.StatusMethodNotAllowed)
		a.header.Set("Allow", "GET, HEAD")
		return a, nil
	}
	document, count, fault := i.metadata, &i.requests.Discovery, i.fault
	if jwks {
		document, count = i.keySet, &i.requests.JWKS
		if i.jwksFault.kind != faultNone {
			fault = i.jwksFault
		}
	}
	*count++

	a, err := i.answerUnder(r, fault, document, jwks)
	if err != nil {
		return nil, err
	}
	if i.cacheControl != "" {
		a.header.Set("Cache-Control", i.cacheControl)
	}
	return a, nil
}

// answerUnder answers a request for a document as the fault has it.
func (i *Issuer) answerUnder(r *http.Request, fault Fault, document func() []byte, jwks bool) (*answer, error) {
	a := plain(http.StatusOK)
	switch fault.kind {
	case faultStatus:
		a = plain(fault.status)
	case faultBody:
		a.body = fault.body
	case faultRedirect:
		a = plain(http.StatusFound)
		a.header.Set("Location", fault.url)
	case faultDrop:
		return nil, fmt.Errorf("jwkstest: connection dropped: %w", io.ErrUnexpectedEOF)
	case faultHang, faultDelay:
		if err := i.wait(r.Context(), fault); err != nil {
			return nil, err
		}
		fallthrough // the document as it is now, after the delay
	default:
		a.body = document()
		etag := etagOf(a.body)
		a.header.Set("ETag", etag)
		if holds(r.Header.Values("If-None-Match"), etag) {
			a.status, a.body = http.StatusNotModified, nil
			a.header.Del("Content-Type") // as net/http does: it describes a body
			if jwks {
				i.requests.NotModified++
			}
		}
	}
	return a, nil
}

// The places of the two documents, below the issuer.
const (
	jwksPath      = "/jwks"
	discoveryPath = "/.well-known/openid-configuration"
)

// has says whether one of the issuer's documents is at this path.
func (i *Issuer) has(path string) bool {
	return i.matches(path, jwksPath) || i.matches(path, discoveryPath)
}

// wait carries out a delay, without i.mu, which its caller holds. It ends early,
// and then with an error, with the context or the issuer.
func (i *Issuer) wait(ctx context.Context, f Fault) error {
	// The channel is made here, where the request is: a select on a channel
	// from outside a synctest bubble would stop the bubble's clock.
	closed := make(chan struct{})
	i.waiting[closed] = struct{}{}
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		delete(i.waiting, closed)
	}()

	var over <-chan time.Time
	if f.kind == faultDelay {
		t := time.NewTimer(f.delay)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-closed:
		return fmt.Errorf("jwkstest: issuer %s was closed: %w", i.url, io.ErrUnexpectedEOF)
	}
}

// errClosed is what dialling a server that has stopped gives.
func (i *Issuer) errClosed() error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("issuer %s of jwkstest is closed: %w", i.url, syscall.ECONNREFUSED)}
}

// metadata is the discovery document (OpenID Connect Discovery 1.0 section 3).
func (i *Issuer) metadata() []byte {
	var algs []string
	for _, k := range i.published {
		if !slices.Contains(algs, k.alg) {
			algs = append(algs, k.alg)
		}
	}
	if len(algs) == 0 { // a list of none would not be a valid document
		algs = []string{i.signer.alg}
	}
	return mustMarshal(map[string]any{
		"issuer":                                i.url,
		"jwks_uri":                              i.JWKSURL(),
		"authorization_endpoint":                i.documents + "/authorize",
		"token_endpoint":                        i.documents + "/token",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": algs,
	})
}

// keySet is the JWK Set (RFC 7517 section 5).
func (i *Issuer) keySet() []byte {
	keys := []json.RawMessage{}
	for _, k := range i.published {
		keys = append(keys, k.jwk)
	}
	return mustMarshal(map[string]any{"keys": keys})
}

// plain is an answer with a status and a body that says no more.
func plain(status int) *answer {
	a := &answer{status: status, header: http.Header{"Content-Type": {"application/json"}}}
	if status != http.StatusNoContent && status != http.StatusNotModified { // RFC 9110 section 6.4.1
		a.body = mustMarshal(map[string]string{"error": http.StatusText(status)})
	}
	return a
}

// etagOf is a strong entity tag of the content (RFC 9110 section 8.8.3).
func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// holds evaluates If-None-Match, which compares weakly (RFC 9110 section 13.1.2).
func holds(ifNoneMatch []string, etag string) bool {
	for _, value := range ifNoneMatch {
		for tag := range strings.SplitSeq(value, ",") {
			if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// mustMarshal is for values made here, which always marshal.
func mustMarshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(errors.Join(errors.New("jwkstest: a document of our own does not marshal"), err))
	}
	return b
}
