package jwks

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/errgroup"

	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/jws"
	"github.com/seed-22400188/jwks/internal/show"
)

// KeySource supplies the keys that may have signed a token. [*Client],
// [*Issuers], [*KeySet] and [*Union] implement it, and users may too. An error that matches
// neither [ErrTokenInvalid] nor [ErrUnavailable] counts as the latter, except
// a bare [ErrKeyNotFound], which means that the source answered and has no such key. A
// type that embeds one of these four counts as a user's source: [NewVerifier] needs a
// decision about the issuer, and after a bad signature the source is not asked again.
type KeySource interface {
	// SigningKeys returns the candidates for a token with header h whose
	// unverified "iss" is issuer, best first. At most four are tried. issuer is
	// "" if the payload has none or cannot be read; the reason is
	// reported after the signature. [Issuers] need an issuer and are not asked then.
	SigningKeys(ctx context.Context, h Header, issuer string) ([]*Key, error)
}

// asOurs returns an interface that a source of this package implements besides
// KeySource. A user's type that embeds one has its methods too, but must not count as it:
// it may answer differently.
func asOurs[T any](source KeySource) (t T, ok bool) {
	switch source.(type) {
	case *Client, *Issuers, *KeySet, *Union:
		t, ok = source.(T)
	}
	return t, ok
}

// headersOf is how many headers to expect of a source's tokens.
func headersOf(source KeySource) int {
	switch source.(type) {
	case *Client, *KeySet:
		return compact.FewHeaders
	}
	return compact.ManyHeaders
}

// reporting is the view of a source for a caller that reports the tokens that verified.
func reporting(source KeySource) (view KeySource, r reporter) {
	switch s := source.(type) {
	case *Issuers:
		if s.roster != nil {
			return onTrial{s}, s
		}
	case *Union:
		return s, s
	}
	return source, nil
}

// onTrial is Issuers that keep issuers accepted at run time apart until a token of
// theirs verifies.
type onTrial struct{ *Issuers }

func (t onTrial) SigningKeys(ctx context.Context, h Header, issuer string) ([]*Key, error) {
	return t.signingKeys(ctx, h, issuer, true)
}

// What a source of this package tells a verifier in addition; see asOurs.
type (
	// reporter wants to hear which issuers' tokens verify.
	reporter interface{ verified(issuer string) }
	// issuerBinder knows the issuers of its keys: they are bound to them.
	issuerBinder interface{ bindsIssuer() bool }

	// issuerNamer knows which issuers its keys may be bound to.
	issuerNamer interface {
		// issuerNamed returns the configured issuer that a name stands for:
		// itself, or the one whose alias it is. It reports false for a name that
		// no key will ever be bound to.
		issuerNamed(name string) (issuer string, ok bool)
		// yields says whether a token may verify whose "iss" is name.
		yields(name string) bool
		// isListed says whether an issuer was named by the program.
		isListed(issuer string) bool
		// boundTo returns what the keys of the listed issuers are bound to.
		boundTo() []*binding.Binding
	}

	// issuerIgnorer gives the same answer whatever the issuer.
	issuerIgnorer interface{ ignoresIssuer() }

	// rechecker looks again after no candidate verified the signature, or none
	// allowed the algorithm: the issuer may have replaced a key under its kid.
	// It returns the keys that were not tried, none if it has no others. since
	// is when the verification began: a set that was asked for later is not
	// asked for again. The error is that of a caller who gave up waiting, or
	// notYet.
	rechecker interface {
		recheck(ctx context.Context, h Header, issuer string, tried []*Key, since order) ([]*Key, error)
	}
)

// Union combines several sources into one. It is a [KeySource]: see [AnyOf]. The zero
// value has no source, and is not usable.
type Union struct {
	sources []KeySource
	problem string // what NewVerifier refuses it for
}

// AnyOf asks each source in turn, and uses the first that has a key for the token. A
// source that is unavailable is skipped, and only if no other has the
// key is the result [ErrUnavailable]. It is for several key sets of one issuer,
// a mirror, or keys of your own beside an issuer's; for many issuers see
// [NewIssuers].
//
// The keys of each source stay bound to its issuer. After a bad signature a [Verifier]
// asks the source of the key again, as it does for a single
// source, and then the next source; so do [Union.KeyForToken] and
// [Union.Keyfunc]. [NewVerifier] needs no further decision about the issuer if every
// source knows its issuer. It returns [ErrConfig] for a Union without a source, or with
// a nil one. Close the sources yourself: a Union does not.
func AnyOf(sources ...KeySource) *Union {
	u := &Union{}
	for _, source := range sources {
		nested, ok := source.(*Union)
		switch {
		case isNil(source):
			u.problem = "a source of AnyOf is nil"
		case ok && nested.fault() != "":
			u.problem = nested.fault()
		case ok:
			u.sources = append(u.sources, nested.sources...)
		default:
			u.sources = append(u.sources, source)
		}
	}
	return u
}

