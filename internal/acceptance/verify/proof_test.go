package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
	"github.com/seed-22400188/jwks/jwkstest"
)

// proof is a jwks.Proof of one function that counts its calls.
type proof struct {
	f     func(ctx context.Context, t *jwks.Token) error
	calls int
}

func (p *proof) Prove(ctx context.Context, t *jwks.Token) error {
	p.calls++
	if p.f == nil {
		return nil
	}
	return p.f(ctx, t)
}

// partialProof answers for some members of cnf.
type partialProof struct {
	proof
	confirms []string
}

func (p *partialProof) Confirms() []string { return p.confirms }

// withJKT is a proof of the key with this thumbprint.
func withJKT(jkt string) *proof {
	return &proof{f: func(_ context.Context, t *jwks.Token) error {
		if c, ok := t.Confirmation(); !ok || c.JWKThumbprint != jkt {
			return errors.New("another key")
		}
		return nil
	}}
}

func TestProof_BoundTokens(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	token := func(cnf string) string { return s.Token(testkit.PayloadJSON(map[string]string{"cnf": cnf})) }
	const jkt = `{"jkt":"thumb"}`
	broken := errors.New("the store is down")
	refusing := func(err error) *proof { return &proof{f: func(context.Context, *jwks.Token) error { return err }} }
	required := []error{jwks.ErrTokenInvalid, jwks.ErrProofRequired}
	for _, test := range []struct {
		rule  string
		cnf   string
		proof jwks.Proof
		want  []error // nil: accepted
		opted []error // the same with WithoutProofOfPossession
	}{
		{"null is absence", "null", nil, nil, nil},
		{"a proof is not asked about a token that is not bound", "null", refusing(broken), nil, nil},
		{"bound and no proof", jkt, nil, required, nil},
		{"bound to a certificate", `{"x5t#S256":"thumb"}`, nil, required, nil},
		{"bound in a way that nobody knows", `{"new":1}`, nil, required, nil},
		{"bound to nothing", `{}`, nil, required, nil},
		{"bound by a text", `"thumb"`, nil, required, nil},
		{"bound by false", `false`, nil, required, nil},
		{"a proof of the key", jkt, withJKT("thumb"), nil, nil},
		{"a proof of another key", jkt, withJKT("other"), required, required},
		{"its error stays in the chain", jkt, refusing(broken), []error{jwks.ErrTokenInvalid, jwks.ErrProofRequired, broken}, []error{broken}},
		{"it could not be decided", jkt, refusing(fmt.Errorf("%w: %w", jwks.ErrUnavailable, broken)), []error{jwks.ErrUnavailable, broken}, []error{jwks.ErrUnavailable}},
		{"both classes: it could not be decided", jkt, refusing(errors.Join(jwks.ErrUnavailable, jwks.ErrTokenInvalid)), []error{jwks.ErrUnavailable}, []error{jwks.ErrUnavailable}},
		{"a proof that answers for what is there", jkt, &partialProof{confirms: []string{"jkt"}}, nil, nil},
		{"a proof that answers for half of it", `{"jkt":"a","x5t#S256":"b"}`, &partialProof{confirms: []string{"jkt"}}, required, nil},
		{"a proof that answers for something else", jkt, &partialProof{confirms: []string{"x5t#S256"}}, required, nil},
		{"a proof that answers for nothing", jkt, &partialProof{}, required, nil},
		{"a proof that answers for members, of an empty cnf", `{}`, &partialProof{confirms: []string{"jkt"}}, required, nil},
		{"and of one with a member twice", `{"jkt":"a","jkt":"b"}`, &partialProof{confirms: []string{"jkt"}}, required, nil},
		{"and of one that is not an object", `"jkt"`, &partialProof{confirms: []string{"jkt"}}, required, nil},
	} {
		t.Run(test.rule, func(t *testing.T) {
			ctx := t.Context()
			if test.proof != nil {
				ctx = jwks.ContextWithProof(ctx, test.proof)
			}
			for _, cache := range []int{0, 8} {
				wantVerdict(t, ctx, testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(cache)), token(test.cnf), test.want)
				opted := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(cache), jwks.WithoutProofOfPossession())
				wantVerdict(t, ctx, opted, token(test.cnf), test.opted)
			}
		})
	}
}

// wantVerdict verifies a token twice, and wants it accepted, or refused with all
// of these.
func wantVerdict(t *testing.T, ctx context.Context, v *jwks.Verifier, token string, want []error) {
	t.Helper()
	for range 2 {
		got, err := v.Verify(ctx, token)
		switch {
		case want == nil && err != nil:
			t.Errorf("refused: %v", err)
		case want != nil && err == nil:
			t.Errorf("accepted, want %v", want)
		case err != nil:
			testkit.WantError(t, err, want...)
			testkit.CheckVerifyError(t, err, token)
			if got != nil {
				t.Error("a token came with the error")
			}
			if errors.Is(err, jwks.ErrUnavailable) && errors.Is(err, jwks.ErrProofRequired) {
				t.Errorf("%v refuses what could not be decided", err)
			}
		}
	}
}

