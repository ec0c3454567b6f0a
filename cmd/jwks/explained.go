package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/publicnet"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/wellknown"
)

// Outcomes, as -json prints them.
const (
	outcomeVerified  = "verified"
	outcomeRefused   = "refused"
	outcomeUndecided = "undecided"
)

// explained is a report of the library, with what the command saw itself.
type explained struct {
	v      *verification
	now    time.Time
	report *jwks.Report
	spaces bool // there is white space inside the token

	iss                 string // of the token; "" when there is none
	exchanges           []exchange
	keys                []*jwks.Key // candidates
	total, skipped      int         // keys of the set, and those that are unusable
	discovered, fetched *exchange   // the last of each document
}

// look gathers what the steps tell besides. It asks nobody: the keys are there
// by now, or they are not.
func (e *explained) look(ctx context.Context, source keySource, token string) {
	var names struct {
		Iss string `json:"iss"`
	}
	_ = json.Unmarshal(e.report.Claims, &names) // of a token that may be broken
	e.iss = names.Iss
	if e.v.rec != nil {
		e.exchanges = e.v.rec.exchanges()
		e.sortExchanges()
	}
	if e.verdict("keys") != jwks.StepPassed {
		return
	}
	client, _ := source.(*jwks.Client)
	if issuers, ok := source.(*jwks.Issuers); ok {
		var err error
		if client, err = issuers.Client(ctx, e.iss); err != nil {
			return
		}
	}
	if set, err := client.KeySet(ctx); err == nil {
		e.total, e.skipped = set.Len(), len(set.Skipped())
	}
	e.keys, _ = client.SigningKeys(ctx, e.header(), e.iss)
	if len(e.keys) > 1 && e.verdict("signature") == jwks.StepPassed {
		if key, err := source.KeyForToken(ctx, token); err == nil {
			e.keys = []*jwks.Key{key}
		}
	}
}

// header is the token's, as far as it selects a key.
func (e *explained) header() jwks.Header {
	var h struct {
		Alg, Kid, Typ, X5t string
		X5tS256            string `json:"x5t#S256"`
	}
	_ = json.Unmarshal(e.report.Header, &h)
	return jwks.Header{Algorithm: h.Alg, KeyID: h.Kid, Type: h.Typ, X5t: h.X5t, X5tS256: h.X5tS256}
}

// sortExchanges tells the discovery document's from the key set's. What a
// redirect leads to belongs to where it came from.
func (e *explained) sortExchanges() {
	var places []string
	if e.v.jwksURL == "" {
		issuer := e.v.issuer
		if issuer == "" {
			issuer = e.iss
		}
		places = wellknown.Places(issuer, "")
	}
	discovery := false
	for i := range e.exchanges {
		x := &e.exchanges[i]
		redirected := i > 0 && e.exchanges[i-1].status/100 == 3
		if !redirected {
			discovery = slices.Contains(places, x.url)
		}
		if discovery {
			e.discovered = x
		} else {
			e.fetched = x
		}
	}
}

func (e *explained) step(name string) *jwks.Step {
	i := slices.IndexFunc(e.report.Steps, func(s jwks.Step) bool { return s.Name == name })
	if i < 0 {
		return &jwks.Step{Name: name, Verdict: jwks.StepSkipped}
	}
	return &e.report.Steps[i]
}

func (e *explained) verdict(name string) jwks.Verdict { return e.step(name).Verdict }

// result is what is printed.
func (e *explained) result() *verifyJSON {
	r := &verifyJSON{Header: e.report.Header, Claims: e.report.Claims, err: e.report.Err, Steps: []stepJSON{}}
	switch {
	case r.err == nil:
		r.Outcome, r.status = outcomeVerified, exitOK
	case errors.Is(r.err, jwks.ErrUnavailable):
		r.Outcome, r.status = outcomeUndecided, exitUndecidable
	default:
		r.Outcome, r.status = outcomeRefused, exitRefused
	}
	if !e.v.at.IsZero() {
		r.at = ", at " + stamp(e.now)
	}
	counted := true
	add := func(name string, verdict jwks.Verdict, detail string) {
		r.Steps = append(r.Steps, stepJSON{name, verdict.String(), detail})
		if counted && (verdict == jwks.StepPassed || verdict == jwks.StepFailed) {
			r.Checks++
		}
		if counted && verdict == jwks.StepFailed {
			r.Failed++
		}
	}
	for i := range e.report.Steps {
		s := &e.report.Steps[i]
		switch s.Name {
		case "keys":
			if verdict, detail := e.discovery(); verdict != 0 {
				add("discovery", verdict, detail)
			}
			add(s.Name, s.Verdict, e.detail(s))
			if len(e.keys) > 0 {
				add("key", jwks.StepPassed, e.describeKeys())
			}
			continue
		case "claims": // what nobody signed is said, and does not count
			counted = e.verdict("signature") == jwks.StepPassed
		case "check":
			if len(e.v.scopes.values) > 0 {
				add("scope", s.Verdict, e.detail(s))
				continue
			}
		}
		add(s.Name, s.Verdict, e.detail(s))
	}
	r.Hint = e.hint()
	return r
}

