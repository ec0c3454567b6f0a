package jwks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/fault"
)

func TestReasons_MatchTheirClass(t *testing.T) {
	for reason, class := range map[error]error{
		ErrIssuerNotTrusted:    ErrTokenInvalid,
		ErrAlgorithmNotAllowed: ErrTokenInvalid,
		ErrUnsupportedCritical: ErrTokenInvalid,
		ErrTokenTooLarge:       ErrTokenInvalid,
		ErrProofRequired:       ErrTokenInvalid,
		ErrIssuerMismatch:      ErrUnavailable,
		ErrInvalidKeySet:       ErrUnavailable,
		ErrInvalidMetadata:     ErrUnavailable,
		ErrClosed:              ErrUnavailable,
	} {
		if got := classOf(t, reason); got != class {
			t.Errorf("%v is of class %v, want %v", reason, got, class)
		}
	}
	for _, free := range []error{ErrKeyNotFound, ErrConfig} {
		if errors.Is(free, ErrTokenInvalid) || errors.Is(free, ErrUnavailable) {
			t.Errorf("%v has a class of its own", free)
		}
	}
}

// classOf wants exactly one class.
func classOf(t *testing.T, err error) error {
	t.Helper()
	inv, un := errors.Is(err, ErrTokenInvalid), errors.Is(err, ErrUnavailable)
	switch {
	case inv && !un:
		return ErrTokenInvalid
	case un && !inv:
		return ErrUnavailable
	}
	t.Errorf("%v: token invalid %t, unavailable %t: want exactly one", err, inv, un)
	return nil
}

func TestClassified_LeavesOneClass(t *testing.T) {
	plain := errors.New("the database is down")
	tests := []struct {
		rule        string
		err         error
		class, also error
	}{
		{"a plain error could not be decided", plain, ErrUnavailable, plain},
		{"a bare ErrKeyNotFound is an answer", ErrKeyNotFound, ErrTokenInvalid, ErrKeyNotFound},
		{"a bare reason has its class", ErrIssuerNotTrusted, ErrTokenInvalid, ErrIssuerNotTrusted},
		{"an error with a class keeps it", fault.Invalid("no", ErrKeyNotFound), ErrTokenInvalid, ErrKeyNotFound},
		{"ErrKeyNotFound of the other class too", fault.Unavailable("no", ErrKeyNotFound), ErrUnavailable, ErrKeyNotFound},
		{"two classes at once: it could not be decided", errors.Join(ErrTokenTooLarge, ErrClosed), ErrUnavailable, nil},
		{"a context that ended", fmt.Errorf("asking: %w", context.Canceled), ErrUnavailable, context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			got := classified(tt.err)
			if class := classOf(t, got); class != tt.class {
				t.Errorf("class %v, want %v", class, tt.class)
			}
			if tt.also != nil && !errors.Is(got, tt.also) {
				t.Errorf("%v does not match %v", got, tt.also)
			}
			if strings.ContainsAny(got.Error(), "\n\r") {
				t.Errorf("not one line: %q", got)
			}
		})
	}
}

func TestFetchError_SaysWhereWhyAndWhen(t *testing.T) {
	cause := errors.New("jwks: connection refused")
	tests := []struct {
		err  FetchError
		want string
	}{
		{FetchError{URL: "https://issuer.example/keys", StatusCode: 503}, "jwks: fetching https://issuer.example/keys: status 503, want 200"},
		{FetchError{URL: "https://issuer.example/keys?token=SECRET", Err: cause}, "jwks: fetching https://issuer.example/keys?…: connection refused"},
		{FetchError{URL: "https://issuer.example/keys", Err: cause, RetryAfter: 90 * time.Second}, "jwks: fetching https://issuer.example/keys: connection refused; next attempt in 1m30s"},
		{FetchError{URL: "https://issuer.example/a\nb", Err: fault.Unavailable("no set", ErrInvalidKeySet)}, `jwks: fetching "https://issuer.example/a\nb": no set`},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
		if classOf(t, &tt.err) != ErrUnavailable {
			t.Errorf("%v does not match ErrUnavailable", &tt.err)
		}
		if tt.err.Err != nil && !errors.Is(&tt.err, tt.err.Err) {
			t.Errorf("%v hides its cause", &tt.err)
		}
	}
}

func TestVerdict_Texts(t *testing.T) {
	long := Header{Algorithm: "ES256", KeyID: "k", X5tS256: "s", X5t: "t"}
	for _, test := range []struct {
		verdict verdict
		header  Header
		want    string
	}{
		{wrongAlg, long, `key "k" does not allow alg "ES256"`},
		{missing, long, `key "k" not found`},
		{missing, Header{Algorithm: "ES256", X5tS256: "s", X5t: "t"}, `key with x5t#S256 "s" not found`},
		{missing, Header{Algorithm: "ES256", X5t: "t"}, `key with x5t "t" not found`},
		{missing, Header{Algorithm: "ES256"}, `no key for alg "ES256"`},
		{ambiguous, Header{Algorithm: "ES256"}, `the token names no key, and more than 4 allow alg "ES256"`},
	} {
		if got := test.verdict.describe(test.header); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
	if text := naming(Header{}); text != "key" {
		t.Errorf("no name: %q", text)
	}
}