// TestProof_OnCacheHits: a token that verified with one proof is not verified
// for the next sender.
func TestProof_OnCacheHits(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithTokenCache(8))
	token := s.Token(testkit.Payload(map[string]any{"cnf": map[string]any{"jkt": "thumb"}}))
	good := withJKT("thumb")
	for range 3 {
		if _, err := v.Verify(jwks.ContextWithProof(t.Context(), good), token); err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, t.Context(), v, token, []error{jwks.ErrProofRequired})
		wantVerdict(t, jwks.ContextWithProof(t.Context(), withJKT("other")), v, token, []error{jwks.ErrProofRequired})
		wantVerdict(t, jwks.ContextWithProof(jwks.ContextWithProof(t.Context(), good), nil), v, token, []error{jwks.ErrProofRequired})
	}
	if good.calls != 3 {
		t.Errorf("%d proofs for 3 verifications", good.calls)
	}
}

// TestProof_AfterClaimsBeforeChecks: a proof is used up by being judged, so
// nothing may be wrong with the token by then.
func TestProof_AfterClaimsBeforeChecks(t *testing.T) {
	s, other := testkit.NewSigner(t, "EdDSA", "k1"), testkit.NewSigner(t, "EdDSA", "k1")
	cnf := map[string]any{"jkt": "thumb"}
	checked := 0
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithCheck(func(context.Context, *jwks.Token) error {
		checked++
		return errors.New("no")
	}))
	p := withJKT("thumb")
	ctx := jwks.ContextWithProof(t.Context(), p)
	for _, bad := range []string{
		s.Token(testkit.Payload(map[string]any{"cnf": cnf, "exp": testkit.Now - 3600})),
		s.Token(testkit.Payload(map[string]any{"cnf": cnf, "aud": "other"})),
		other.Token(testkit.Payload(map[string]any{"cnf": cnf})),
	} {
		if _, err := v.Verify(ctx, bad); err == nil || errors.Is(err, jwks.ErrProofRequired) {
			t.Errorf("%v, want what is wrong with the token", err)
		}
	}
	if p.calls != 0 || checked != 0 {
		t.Fatalf("%d proofs and %d checks of bad tokens", p.calls, checked)
	}
	token := s.Token(testkit.Payload(map[string]any{"cnf": cnf}))
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, jwks.ErrProofRequired) || checked != 0 {
		t.Errorf("%v, and %d checks of a token without proof", err, checked)
	}
	if _, err := v.Verify(ctx, token); jwks.Reason(err) != "check" || p.calls != 1 || checked != 1 {
		t.Errorf("%v, %d proofs, %d checks", err, p.calls, checked)
	}
}

func TestProof_CallerGivesUp(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s))
	token := s.Token(testkit.Payload(map[string]any{"cnf": map[string]any{"jkt": "thumb"}}))
	ctx, cancel := context.WithCancel(t.Context())
	waiting := &proof{f: func(ctx context.Context, _ *jwks.Token) error {
		cancel()
		return fmt.Errorf("asking the store: %w", ctx.Err())
	}}
	_, err := v.Verify(jwks.ContextWithProof(ctx, waiting), token)
	testkit.WantError(t, err, jwks.ErrUnavailable, context.Canceled)
	if jwks.Reason(err) != "canceled" {
		t.Errorf("reason %q", jwks.Reason(err))
	}
}

func TestProof_Confirmation(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), jwks.WithoutProofOfPossession())
	for cnf, want := range map[string]jwks.Confirmation{
		`{"jkt":"a"}`:                {JWKThumbprint: "a"},
		`{"x5t#S256":"b"}`:           {CertificateThumbprint: "b"},
		`{"x5t#S256":"b","jkt":"a"}`: {JWKThumbprint: "a", CertificateThumbprint: "b"},
		`{"jkt":7,"x5t#S256":null}`:  {},
		`{"JKT":"a"}`:                {},
		`{"jkt":"a","jkt":"b"}`:      {},
		`"a"`:                        {},
	} {
		if got, ok := testkit.Accept(t, v, s.Token(testkit.PayloadJSON(map[string]string{"cnf": cnf}))).Confirmation(); !ok || got != want {
			t.Errorf("%s: %+v, %t", cnf, got, ok)
		}
	}
	for _, payload := range []string{testkit.Payload(nil), testkit.PayloadJSON(map[string]string{"cnf": "null"})} {
		if got, ok := testkit.Accept(t, v, s.Token(payload)).Confirmation(); ok || got != (jwks.Confirmation{}) {
			t.Errorf("%s: %+v, %t", payload, got, ok)
		}
	}
}

