package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/publicnet"
	"github.com/seed-22400188/jwks/internal/show"
)

func verifyCommand() *command {
	return &command{
		name:    "verify",
		args:    "[-issuer URL | -jwks URL | -keys FILE] (-aud A... | -any-audience) [flags] [TOKEN]",
		summary: "verify a token step by step, and say what is wrong with it",
		details: `Goes through the same steps as a service: form, header, issuer, discovery, keys,
signature, claims. It reports everything that is wrong, and what to do about
common causes.

Issuer: without -issuer, -jwks or -keys, the issuer that the token names is asked, if
it has a public address. That shows whether the token is genuine, not whether you
should trust its issuer: name the one you trust with -issuer.
Audience: -aud is what your service accepts; -any-audience skips that check.

` + tokenHelp + `
Exit status: 0 VERIFIED, 1 REFUSED, 2 UNDECIDED because the keys were unavailable.
`,
		prepare: func(f *flags) runner {
			v := newVerification(f)
			return v.run
		},
	}
}

// verification is one run of jwks verify.
type verification struct {
	common
	issuer, jwksURL, keys, typ string
	audiences, algs, scopes    list
	anyAudience                bool
	leeway                     time.Duration
	at                         moment

	rec *recorder // nil with -keys
}

func newVerification(f *flags) *verification {
	v := &verification{algs: list{split: true}, scopes: list{split: true}}
	v.output(f, false)
	v.network(f)
	f.StringVar(&v.issuer, "issuer", "", "trust the issuer at `url`: its keys are found by discovery; with -jwks or -keys only its name counts")
	f.StringVar(&v.jwksURL, "jwks", "", "take the keys from the key set at `url`")
	f.StringVar(&v.keys, "keys", "", "take the keys from a `file`, a JWK Set or PEM")
	f.Var(&v.audiences, "aud", "an `audience` that your service accepts; repeatable, one of them is enough")
	f.BoolVar(&v.anyAudience, "any-audience", false, "accept a token for any service")
	f.Var(&v.algs, "alg", "accept this `algorithm`, such as RS256, and no other; repeatable (default: what the key allows)")
	f.StringVar(&v.typ, "typ", "", "require this `type` in the header, such as at+jwt")
	f.Var(&v.scopes, "scope", "require this `scope`; repeatable, all are required")
	f.DurationVar(&v.leeway, "leeway", 30*time.Second, "allow clocks to differ by `duration`")
	f.Var(&v.at, "at", "judge times as if it were this `time`, RFC 3339 (default now)")
	return v
}

func (v *verification) run(ctx context.Context, p *program, args []string) (int, error) {
	if err := v.checkFlags(); err != nil {
		return exitUsage, err
	}
	ctx, cancel := v.limit(ctx)
	defer cancel()
	token, err := p.token(ctx, args)
	if err != nil {
		return exitUsage, err
	}
	source, err := v.source()
	if err != nil {
		return exitUsage, oneLine(err)
	}
	defer source.Close()
	verifier, err := jwks.NewVerifier(source, v.verifierOptions()...)
	if err != nil {
		return exitUsage, oneLine(err)
	}
	now := v.now(p)
	e := &explained{
		v: v, now: now, report: verifier.Explain(ctx, token),
		spaces: strings.ContainsAny(token, " \t\r\n"),
	}
	e.look(ctx, source, token)
	result := e.result()
	if v.json {
		return result.status, p.printJSON(result, false)
	}
	p.print(result.text(p))
	return result.status, nil
}

func (v *verification) checkFlags() error {
	switch {
	case v.jwksURL != "" && v.keys != "":
		return usagef("-jwks and -keys: want one of them")
	case len(v.audiences.values) == 0 && !v.anyAudience:
		return usagef("whom is the token for? Say -aud with what your service accepts, or -any-audience")
	case len(v.audiences.values) > 0 && v.anyAudience:
		return usagef("-aud and -any-audience: want one of them")
	case v.leeway < 0:
		return usagef("-leeway %v: want at least 0", v.leeway)
	case v.ownIssuer() && (len(v.headers.names) > 0 || v.insecure):
		return usagef("-header and -insecure-http are for an issuer that you name: use -issuer or -jwks")
	}
	return v.check()
}

// ownIssuer says that the token's own issuer is asked.
func (v *verification) ownIssuer() bool { return v.issuer == "" && v.jwksURL == "" && v.keys == "" }

func (v *verification) now(p *program) time.Time {
	if v.at.IsZero() {
		return p.now()
	}
	return v.at.Time
}

// keySource is a [jwks.Client] or [jwks.Issuers].
type keySource interface {
	jwks.KeySource
	KeyForToken(ctx context.Context, token string) (*jwks.Key, error)
	Close() error
}

