package fault

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func TestNew_KeepsItsClass(t *testing.T) {
	sentinel := New("jwks: no good", ErrUnavailable)
	if sentinel.Error() != "jwks: no good" || !errors.Is(sentinel, ErrUnavailable) || errors.Is(sentinel, ErrTokenInvalid) {
		t.Errorf("%v", sentinel)
	}
	for _, reason := range []error{ErrAlgorithmNotAllowed, ErrUnsupportedCritical, ErrTokenTooLarge} {
		if !errors.Is(reason, ErrTokenInvalid) || errors.Is(reason, ErrUnavailable) {
			t.Errorf("%v", reason)
		}
	}
	if errors.Is(ErrKeyNotFound, ErrTokenInvalid) || errors.Is(ErrKeyNotFound, ErrUnavailable) {
		t.Error("ErrKeyNotFound has a class of its own")
	}
}

func TestError_TextAndChain(t *testing.T) {
	cause := errors.New("cause")
	for _, test := range []struct {
		err          error
		text, inside string
		is, isNot    []error
	}{
		{Invalid("no", ErrKeyNotFound, cause), "jwks: token invalid: no", "no", []error{ErrTokenInvalid, ErrKeyNotFound, cause}, []error{ErrUnavailable}},
		{Unavailable("down", ErrKeyNotFound), "jwks: keys unavailable: down", "down", []error{ErrUnavailable, ErrKeyNotFound}, []error{ErrTokenInvalid}},
		{Malformed("it is empty"), "jwks: token invalid: malformed: it is empty", "malformed: it is empty", []error{ErrTokenInvalid, jwt.ErrTokenMalformed}, []error{jwt.ErrTokenInvalidClaims}},
		{MalformedClaim("sub"), "jwks: token invalid: malformed: claims: sub", "malformed: claims: sub", []error{ErrTokenInvalid, jwt.ErrTokenMalformed, jwt.ErrTokenInvalidClaims}, nil},
	} {
		if got := test.err.Error(); got != test.text {
			t.Errorf("%s, want %s", got, test.text)
		}
		if got, ok := Text(test.err); !ok || got != test.inside {
			t.Errorf("%v: text %q, %v", test.err, got, ok)
		}
		for _, target := range test.is {
			if !errors.Is(test.err, target) {
				t.Errorf("%v does not match %v", test.err, target)
			}
		}
		for _, target := range test.isNot {
			if errors.Is(test.err, target) {
				t.Errorf("%v matches %v", test.err, target)
			}
		}
	}
	if text, ok := Text(cause); ok || text != "" {
		t.Errorf("of another error: %q", text)
	}
}

// anything matches whatever it is asked about.
type anything []int // not comparable

func (anything) Error() string   { return "anything" }
func (anything) Is(_ error) bool { return true }

func TestSort_LeavesOneClass(t *testing.T) {
	plain := errors.New("plain")
	for _, test := range []struct {
		name             string
		err              error
		otherwise, class error
		same             bool // the cause is the error itself
	}{
		{"neither", plain, ErrTokenInvalid, ErrTokenInvalid, true},
		{"neither, the other default", plain, ErrUnavailable, ErrUnavailable, true},
		{"invalid", Invalid("no"), ErrUnavailable, ErrTokenInvalid, true},
		{"unavailable", fmt.Errorf("asked: %w", Unavailable("down")), ErrTokenInvalid, ErrUnavailable, true},
		{"both", errors.Join(ErrTokenTooLarge, ErrUnavailable), ErrTokenInvalid, ErrUnavailable, false},
		{"both, and not comparable", anything{1}, ErrTokenInvalid, ErrUnavailable, false},
	} {
		class, cause := Sort(test.err, test.otherwise)
		if class != test.class {
			t.Errorf("%s: class %v", test.name, class)
		}
		if same := errors.Is(cause, test.err) && test.name != "both, and not comparable"; same != test.same {
			t.Errorf("%s: the cause is the error itself: %v", test.name, same)
		}
		if cause.Error() != test.err.Error() {
			t.Errorf("%s: text %q", test.name, cause)
		}
		for _, c := range []error{ErrTokenInvalid, ErrUnavailable} {
			if c != class && errors.Is(cause, c) {
				t.Errorf("%s: the cause matches %v", test.name, c)
			}
			if whole := newFailure(class, "text", []error{cause}); errors.Is(whole, c) != (c == class) {
				t.Errorf("%s: the whole matches %v: %v", test.name, c, c != class)
			}
		}
		if one := test.name != "both" && test.name != "both, and not comparable" && test.err != plain; HasOneClass(test.err) != one {
			t.Errorf("%s: has one class: %v", test.name, !one)
		}
	}
}

func TestProblems(t *testing.T) {
	var p Problems
	if !p.Empty() || p.Text() != "" {
		t.Error("not empty at first")
	}
	p.Add("one", jwt.ErrTokenExpired)
	p.Add("two")
	if p.Empty() || p.Text() != "one; two" || !slices.Equal(p.Reasons, []error{jwt.ErrTokenExpired}) {
		t.Errorf("%+v", p)
	}
}