// fault says what is wrong with the union, "" for nothing.
func (u *Union) fault() string {
	if u.problem == "" && len(u.sources) == 0 {
		return "AnyOf has no source"
	}
	return u.problem
}

// SigningKeys returns the candidates of the first source that has any.
//
// Errors: the error of the source that has the key; [ErrKeyNotFound], which
// is [ErrTokenInvalid] if every source answered and [ErrUnavailable] if one
// could not; [ErrIssuerNotTrusted].
func (u *Union) SigningKeys(ctx context.Context, h Header, issuer string) ([]*Key, error) {
	return firstAnswer(ctx, u, h, func(source KeySource) ([]*Key, error) {
		keys, err := source.SigningKeys(ctx, h, issuer)
		if slices.ContainsFunc(keys, isUnusable) { // from a source that is not ours
			keys = slices.DeleteFunc(slices.Clone(keys), isUnusable)
		}
		if err == nil && len(keys) == 0 {
			err = fault.Invalid("the key source has no "+naming(h), ErrKeyNotFound)
		}
		return keys, err
	})
}

// isUnusable reports a key that no key set made: nil, or the zero Key.
func isUnusable(k *Key) bool { return k == nil || k.parsed == nil }

// search returns the key that verifies the signature of a token; p leaves out
// those that must not, if it is not nil.
func (u *Union) search(ctx context.Context, t *compact.Token, said unverifiedIssuer, began order, p *policies, w *witness) (*Key, error) {
	return firstAnswer(ctx, u, Header(t.Header), func(source KeySource) (*Key, error) {
		again, _ := asOurs[rechecker](source)
		view, _ := reporting(source)
		return findSigner(ctx, view, again, t, said, began, p, w)
	})
}

// signerFor is search for a token of which nothing but the form was checked.
func (u *Union) signerFor(ctx context.Context, t *compact.Token, began order) (*Key, error) {
	if t.Algorithm == jws.Unknown {
		return nil, unknownAlgorithm(t.Header.Algorithm)
	}
	var issuer unverifiedIssuer
	var err error
	if issuer.iss, issuer.tid, err = t.UnverifiedIssuer(); err != nil {
		return nil, err
	}
	key, err := u.search(ctx, t, issuer, began, nil, nil)
	if err != nil {
		return nil, err
	}
	keys, err := boundTo(key.alone[:], issuer)
	if err == nil {
		u.verified(issuer.iss)
	}
	return first(keys), err
}

// verified implements reporter.
func (u *Union) verified(issuer string) {
	for _, source := range u.sources {
		if _, r := reporting(source); r != nil {
			r.verified(issuer)
		}
	}
}

// firstAnswer asks the sources in turn, and makes one error of theirs.
func firstAnswer[T any](ctx context.Context, u *Union, h Header, ask func(KeySource) (T, error)) (answer T, err error) {
	var missing, undecided fault.Problems
	var refusal error // of a source that has the key
	if problem := u.fault(); problem != "" {
		return answer, fault.Unavailable(problem)
	}
	for _, source := range u.sources {
		found, err := ask(source)
		if err == nil {
			return found, nil
		}
		switch err = classified(err); {
		case errors.Is(err, ErrUnavailable) && ctx.Err() != nil:
			return answer, err
		case errors.Is(err, ErrUnavailable):
			undecided.Add(bare(err), err)
		case errors.Is(err, ErrKeyNotFound), errors.Is(err, ErrIssuerNotTrusted):
			missing.Add(bare(err), err)
		case refusal == nil:
			refusal = err
		}
	}
	// The keys that were tried for a token that names none need not include
	// its own.
	named := h.KeyID != "" || h.X5t != "" || h.X5tS256 != ""
	switch {
	case refusal != nil && (named || undecided.Empty()):
		return answer, refusal
	case !undecided.Empty():
		return answer, fault.Unavailable(undecided.Text(), append([]error{ErrKeyNotFound}, undecided.Reasons...)...)
	default:
		return answer, fault.Invalid(missing.Text(), missing.Reasons...)
	}
}

// bindsIssuer implements issuerBinder.
func (u *Union) bindsIssuer() bool {
	for _, source := range u.sources {
		if b, ok := asOurs[issuerBinder](source); !ok || !b.bindsIssuer() {
			return false
		}
	}
	return true
}

// The methods of issuerNamer. A source of the program's own may have keys of
// any issuer.

func (u *Union) issuerNamed(name string) (issuer string, ok bool) {
	foreign := false
	for _, source := range u.sources {
		namer, ours := asOurs[issuerNamer](source)
		if !ours {
			foreign = true
		} else if issuer, ok = namer.issuerNamed(name); ok {
			return issuer, true
		}
	}
	return name, foreign
}

