package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-22400188/jwks/internal/base64url"
	"github.com/seed-22400188/jwks/internal/binding"
	"github.com/seed-22400188/jwks/internal/claims"
	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
)

// Report is the result of [Verifier.Explain] for one token. No verb prints the token
// or its signature. Header and Claims contain what the token's sender wrote, and may be
// personal data.
type Report struct {
	// Steps in the order of the path: size, form, header, algorithm, issuer,
	// keys, signature, claims, one for each claim that was judged ("iss", "aud",
	// "exp", …), proof for a token with "cnf" (RFC 7800), and check. Steps that
	// Verify did not reach are [StepSkipped], but claims that can be read are
	// judged anyway: their Detail then begins with "unverified".
	Steps []Step
	// Token is the verified token, nil unless Err is nil.
	Token *Token
	// Err is the error that Verify would have returned.
	Err error
	// Header and Claims are the token's, decoded from base64url; nil if they are
	// not a JSON object. They are not verified unless Err is nil.
	Header, Claims json.RawMessage
}

// Step is what happened to a token at one step of its path. Err is nil unless the
// step failed or could not be decided; it then matches the same sentinels as the error of
// [Verifier.Verify]. Detail is one line for people, with foreign text quoted and cut.
type Step struct {
	Name    string
	Verdict Verdict
	Detail  string
	Err     error
}

// Verdict is the outcome of a [Step].
type Verdict uint8

// Verdicts. The error of a failed step is [ErrTokenInvalid], that of an undecided step
// [ErrUnavailable].
const (
	StepPassed Verdict = iota + 1
	StepFailed
	StepUndecided
	StepSkipped // the token did not get there, or there was nothing to judge
)

var verdicts = [...]string{"unknown", "passed", "failed", "undecided", "skipped"}

// String returns "passed", "failed", "undecided" or "skipped".
func (v Verdict) String() string {
	if int(v) >= len(verdicts) {
		v = 0
	}
	return verdicts[v]
}

