package jwks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/jws"
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

// Of several issuers' keys those are left out whose issuer's policy does not allow
// the algorithm, or is not known; that it is not known goes first.
func TestPolicies_Permitted(t *testing.T) {
	const yes, no, no2, down, down2 = "https://yes.example", "https://no.example", "https://no2.example", "https://down.example", "https://down2.example"
	token := opened(t, newEdSigner(t, "k1", nil).token("{}"))
	var asked []string
	v := verifierOf(t, &fakeSource{}, ForIssuerFunc(func(_ context.Context, issuer string) ([]VerifierOption, error) {
		asked = append(asked, issuer)
		switch issuer {
		case yes:
			return nil, nil
		case no, no2:
			return []VerifierOption{WithAlgorithms("ES256")}, nil
		}
		return nil, errors.New("down")
	}))
	key := func(issuer string, a jws.Algorithm) *Key {
		return &Key{parsed: new(jwk.Key), allows: jws.Set(0).With(a), binding: binding.New(issuer, nil)}
	}
	keyOf := func(issuer string) *Key { return key(issuer, jws.EdDSA) }
	for _, test := range []struct {
		name   string
		keys   []*Key
		left   string // their places
		asked  string
		reason error
		about  string
	}{
		{"all", []*Key{keyOf(yes), keyOf(yes)}, "01", "[" + yes + " " + yes + "]", nil, ""},
		{"what cannot verify it anyway is not judged", []*Key{nil, key(down, jws.ES256), {}, keyOf(yes)}, "0123", "[" + yes + "]", nil, ""},
		{"without those that must not", []*Key{keyOf(no), keyOf(yes), keyOf(no)}, "1", "[" + no + " " + yes + " " + no + "]", ErrAlgorithmNotAllowed, no},
		{"the first that must not is told", []*Key{keyOf(no), keyOf(no2)}, "", "[" + no + " " + no2 + "]", ErrAlgorithmNotAllowed, no},
		{"what is not known is told before", []*Key{keyOf(down), keyOf(no), keyOf(yes)}, "2", "[" + down + " " + no + " " + yes + "]", ErrUnavailable, down},
		{"and after", []*Key{keyOf(no), keyOf(yes), keyOf(down)}, "1", "[" + no + " " + yes + " " + down + "]", ErrUnavailable, down},
		{"the last that is not known", []*Key{keyOf(down2), keyOf(down)}, "", "[" + down2 + " " + down + "]", ErrUnavailable, down},
	} {
		asked = nil
		left, err := v.policies.permitted(t.Context(), token, test.keys, unverifiedIssuer{})
		places := ""
		for _, k := range left {
			places += fmt.Sprint(slices.Index(test.keys, k))
		}
		if places != test.left || fmt.Sprint(asked) != test.asked {
			t.Errorf("%s: left %q, asked %v", test.name, places, asked)
		}
		if !errors.Is(err, test.reason) || err != nil && !strings.Contains(err.Error(), test.about) {
			t.Errorf("%s: %v, want %v about %s", test.name, err, test.reason, test.about)
		}
	}
	one := []*Key{keyOf(yes)}
	permitted := func(p *policies) {
		if left, err := p.permitted(t.Context(), token, one, unverifiedIssuer{}); len(left) != 1 || err != nil {
			t.Errorf("%v, %v", left, err)
		}
	}
	permitted(nil) // every key may
	permitted(verifierOf(t, &fakeSource{}).policies)
	v.policies.atRun.ttl = time.Hour
	if n := testing.AllocsPerRun(100, func() { permitted(v.policies) }); n != 0 {
		t.Errorf("where all are permitted, %v allocations", n)
	}
}
