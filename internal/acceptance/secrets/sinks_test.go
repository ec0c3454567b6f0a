// Package secrets shows that no log, event, text, page or report holds a token, a
// signature, a key or a configured secret.
package secrets

import (
	"bytes"
	"context"
	"errors"
	"expvar"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkshttp"
)

// sinks collect what the library tells anybody.
type sinks struct {
	mu      sync.Mutex
	written map[string]*bytes.Buffer
	seen    map[string]bool
	secrets testkit.Secrets
}

// The sinks. A test in which one of them stays empty shows nothing.
const (
	logs      = "log"
	events    = "event"
	texts     = "error"
	statuses  = "status"
	pages     = "status page"
	answers   = "answer"
	refusals  = "refusal"
	reports   = "report"
	metrics   = "expvar"
	tokens    = "verified token"
	instances = "client or verifier"
)

func (s *sinks) write(sink, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written == nil {
		s.written = make(map[string]*bytes.Buffer)
	}
	if s.written[sink] == nil {
		s.written[sink] = new(bytes.Buffer)
	}
	s.written[sink].WriteString(text + "\n")
}

// once says whether it was not asked for the same before: most things are told
// many times.
func (s *sinks) once(what ...any) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := fmt.Sprint(what...)
	if s.seen == nil {
		s.seen = make(map[string]bool)
	}
	first := !s.seen[key]
	s.seen[key] = true
	return first
}

// lines is a writer for a slog.Handler.
type lines struct{ s *sinks }

func (l lines) Write(b []byte) (int, error) {
	l.s.write(logs, string(b))
	return len(b), nil
}

// logger writes everything, as text and as JSON.
func (s *sinks) logger() *slog.Logger {
	all := &slog.HandlerOptions{Level: slog.LevelDebug - 8, AddSource: true}
	return slog.New(both{slog.NewTextHandler(lines{s}, all), slog.NewJSONHandler(lines{s}, all)})
}

// both is two handlers as one.
type both [2]slog.Handler

func (b both) Enabled(context.Context, slog.Level) bool { return true }
func (b both) WithGroup(name string) slog.Handler {
	return both{b[0].WithGroup(name), b[1].WithGroup(name)}
}

func (b both) WithAttrs(attrs []slog.Attr) slog.Handler {
	return both{b[0].WithAttrs(attrs), b[1].WithAttrs(attrs)}
}

func (b both) Handle(ctx context.Context, r slog.Record) error {
	return errors.Join(b[0].Handle(ctx, r), b[1].Handle(ctx, r))
}

func (s *sinks) observe(e jwks.Event) {
	if s.once("event", e.Kind, e.Err, e.Added, e.Removed) {
		s.write(events, testkit.Prints(e)+testkit.Prints(&e))
	}
	s.fail(e.Err)
}

// fail takes an error and everything below it, and logs it as a program would.
func (s *sinks) fail(err error) {
	if err == nil || !s.once(fmt.Sprintf("%T", err), err) {
		return
	}
	s.write(texts, testkit.Prints(err)+jwks.Reason(err)+jwkshttp.Reason(err))
	s.logger().Error("failed", "error", err, slog.Any("in a group", []error{err}))
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		s.fail(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			s.fail(err)
		}
	}
}

// status takes what a source tells of itself, in every form.
func (s *sinks) status(source interface{ Status() []jwks.Status }) {
	for _, status := range source.Status() {
		s.write(statuses, testkit.Prints(status)+testkit.Prints(&status))
		s.logger().Info("status", "status", status, "keys", status.KeyIDs)
		s.fail(status.LastError)
		for _, skipped := range status.Skipped {
			s.write(statuses, testkit.Prints(skipped))
			s.fail(skipped.Err)
		}
	}
	s.write(metrics, expvar.Func(func() any { return source.Status() }).String())
	for _, accept := range []string{"text/html", "application/json"} {
		r := httptest.NewRequest(http.MethodGet, "/status?secret=no", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		jwkshttp.StatusHandler(source).ServeHTTP(w, r)
		s.write(pages, fmt.Sprint(w.Code, w.Header(), w.Body.String()))
	}
}

// report takes an explanation.
func (s *sinks) report(r *jwks.Report) {
	s.write(reports, r.String())
	if s.once("report", string(r.Claims), string(r.Header), jwks.Reason(r.Err)) {
		s.write(reports, testkit.Prints(r)+testkit.Prints(*r))
		s.logger().Info("report", "report", r, "copy", *r)
	}
	for _, step := range r.Steps {
		if s.once("step", step) {
			s.write(reports, testkit.Prints(step))
		}
		s.fail(step.Err)
	}
	s.fail(r.Err)
}

// token takes a verified token.
func (s *sinks) token(t *jwks.Token) {
	if t == nil || !s.once("token", t, t.Key().Thumbprint()) {
		return
	}
	s.write(tokens, testkit.Prints(t)+testkit.Prints(*t)+testkit.Prints(t.Key())+testkit.Prints(t.Header()))
	s.logger().Info("token", "token", t, "copy", *t, "key", t.Key())
}

// serve sends a request through a guarded handler.
func (s *sinks) serve(h http.Handler, r *http.Request) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if answer := fmt.Sprint(w.Code, w.Header(), w.Body.String()); s.once("answer", answer) {
		s.write(answers, answer)
	}
}

// check searches everything.
func (s *sinks) check(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sink := range []string{logs, events, texts, statuses, pages, answers, refusals, reports, metrics, tokens, instances} {
		if s.written[sink] == nil {
			t.Errorf("nothing was written to the sink %q: the test shows nothing of it", sink)
			continue
		}
		text := s.written[sink].String()
		t.Logf("%s: %d bytes", sink, len(text))
		found := 0
		for _, text := range strings.SplitAfter(text, "\n") {
			if name, part := s.secrets.Find(text); name != "" && found < 3 {
				found++
				i := strings.Index(text, part)
				t.Errorf("the sink %q shows %s:\n%q", sink, name, text[max(0, i-300):min(len(text), i+100)])
			}
		}
	}
}

// TestSecrets_AreFound plants a secret in every sink, in many spellings: a search
// that finds nothing must be able to find something.
func TestSecrets_AreFound(t *testing.T) {
	const secret = "p4ss w\"rd/+\x01é-0123456789"
	s := testkit.NewSigner(t, "ES256", "k1")
	token := s.Token(testkit.Payload(nil))
	var all testkit.Secrets
	all.Add("password", secret)
	all.Add("short", "k3y!")
	all.AddToken("token", token)
	for _, text := range []string{
		secret, "cut: " + secret[:17] + "…", fmt.Sprintf("%q", secret), fmt.Sprintf("%+q", secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("% x", secret),
		fmt.Sprintf("%v", []byte(secret)), fmt.Sprintf("%#v", []byte(secret)), testkit.Prints(struct{ S string }{secret}), testkit.Prints([]byte(secret)),
		"k3y!", fmt.Sprintf("%x", "k3y!"), token, token[:61], token[len(token)-20:], testkit.Prints(errors.New(token)), fmt.Sprintf("%x", token),
	} {
		if name, part := all.Find("before " + text + " after"); name == "" || part == "" {
			t.Errorf("not found in %q", text)
		}
	}
	for _, text := range []string{"", "a harmless text that is longer than a part of a secret", testkit.Payload(nil), s.Header(), s.KeyID} {
		if name, part := all.Find(text); name != "" {
			t.Errorf("%s in %q: %q", name, text, part)
		}
	}
}