// MarshalText writes what String returns.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// String returns a line for each step and one for the outcome.
func (r *Report) String() string {
	var b strings.Builder
	for _, s := range r.Steps {
		line := fmt.Sprintf("%-9s  %-9s  %s", s.Verdict, show.Line(s.Name), s.Detail)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if r.Err != nil {
		return b.String() + r.Err.Error()
	}
	return b.String() + "verified"
}

// Explain takes a token through the steps of [Verifier.Verify] and reports what happens
// at each, for people: for a page, a command line, a bug report. Its verdict is that of
// Verify; it makes the same requests and fills the same caches, but is
// slower. A leading "Bearer " is stripped.
//
// The claims are judged even if the key or the signature is missing or bad, by the
// rules for the issuer that the token names, so that one report shows everything
// that is wrong. Functions of [WithCheck] only get verified tokens.
func (v *Verifier) Explain(ctx context.Context, token string) *Report {
	token = compact.StripBearer(token)
	w := new(witness)
	t, err := v.judge(ctx, token, w)
	r := &Report{Token: t, Err: err}
	if len(token) <= v.maxSize {
		header, rest, _ := strings.Cut(token, ".")
		payload, _, _ := strings.Cut(rest, ".")
		r.Header, r.Claims = readable(header), readable(payload)
	}
	r.Steps = w.steps(err)
	w.size, w.limit = len(token), v.maxSize
	for i := range r.Steps {
		w.describe(&r.Steps[i], step(i), v)
	}
	r.Steps = append(r.Steps, v.judged(w, err)...)
	return r
}

// readable decodes a segment if it is a JSON object.
func readable(segment string) json.RawMessage {
	text := make([]byte, base64url.DecodedLen(len(segment)))
	if !base64url.Decode(text, segment) || !strings.HasPrefix(strings.TrimLeft(string(text), " \t\r\n"), "{") ||
		!utf8.Valid(text) || !json.Valid(text) {
		return nil
	}
	return text
}

// step is a step of the path.
type step uint8

const (
	stepSize step = iota
	stepForm
	stepHeader
	stepAlgorithm
	stepIssuer
	stepKeys
	stepSignature
	stepClaims
	stepProof
	stepCheck
	stepNone // of a token that verified
)

var stepNames = [...]string{"size", "form", "header", "algorithm", "issuer", "keys", "signature", "claims", "proof", "check"}

// witness notes what becomes of one token on its path. It takes no part: its
// methods may be called on a nil one, and return nothing that decides.
type witness struct {
	at      step          // that was reached last; of the first three the token knows
	token   compact.Token // as it was opened
	known   *Token        // that the token cache had
	keys    []*Key        // candidates that the source gave
	key     *Key          // the one that verified the signature
	refused []error       // by the rules of an issuer, before a claim was read
	judged  []claims.Judgement
	claims  *claims.Set // of the judgements
	policy  *policy

	size, limit int
}

func (w *witness) reach(s step) {
	if w != nil {
		w.at = s
	}
}

func (w *witness) finds(keys []*Key) {
	if w != nil {
		w.keys = append(w.keys, keys...)
	}
}

func (w *witness) verifies(key *Key) {
	if w != nil {
		w.key = key
	}
}

func (w *witness) refuse(err error) {
	if w != nil && err != nil {
		w.refused = append(w.refused, err)
	}
}

// remember is for a token that verified before.
func (w *witness) remember(t *Token) {
	if w != nil {
		w.at, w.known = stepKeys, t
		w.token.Header, w.token.Stage = compact.Header(t.header), compact.Opened
	}
}

// judge is Policy.Validate with ears.
func (w *witness) judge(t *Token) (err error) {
	w.claims, w.policy = &t.claims, t.policy
	w.judged, err = t.policy.claims.Judge(&t.claims, t.header.Type, t.key.binding)
	return err
}

// failedAt is the step that err is about.
func (w *witness) failedAt(err error) step {
	refused := func(r error) bool { return errors.Is(err, r) }
	switch {
	case err == nil:
		return stepNone
	case w.at == stepSize:
		return step(w.token.Stage)
	case w.at != stepKeys:
		return w.at
	case slices.ContainsFunc(w.refused, refused) && errors.Is(err, ErrAlgorithmNotAllowed):
		return stepAlgorithm // by the issuer's own list
	case slices.ContainsFunc(w.refused, refused), errors.Is(err, ErrIssuerNotTrusted), errors.Is(err, fault.ErrIssuerUndecided):
		return stepIssuer
	case len(w.keys) == 0, errors.Is(err, ErrKeyNotFound), errors.Is(err, ErrAlgorithmNotAllowed):
		return stepKeys
	default: // candidates were there, and none of them verified it
		return stepSignature
	}
}

// steps are those before the claims.
func (w *witness) steps(err error) []Step {
	steps := make([]Step, stepClaims, int(stepCheck)+8)
	failed := w.failedAt(err)
	for s := range stepClaims {
		passed := s < failed
		switch s {
		case stepAlgorithm, stepIssuer:
			passed = w.at > s
		case stepKeys:
			passed = len(w.keys) > 0
		case stepSignature:
			passed = w.key != nil
		}
		steps[s] = Step{Name: stepNames[s], Verdict: StepSkipped}
		switch {
		case s == failed:
			steps[s] = failedStep(stepNames[s], err)
		case passed:
			steps[s].Verdict = StepPassed
		}
	}
	return steps
}

func failedStep(name string, err error) Step {
	s := Step{Name: name, Verdict: StepFailed, Detail: bare(err), Err: err}
	if errors.Is(err, ErrUnavailable) {
		s.Verdict = StepUndecided
	}
	return s
}

// describe fills in what is there to say about a step that passed.
func (w *witness) describe(s *Step, which step, v *Verifier) {
	if s.Verdict != StepPassed {
		return
	}
	h := w.token.Header
	switch which {
	case stepSize:
		s.Detail = show.Count(w.size, "byte") + ", at most " + strconv.Itoa(w.limit)
	case stepForm:
		s.Detail = "3 segments"
	case stepHeader:
		s.Detail = "alg " + show.Quote(h.Algorithm)
		for _, p := range [...]struct{ name, value string }{{"kid", h.KeyID}, {"typ", h.Type}, {"x5t", h.X5t}, {"x5t#S256", h.X5tS256}} {
			if p.value != "" {
				s.Detail += ", " + p.name + " " + show.Quote(p.value)
			}
		}
	case stepAlgorithm:
		s.Detail = show.Quote(h.Algorithm) + " is allowed"
	case stepIssuer:
		s.Detail = "the keys are of one source, whatever the token says"
		if !v.ignoresIssuer {
			iss, _, _ := w.unverifiedIssuer()
			s.Detail = show.Quote(iss) + " has keys here"
		}
	case stepKeys:
		s.Detail = show.Count(len(w.keys), "candidate") + ": " + describeKeys(w.keys) + ageOf(v.source, w.keys)
	case stepSignature:
		s.Detail = "verified with " + describeKey(w.key)
		if w.known != nil {
			s.Detail += " when the token was seen first"
		}
	}
}

func describeKeys(keys []*Key) string {
	texts := make([]string, 0, show.MaxListed+1)
	for i, k := range keys {
		if i == show.MaxListed {
			texts = append(texts, "…")
			break
		}
		texts = append(texts, describeKey(k))
	}
	return strings.Join(texts, ", ")
}

func describeKey(k *Key) string {
	switch {
	case isUnusable(k):
		return "no key"
	case k.ID() == "":
		return "a key without kid (" + k.Type() + ")"
	default:
		return show.Quote(k.ID()) + " (" + k.Type() + ")"
	}
}

// payload is the text of the claims.
func (w *witness) payload() string {
	if w.known != nil {
		return w.known.claims.Text
	}
	return w.token.Payload()
}

func (w *witness) unverifiedIssuer() (iss, tid string, err error) {
	if w.known != nil {
		return w.known.claims.Issuer, w.known.claims.Tenant, nil
	}
	return w.token.UnverifiedIssuer()
}

// judged are the steps from the claims on.
func (v *Verifier) judged(w *witness, err error) []Step {
	readErr := err
	if w.judged == nil && w.token.Stage == compact.Opened && w.at < stepClaims {
		readErr = v.judgeUnverified(w)
	}
	mark := ""
	if w.key == nil {
		mark = "unverified: "
	}
	whole := Step{Name: stepNames[stepClaims], Verdict: StepPassed, Detail: mark + "a JSON object"}
	switch {
	case w.judged != nil:
	case w.token.Stage == compact.Opened:
		whole = failedStep(whole.Name, readErr)
		whole.Detail = mark + whole.Detail
	default:
		whole = Step{Name: whole.Name, Verdict: StepSkipped}
	}
	steps := []Step{whole}
	for _, j := range w.judged {
		s := Step{Name: j.Claim, Verdict: StepPassed, Detail: mark + j.Detail, Err: j.Err}
		if j.Err != nil {
			s.Verdict = StepFailed
		}
		steps = append(steps, s)
	}
	if w.claims != nil && w.claims.Bound() {
		steps = append(steps, w.late(stepProof, err, "", "the claims come first"))
	}
	if w.policy == nil || w.policy.checks == nil {
		return append(steps, Step{Name: stepNames[stepCheck], Verdict: StepSkipped, Detail: "no WithCheck"})
	}
	return append(steps, w.late(stepCheck, err, show.Count(len(w.policy.checks), "function"), "for verified tokens only"))
}

// late is a step that only verified tokens reach.
func (w *witness) late(which step, err error, passed, skipped string) Step {
	name := stepNames[which]
	switch {
	case err != nil && w.at == which:
		return failedStep(name, err)
	case w.at < which:
		return Step{Name: name, Verdict: StepSkipped, Detail: skipped}
	default:
		return Step{Name: name, Verdict: StepPassed, Detail: passed}
	}
}

// judgeUnverified judges the claims of a token that no key verified, as far as
// that can be done without asking anybody.
func (v *Verifier) judgeUnverified(w *witness) error {
	iss, tid, _ := w.unverifiedIssuer() // what is wrong with them is told below
	b := v.supposed(w, iss, tid)
	w.policy = v.policies.known(b, iss, tid)
	s := &claims.Set{NumericIDs: w.policy.claims.NumericIDs}
	if err := s.Read(w.payload(), w.policy.claims.Required); err != nil {
		return err
	}
	w.claims = s
	w.judged, _ = w.policy.claims.Judge(s, w.token.Header.Type, b)
	return nil
}

// supposed is what the key of a token would be bound to, nil if that is not known.
func (v *Verifier) supposed(w *witness, iss, tid string) *binding.Binding {
	for _, k := range w.keys {
		if k != nil && k.binding != nil {
			return k.binding
		}
	}
	namer, ok := asOurs[issuerNamer](v.source)
	if trial, onTrial := v.source.(onTrial); onTrial {
		namer, ok = trial.Issuers, true
	}
	if !ok {
		return nil
	}
	listed := namer.boundTo()
	for _, b := range listed {
		if b.Accepts(iss, tid) {
			return b
		}
	}
	if v.ignoresIssuer && len(listed) == 1 {
		return listed[0]
	}
	return nil
}

// known is of without asking anybody: the common policy where of might say
// something else.
func (p *policies) known(b *binding.Binding, iss, tid string) *policy {
	if !p.various() {
		return p.common
	}
	issuer, template := b.Governs(iss, tid)
	if own := p.find(issuer, template); own != nil {
		return own
	}
	if p.atRun != nil {
		if known, ok := p.atRun.known.Peek(answerKey{b.Root(), issuer}); ok && known.policy != nil {
			return known.policy
		}
	}
	return p.common
}