// source is where the keys come from.
func (v *verification) source() (keySource, error) {
	if v.ownIssuer() {
		if v.rec == nil { // tests have one
			config, err := v.tlsConfig()
			if err != nil {
				return nil, err
			}
			v.rec = &recorder{base: publicnet.New(config).Transport}
		}
		return jwks.NewIssuers(jwks.TrustAnyIssuer(),
			jwks.WithClientOptions(jwks.WithHTTPClient(&http.Client{Transport: v.rec})))
	}
	var opts []jwks.ClientOption
	if v.issuer != "" {
		opts = issuerOptions(v.issuer)
	}
	if v.keys != "" {
		return jwks.NewClient(append(opts, jwks.WithKeyFile(v.keys))...)
	}
	if v.rec == nil {
		rec, err := v.recorder()
		if err != nil {
			return nil, err
		}
		v.rec = rec
	}
	if v.jwksURL != "" {
		opts = append(opts, jwks.WithJWKSURL(v.jwksURL))
	}
	return jwks.NewClient(append(opts, v.options(v.rec)...)...)
}

func (v *verification) verifierOptions() []jwks.VerifierOption {
	opts := []jwks.VerifierOption{jwks.WithLeeway(v.leeway)}
	if v.anyAudience {
		opts = append(opts, jwks.WithoutAudienceCheck())
	} else {
		opts = append(opts, jwks.WithAudience(v.audiences.values...))
	}
	if v.issuer == "" && !v.ownIssuer() {
		opts = append(opts, jwks.WithoutIssuerCheck())
	}
	if len(v.algs.values) > 0 {
		opts = append(opts, jwks.WithAlgorithms(v.algs.values...))
	}
	if v.typ != "" {
		opts = append(opts, jwks.WithTokenTypes(v.typ))
	}
	if !v.at.IsZero() {
		opts = append(opts, jwks.WithNow(func() time.Time { return v.at.Time }))
	}
	if len(v.scopes.values) > 0 {
		opts = append(opts, jwks.WithCheck(v.checkScopes))
	}
	return opts
}

// errScope says that a scope is missing.
var errScope = errors.New("scope")

func (v *verification) checkScopes(_ context.Context, t *jwks.Token) error {
	var missing []string
	for _, scope := range v.scopes.values {
		if !t.HasScopes(scope) {
			missing = append(missing, scope)
		}
	}
	if missing == nil {
		return nil
	}
	return scopeError{fmt.Sprintf("it has %s and lacks %s", show.List(t.Scopes()), show.List(missing))}
}

type scopeError struct{ text string }

func (e scopeError) Error() string        { return e.text }
func (e scopeError) Is(target error) bool { return target == errScope }

// oneLine joins the lines of an error that is several.
func oneLine(err error) error {
	text := strings.ReplaceAll(err.Error(), "\njwks: ", "; ")
	return usageError(strings.TrimPrefix(strings.ReplaceAll(text, "\n", "; "), "jwks: "))
}

// verifyJSON is what -json prints.
type verifyJSON struct {
	Outcome string          `json:"outcome"` // verified, refused or undecided
	Checks  int             `json:"checks"`  // that passed or failed
	Failed  int             `json:"failed"`
	Steps   []stepJSON      `json:"steps"`
	Header  json.RawMessage `json:"header"`
	Claims  json.RawMessage `json:"claims"`
	Hint    string          `json:"hint"` // "" where there is none

	status int
	err    error
	at     string
}

type stepJSON struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"` // passed, failed, undecided or skipped
	Detail  string `json:"detail"`
}

// text is the result for people.
func (r *verifyJSON) text(p *program) string {
	var rows [][]string
	for _, s := range r.Steps {
		mark := " "
		switch s.Verdict {
		case "failed":
			mark = "✗"
		case "undecided":
			mark = "?"
		case "skipped":
			if s.Detail == "" { // the token did not get there
				continue
			}
			mark = "-"
		}
		rows = append(rows, []string{mark, s.Name, s.Detail})
	}
	var b strings.Builder
	for line := range strings.Lines(verifyTable(rows)) {
		if strings.HasPrefix(line, "✗") {
			line = p.paint(red, strings.TrimSuffix(line, "\n")) + "\n"
		}
		b.WriteString(line)
	}
	switch r.Outcome {
	case outcomeVerified:
		b.WriteString(p.paint(bold+";"+green, "VERIFIED") + fmt.Sprintf("  %s passed%s\n", show.Count(r.Checks, "check"), r.at))
	case outcomeRefused:
		b.WriteString(p.paint(bold+";"+red, "REFUSED") + fmt.Sprintf("  %d of %s failed%s\n", r.Failed, show.Count(r.Checks, "check"), r.at))
	default:
		b.WriteString(p.paint(bold+";"+yellow, "UNDECIDED") + "  the keys were unavailable, so the token may be good\n")
	}
	if r.Hint != "" {
		b.WriteString("hint: " + r.Hint + "\n")
	}
	return b.String()
}

// verifyTable is two columns behind a mark.
func verifyTable(rows [][]string) string {
	var b strings.Builder
	for _, row := range rows {
		b.WriteString(strings.TrimRight(fmt.Sprintf("%s %-11s %s", row[0], row[1], row[2]), " ") + "\n")
	}
	return b.String()
}