// discovery is the step that the library does not tell from that of the keys.
// Its verdict is 0 where there is no discovery.
func (e *explained) discovery() (jwks.Verdict, string) {
	x := e.discovered
	if x == nil {
		return 0, ""
	}
	detail := show.Place(x.url)
	switch {
	case publicnet.IsNotFound(x.err):
		return jwks.StepUndecided, detail + "   there is no such host"
	case x.err != nil:
		return jwks.StepUndecided, detail + "   no answer"
	case x.status != 200:
		return jwks.StepUndecided, detail + "   " + statusWords(x.status)
	}
	detail += fmt.Sprintf("   %d, %s", x.status, span(x.took))
	if e.fetched == nil && e.verdict("keys") != jwks.StepPassed { // it led nowhere
		return jwks.StepUndecided, detail
	}
	return jwks.StepPassed, detail
}

// detail is what a step says, in the words of the command where it knows more.
func (e *explained) detail(s *jwks.Step) string {
	text := inFlags(s.Detail)
	if s.Verdict != jwks.StepPassed {
		var lacks scopeError
		if errors.As(s.Err, &lacks) {
			return lacks.text
		}
		if s.Verdict == jwks.StepFailed {
			return e.timeDetail(s, text)
		}
		if s.Name == "check" && len(e.v.scopes.values) == 0 {
			return ""
		}
		return text
	}
	switch s.Name {
	case "issuer":
		return e.issuerDetail()
	case "keys":
		return e.keysDetail()
	case "signature":
		return "good"
	case "check":
		return "it has " + show.List(e.v.scopes.values)
	}
	return e.timeDetail(s, text)
}

func (e *explained) issuerDetail() string {
	switch {
	case e.v.issuer != "":
		return show.Place(e.v.issuer) + "   as named by -issuer"
	case e.v.ownIssuer():
		return show.Place(e.iss) + "   from the token; pin it with -issuer"
	}
	return "not checked: name it with -issuer"
}

func (e *explained) keysDetail() string {
	counts := show.Count(e.total, "key")
	if e.skipped > 0 {
		counts += fmt.Sprintf(", %d skipped", e.skipped)
	}
	if e.v.keys != "" {
		return show.Line(e.v.keys) + "   " + counts
	}
	if e.fetched == nil {
		return counts
	}
	return fmt.Sprintf("%s   %d, %s, %s", show.Place(e.fetched.url), e.fetched.status, span(e.fetched.took), counts)
}

func (e *explained) describeKeys() string {
	if len(e.keys) > 1 {
		return show.Count(len(e.keys), "candidate")
	}
	return describeKey(e.keys[0])
}

// describeKey names a key: its kid, type and size, and use.
func describeKey(k *jwks.Key) string {
	text := "without a kid"
	if k.ID() != "" {
		text = quote(k.ID())
	}
	text += ", " + k.Type()
	switch public := k.Public().(type) {
	case *rsa.PublicKey:
		text += " " + strconv.Itoa(public.N.BitLen())
	case *ecdsa.PublicKey:
		text += " " + public.Curve.Params().Name
	}
	if k.Use() != "" {
		text += ", use " + k.Use()
	}
	return text
}

// timeDetail tells the times of a token in words.
func (e *explained) timeDetail(s *jwks.Step, text string) string {
	if !slices.Contains([]string{"exp", "nbf", "iat"}, s.Name) {
		return text
	}
	t, ok := e.claimTime(s.Name)
	if !ok {
		return text
	}
	mark := ""
	if e.verdict("signature") != jwks.StepPassed {
		mark = "unverified: "
	}
	words := timeWords(s.Name, t, e.now)
	if s.Verdict == jwks.StepPassed {
		return fmt.Sprintf("%s%s (%s)", mark, words, stamp(t))
	}
	return fmt.Sprintf("%s%s (%s, leeway %s)", mark, words, stamp(t), span(e.v.leeway))
}

func (e *explained) claimTime(name string) (time.Time, bool) {
	for _, m := range membersOf(e.report.Claims) {
		if m.name == name {
			return numericDate(m.value)
		}
	}
	return time.Time{}, false
}