func (u *Union) yields(name string) bool {
	return slices.ContainsFunc(u.sources, func(source KeySource) bool {
		namer, ours := asOurs[issuerNamer](source)
		return !ours || namer.yields(name)
	})
}

func (u *Union) isListed(issuer string) bool {
	return slices.ContainsFunc(u.sources, func(source KeySource) bool {
		namer, ours := asOurs[issuerNamer](source)
		return ours && namer.isListed(issuer)
	})
}

func (u *Union) boundTo() (all []*binding.Binding) {
	for _, source := range u.sources {
		if namer, ours := asOurs[issuerNamer](source); ours {
			all = append(all, namer.boundTo()...)
		}
	}
	return all
}

// KeyForToken finds the key of a token from the token alone, as
// [Client.KeyForToken] does: the first key of any source that verifies
// the signature or, if none does, the first that the token names.
func (u *Union) KeyForToken(ctx context.Context, token string) (*Key, error) {
	return keyForToken(ctx, u, token)
}

// Keyfunc is for [jwt.Parse], as [Client.Keyfunc] is for one issuer.
func (u *Union) Keyfunc(t *jwt.Token) (any, error) {
	return keysForParsed(context.Background(), u, t)
}

// KeyfuncCtx is [Union.Keyfunc] with the caller's context.
func (u *Union) KeyfuncCtx(ctx context.Context) jwt.Keyfunc {
	return func(t *jwt.Token) (any, error) { return keysForParsed(ctx, u, t) }
}

// Ready loads the keys of every source that has a method Ready, all at the same time. It
// returns nil once all have a usable set, otherwise one error for all failures, which
// matches [ErrUnavailable].
func (u *Union) Ready(ctx context.Context) error {
	if problem := u.fault(); problem != "" {
		return fault.Unavailable(problem)
	}
	errs := make([]error, len(u.sources))
	var g errgroup.Group
	for i, source := range u.sources {
		if s, ok := source.(interface{ Ready(context.Context) error }); ok {
			g.Go(func() error {
				errs[i] = s.Ready(ctx)
				return nil
			})
		}
	}
	_ = g.Wait() // each error has its place in errs
	var failed fault.Problems
	for _, err := range errs {
		if err != nil {
			err = fault.Within(ErrUnavailable, err)
			failed.Add(bare(err), err)
		}
	}
	if failed.Empty() {
		return nil
	}
	return fault.Unavailable(failed.Text(), failed.Reasons...)
}

// Status returns the status of every source that has one, in their order. It
// never blocks.
func (u *Union) Status() []Status {
	var all []Status
	for _, source := range u.sources {
		switch s := source.(type) {
		case interface{ Status() Status }:
			all = append(all, s.Status())
		case interface{ Status() []Status }:
			all = append(all, s.Status()...)
		}
	}
	return all
}

// issuersIn lists the Issuers that a source is, or is made of.
func issuersIn(source KeySource) (all []*Issuers) {
	sources := []KeySource{source}
	if u, ok := source.(*Union); ok && u != nil {
		sources = u.sources
	}
	for _, source := range sources {
		if s, ok := source.(*Issuers); ok && s != nil {
			all = append(all, s)
		}
	}
	return all
}

// The methods of issuerNamer, of issuers.

func (s *Issuers) issuerNamed(name string) (issuer string, ok bool) {
	if c := s.listedClient(name); c != nil {
		return c.issuerNamed(name)
	}
	return name, s.cfg.dynamic()
}

func (s *Issuers) yields(name string) bool {
	if c := s.listedClient(name); c != nil {
		return c.yields(name)
	}
	return s.cfg.dynamic()
}

func (s *Issuers) isListed(issuer string) bool { return s.listedClient(issuer) != nil }

func (s *Issuers) boundTo() []*binding.Binding {
	var all []*binding.Binding
	for _, c := range s.order {
		all = append(all, c.boundTo()...)
	}
	return all
}

// listedClient finds the client of a listed issuer, a listed template or one of
// its tenants, or nil.
func (s *Issuers) listedClient(name string) *Client {
	if c := s.listed[name]; c != nil {
		return c
	}
	return s.templates.Find(name, allowsTenant)
}

// ageOf says how old the set is that keys are from, if their source knows.
func ageOf(source KeySource, keys []*Key) string {
	var all []Status
	switch s := source.(type) {
	case *Client:
		all = []Status{s.Status()}
	case interface{ Status() []Status }:
		all = s.Status()
	}
	if _, mixed := source.(*Union); mixed { // any of its parts may have given a key
		return ""
	}
	for _, st := range all {
		if !st.FetchedAt.IsZero() && len(keys) > 0 && (len(all) == 1 || st.Issuer == keys[0].Issuer()) {
			text := ", fetched " + show.Round(time.Since(st.FetchedAt)).String() + " ago"
			if !st.Stored.IsZero() {
				text += " and taken from the store"
			}
			return text
		}
	}
	return ""
}
