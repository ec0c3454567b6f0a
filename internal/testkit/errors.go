package testkit

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
)

// WantError checks that err matches each of want and is what every error of
// package jwks is: of exactly one of the two classes, one line, and prefixed
// once.
func WantError(t testing.TB, err error, want ...error) {
	t.Helper()
	WantForeignError(t, err, want...)
	if strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("%q is not one line", err)
	}
	if !strings.HasPrefix(err.Error(), "jwks: ") || strings.Contains(err.Error(), " jwks: ") {
		t.Errorf("%q does not have the prefix once", err)
	}
}

// WantForeignError is [WantError] for an error that another package has wrapped:
// its reasons and its class are those of package jwks, its text is not.
func WantForeignError(t testing.TB, err error, want ...error) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v", want)
	}
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("%v\ndoes not match %v", err, w)
		}
	}
	if errors.Is(err, jwks.ErrTokenInvalid) == errors.Is(err, jwks.ErrUnavailable) {
		t.Errorf("%v\nis not of exactly one class", err)
	}
}

// WantNoError reports an error that should not be there.
func WantNoError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("unexpected error: %v", err)
	}
}
