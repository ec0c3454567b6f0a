package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/jwkstest"
)

func serveCommand() *command {
	return &command{
		name:    "serve",
		args:    "[-addr HOST:PORT] [-alg A]... [-rotate D] [-path P] [-expose] [-print-token]",
		summary: "run an issuer on this machine for development and tests",
		details: `Publishes a discovery document and a key set, and signs whatever it is asked to.
It makes new keys at each start: never trust them anywhere else.

  GET  /token?aud=my-api&sub=alice   a token, as text. Every parameter is a claim:
                                     a repeated one becomes a list, JSON is taken as
                                     it is, exp, nbf and iat may be durations from
                                     now, such as -5m
  POST /rotate                       sign with a new key from now on
  PUT  /fault/503                    answer both documents with this status
  PUT  /fault/hang                   never answer
  PUT  /fault/slow?delay=2s          answer late
  PUT  /fault/none                   answer normally again

Pages of any origin may send requests (CORS). It listens only on this machine,
unless -expose is given. It ends with Ctrl-C.
`,
		prepare: func(f *flags) runner {
			var s server
			s.algs.split = true
			s.output(f, true)
			f.StringVar(&s.addr, "addr", "127.0.0.1:0", "listen on `host:port`; port 0 takes a free one")
			f.Var(&s.algs, "alg", "sign with `algorithm`, such as ES256; repeatable, a key for each, the first signs (default RS256)")
			f.DurationVar(&s.rotate, "rotate", 0, "rotate the keys every `duration`; 0 is never")
			f.StringVar(&s.path, "path", "", "give the issuer this `path`, like a tenant on a shared host")
			f.BoolVar(&s.expose, "expose", false, "allow an -addr that other machines can reach")
			f.BoolVar(&s.printToken, "print-token", false, "print a token, for audience my-api")
			return s.run
		},
	}
}

// server is the configuration of jwks serve.
type server struct {
	common
	addr, path         string
	algs               list
	rotate             time.Duration
	expose, printToken bool
}

func (s *server) run(ctx context.Context, p *program, args []string) (int, error) {
	if err := s.checkServer(args); err != nil {
		return exitUsage, err
	}
	ctx, cancel := s.limit(ctx)
	defer cancel()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return exitUsage, usagef("-addr %s: %v", quote(s.addr), errors.Unwrap(err))
	}
	defer listener.Close()
	issuer, err := s.issuer(listener.Addr())
	if err != nil {
		return exitUsage, err
	}
	defer issuer.Close()

	keys := newRotator(issuer, max(1, len(s.algs.values)))
	web := &http.Server{
		Handler:           newWeb(issuer, keys, p.now),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	if err := s.announce(p, issuer); err != nil {
		return exitUsage, err
	}
	s.rotateUntil(ctx, keys, served)
	issuer.Close() // what hangs ends
	_ = web.Close()
	return exitOK, nil
}

func (s *server) checkServer(args []string) error {
	switch {
	case len(args) > 0:
		return usagef("want no arguments, not %s", quote(args[0]))
	case s.rotate < 0 || s.rotate > 0 && s.rotate < time.Second:
		return usagef("-rotate %v: want at least 1s", s.rotate)
	}
	if err := s.check(); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(s.addr)
	if err != nil {
		return usagef("-addr %s: want host:port, such as 127.0.0.1:8080", quote(s.addr))
	}
	if ip := net.ParseIP(host); !s.expose && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usagef("-addr %s can be reached from other machines, and anyone who reaches it can have any token signed: add -expose if you want that", quote(s.addr))
	}
	return nil
}

// issuer makes the issuer that is reached at an address.
func (s *server) issuer(at net.Addr) (i *jwkstest.Issuer, err error) {
	host, _, _ := net.SplitHostPort(s.addr)
	bound, port, err := net.SplitHostPort(at.String())
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() { // no name to be called by
		if host, err = os.Hostname(); err != nil {
			host = bound
		}
	}
	opts := []jwkstest.Option{jwkstest.WithBaseURL("http://" + net.JoinHostPort(host, port))}
	if s.path != "" {
		opts = append(opts, jwkstest.WithPath(s.path))
	}
	if s.algs.values != nil {
		opts = append(opts, jwkstest.WithAlgorithms(s.algs.values...))
	}
	defer func() { // Start panics on bad options, which here come from the command line
		if problem := recover(); problem != nil {
			i, err = nil, usageError(strings.TrimPrefix(fmt.Sprint(problem), "jwkstest: "))
		}
	}()
	return jwkstest.Start(opts...), nil
}

// serveJSON is what -json prints.
type serveJSON struct {
	Issuer       string `json:"issuer"`
	JWKSURL      string `json:"jwks_url"`
	DiscoveryURL string `json:"discovery_url"`
	TokenURL     string `json:"token_url"`
	Token        string `json:"token,omitempty"` // with -print-token
}

// announce prints where the issuer is, and lines to try it with.
func (s *server) announce(p *program, issuer *jwkstest.Issuer) error {
	base := strings.TrimSuffix(issuer.URL(), "/")
	if s.path != "" {
		base = strings.TrimSuffix(base, "/"+strings.Trim(s.path, "/"))
	}
	// The token goes past what hides those of others.
	const marked = "{{token}}"
	print := func(text string) {
		text = strings.ReplaceAll(p.hide.clean(text), marked, issuer.Sign(map[string]any{"aud": "my-api"}))
		_, _ = io.WriteString(p.raw, text) // nobody may be reading, and it serves all the same
	}
	if s.json {
		document := serveJSON{issuer.URL(), issuer.JWKSURL(), strings.TrimRight(issuer.URL(), "/") + "/.well-known/openid-configuration", base + "/token", ""}
		if s.printToken {
			document.Token = marked
		}
		text, err := jsonText(document, false)
		if err != nil {
			return err
		}
		print(text)
		return nil
	}
	text := column([][]string{{"issuer", issuer.URL()}, {"keys", issuer.JWKSURL()}}, "")
	if s.printToken {
		text += fmt.Sprintf("token   %s\n\ntry it in another terminal:\n  jwks verify -issuer %s -aud my-api %s\n", marked, issuer.URL(), marked)
	} else {
		text += "\ntry it in another terminal:\n"
	}
	print(text + fmt.Sprintf(`  curl -s "%[1]s/token?aud=my-api" | jwks verify -issuer %[2]s -aud my-api -
  jwks doctor %[2]s
  curl -s "%[1]s/token?aud=my-api&sub=alice&exp=-5m"
  curl -s -X POST %[1]s/rotate
  curl -s -X PUT %[1]s/fault/503
  curl -s -X PUT %[1]s/fault/none
`, base, issuer.URL()))
	return nil
}

// rotateUntil waits for the end, and rotates meanwhile.
func (s *server) rotateUntil(ctx context.Context, keys *rotator, served <-chan error) {
	var tick <-chan time.Time
	if s.rotate > 0 {
		ticker := time.NewTicker(s.rotate)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-served:
			return
		case <-tick:
			keys.rotate()
		}
	}
}