// TestProof_Keyfunc: golang-jwt has no place to judge a proof.
func TestProof_Keyfunc(t *testing.T) {
	n := testkit.NewInternet()
	issuer := n.AddIssuer(t, "host.example", jwkstest.WithAlgorithms("ES256"))
	bound := issuer.Sign(map[string]any{"cnf": map[string]any{"jkt": "thumb"}})
	free := issuer.Sign(map[string]any{"cnf": nil, "CNF": "x"})
	for how, keyfunc := range keyfuncsOf(t, n, issuer.URL()) {
		for _, p := range []jwks.Proof{nil, withJKT("thumb")} {
			ctx := t.Context()
			if p != nil {
				ctx = jwks.ContextWithProof(ctx, p)
			}
			if _, err := jwt.Parse(free, keyfunc(ctx)); err != nil {
				t.Errorf("%s: %v", how, err)
			}
			accepts := p != nil && strings.HasSuffix(how, "Ctx")
			_, err := jwt.Parse(bound, keyfunc(ctx))
			if (err == nil) != accepts || err != nil && !errors.Is(err, jwks.ErrProofRequired) {
				t.Errorf("%s with proof %t: %v", how, p != nil, err)
			}
			var registered jwt.RegisteredClaims
			if _, err = jwt.ParseWithClaims(bound, &registered, keyfunc(ctx)); (err == nil) != accepts {
				t.Errorf("%s with proof %t, claims of a struct: %v", how, p != nil, err)
			}
			unread := &jwt.Token{Method: jwt.SigningMethodES256, Header: map[string]any{"alg": "ES256", "kid": "k1"},
				Claims: jwt.MapClaims{"iss": issuer.URL(), "cnf": map[string]any{}}}
			if _, err = keyfunc(ctx)(unread); (err == nil) != accepts {
				t.Errorf("%s with proof %t, without the text: %v", how, p != nil, err)
			}
		}
	}
}

func TestToken_ValidUntil(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	for leeway, opts := range map[time.Duration][]jwks.VerifierOption{
		30 * time.Second: nil,
		0:                {jwks.WithLeeway(0)},
		time.Hour:        {jwks.WithLeeway(time.Hour)},
	} {
		v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), append(opts, jwks.WithoutExpiry())...)
		got := testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"exp": testkit.Now + 60})))
		if want := time.Unix(testkit.Now+60, 0).Add(leeway); !got.ValidUntil().Equal(want) {
			t.Errorf("until %v, want %v", got.ValidUntil(), want)
		}
		if got = testkit.Accept(t, v, s.Token(testkit.Payload(map[string]any{"exp": nil}))); !got.ValidUntil().IsZero() {
			t.Errorf("until %v without exp", got.ValidUntil())
		}
	}
}

func TestToken_Strings(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	got := testkit.Accept(t, testkit.NewVerifier(t, testkit.KeySetOf(t, s)), s.Token(testkit.PayloadPlus(
		`,"roles":["a",1,"b"],"group":"g","n":1,"realm_access":{"roles":["admin"]},"resource_access":{"my/api":{"roles":["r"]}},"https://x.example/roles":["z"]`)))
	for name, want := range map[string][]string{
		"roles": {"a", "b"}, "group": {"g"}, "n": nil, "absent": nil, "": nil, "/realm_access/roles": {"admin"}, "/~": nil,
		"/resource_access/my~1api/roles": {"r"}, "https://x.example/roles": {"z"}, "/roles/0": {"a"}, "aud": {testkit.Audience}, "realm_access": nil,
	} {
		if strings := got.Strings(name); !slices.Equal(strings, want) {
			t.Errorf("%s: %q, want %q", name, strings, want)
		}
	}
	got.Strings("roles")[0] = "changed"
	if got.Strings("roles")[0] != "a" {
		t.Error("the token was changed")
	}
}

func TestToken_DecodeHeader(t *testing.T) {
	s := testkit.NewSigner(t, "EdDSA", "k1")
	for _, opts := range [][]jwks.VerifierOption{nil, {jwks.WithTokenCache(8)}} {
		v := testkit.NewVerifier(t, testkit.KeySetOf(t, s), opts...)
		token := testkit.Accept(t, v, "Bearer  "+s.Sign(`{"alg":"EdDSA","kid":"k1","signer":"arn:aws","n":7}`, testkit.Payload(nil)))
		var header struct {
			Signer string
			KeyID  string `json:"kid"`
		}
		if err := token.DecodeHeader(&header); err != nil || header.Signer != "arn:aws" || header.KeyID != "k1" {
			t.Errorf("%+v, %v", header, err)
		}
		var misfit struct{ N string }
		testkit.WantError(t, token.DecodeHeader(&misfit), jwks.ErrTokenInvalid)
		if err := token.DecodeHeader(nil); err == nil || errors.Is(err, jwks.ErrTokenInvalid) {
			t.Errorf("a mistake of the program: %v", err)
		}
	}
}
