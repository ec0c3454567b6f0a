package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/seed-22400188/jwks/internal/compact"
)

// maxInput is how much is read of a file or of stdin. A verifier takes much less.
const maxInput = 1 << 20

const tokenPlaces = "a token is an argument, - for stdin, @FILE, or $JWKS_TOKEN"

// token finds the token of a command line and hides it from all output.
func (p *program) token(ctx context.Context, args []string) (string, error) {
	text, err := p.tokenText(ctx, args)
	if err != nil {
		return "", err
	}
	token := compact.StripBearer(strings.TrimSpace(text))
	if token == "" {
		return "", usagef("the token is empty: %s", tokenPlaces)
	}
	p.hide.add(token)
	return token, nil
}

func (p *program) tokenText(ctx context.Context, args []string) (string, error) {
	if len(args) == 2 && strings.EqualFold(args[0], "Bearer") { // without quotes the shell splits it
		args = args[1:]
	}
	switch {
	case len(args) > 1:
		return "", usagef("want one token, not %d arguments: %s", len(args), tokenPlaces)
	case len(args) == 0:
		if text := p.getenv("JWKS_TOKEN"); text != "" {
			return text, nil
		}
		return "", usagef("no token: %s", tokenPlaces)
	case args[0] == "-":
		return readAll(ctx, "stdin", p.stdin)
	case strings.HasPrefix(args[0], "@"):
		f, err := os.Open(args[0][1:])
		if err != nil {
			return "", usagef("the token's file could not be read: %s", withoutPath(err))
		}
		defer f.Close()
		return readAll(ctx, "the token's file", f)
	}
	return args[0], nil
}

// readAll reads a small text, and no longer than ctx: nobody may be typing.
func readAll(ctx context.Context, what string, r io.Reader) (string, error) {
	type read struct {
		text []byte
		err  error
	}
	done := make(chan read, 1)
	go func() { // it ends with the program, if nothing comes
		text, err := io.ReadAll(io.LimitReader(r, maxInput+1))
		done <- read{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", fmt.Errorf("nothing came from %s: %w", what, ctx.Err())
	case got := <-done:
		switch {
		case got.err != nil:
			return "", usagef("%s could not be read: %s", what, withoutPath(got.err))
		case len(got.text) > maxInput:
			return "", usagef("%s has more than %d bytes, which is not a token", what, maxInput)
		}
		return string(got.text), nil
	}
}

// withoutPath is the text of an error of package os without the path, which may
// be a token that came after an @.
func withoutPath(err error) string {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}
