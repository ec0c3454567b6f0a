package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/bench/internal/markdown"
)

const bare = "the signature check alone"

var algs = []string{"RS256", "ES256", "EdDSA"}

// arena is one issuer with every library set up for it.
type arena struct {
	issuer    *issuer
	signer    *signer
	good      string
	verifiers map[string]verifier
}

// newArena opens every library on a set of n keys. The one that signs is in
// the middle, where a search from the start takes as long as on average.
func newArena(libs []library, alg string, n int) (*arena, error) {
	s, err := newSigner(alg, 0)
	if err != nil {
		return nil, err
	}
	entries := slices.Insert(decoys(n-1), (n-1)/2, s.entry())
	a := &arena{issuer: newIssuer(entries), signer: s, verifiers: map[string]verifier{}}
	a.good = s.token(claims(a.issuer.server.URL))
	for _, lib := range libs {
		v, err := lib.open(a.issuer.setting(alg))
		if err != nil {
			a.close()
			return nil, fmt.Errorf("%s does not open: %w", lib.name, err)
		}
		a.verifiers[lib.name] = v
	}
	return a, nil
}

func (a *arena) close() {
	for _, v := range a.verifiers {
		v.close()
	}
	a.issuer.close()
}

// verifying is the contestants for verifying the good token.
func (a *arena) verifying(libs []library) []contestant {
	var out []contestant
	for _, lib := range libs {
		v, good := a.verifiers[lib.name], a.good
		out = append(out, alike(lib.name, func() error {
			_, err := v.verify(context.Background(), good)
			return err
		}))
	}
	return out
}

// measure runs every comparison.
func measure(c contest, libs []library, setSize, workers int, say func(string)) (*results, error) {
	r := &results{contest: c, setSize: setSize, workers: workers}
	for _, part := range []struct {
		title string
		run   func(*results, []library) error
	}{
		{"warm verify", measureVerify},
		{"the same token again", measureAgain},
		{"one key of many", measureSizes},
		{"reading a key set", measureParse},
		{"reading it again", measureReread},
		{"an unknown kid", measureUnknown},
	} {
		say(part.title)
		if err := part.run(r, libs); err != nil {
			return nil, fmt.Errorf("%s: %w", part.title, err)
		}
	}
	return r, nil
}

// measureVerify is the main contest, and the admission to all of them.
func measureVerify(r *results, libs []library) error {
	for _, alg := range algs {
		a, err := newArena(libs, alg, 2)
		if err != nil {
			return err
		}
		defer a.close()
		if alg == "RS256" {
			r.tokenSize = len(a.good)
		}
		for _, lib := range libs {
			faults, err := admit(a.verifiers[lib.name], lib.name, a.signer, a.issuer.server.URL, a.good)
			if err != nil {
				return err
			}
			for _, fault := range faults {
				r.faults = append(r.faults, fault+" ("+alg+")")
			}
		}
		alone, err := bareCheck(a.signer, a.good)
		if err != nil {
			return err
		}
		b, err := contend(r.contest, alg, append([]contestant{alike(bare, alone)}, a.verifying(libs)...), r.workers)
		if err != nil {
			return err
		}
		r.verify = append(r.verify, b)
	}
	return nil
}

// walk is where a worker is in a list. It fills the lines of memory that cores
// fetch together, so that no worker waits for another one's step.
type walk struct {
	next int
	_    [120]byte
}

// inTurn verifies the tokens one after the other. Every worker goes its own way,
// from a place that is far from the others'.
func inTurn(v verifier, tokens []string) func() func() error {
	var starts atomic.Int64
	return func() func() error {
		at := &walk{next: int(starts.Add(1)) * 383 % len(tokens)}
		return func() error {
			token := tokens[at.next]
			if at.next++; at.next == len(tokens) {
				at.next = 0
			}
			_, err := v.verify(context.Background(), token)
			return err
		}
	}
}

const (
	hitOne    = ours + ", WithTokenCache: one token"
	hitMany   = ours + ", WithTokenCache: 1,000 tokens in turn, 8,192 places"
	hitsSome  = ours + ", the same with 1,024 places, where some displace others"
	hitsNever = ours + ", the same with 100 places, where each displaces another"
)

// measureAgain verifies tokens that were verified before.
func measureAgain(r *results, libs []library) error {
	const many = 1000
	a, err := newArena(libs, "RS256", 2)
	if err != nil {
		return err
	}
	defer a.close()
	tokens := make([]string, many)
	for i := range tokens {
		c := claims(a.issuer.server.URL)
		c["jti"] = fmt.Sprintf("0b4f6a1e-3f2c-4f67-8a35-%012d", i)
		tokens[i] = a.signer.token(c)
	}
	contestants := []contestant{}
	for _, cache := range []struct {
		name   string
		size   int
		tokens []string
	}{
		{hitOne, 1024, tokens[:1]},
		{hitMany, 8192, tokens},
		{hitsSome, 1024, tokens},
		{hitsNever, 100, tokens},
	} {
		v, err := openJWKS(a.issuer.setting("RS256"), nil, []jwks.VerifierOption{jwks.WithTokenCache(cache.size)})
		if err != nil {
			return err
		}
		defer v.close()
		again := inTurn(v, cache.tokens)
		once := again()
		for range cache.tokens { // warm
			if err := once(); err != nil {
				return err
			}
		}
		contestants = append(contestants, contestant{cache.name, again})
	}
	r.again, err = contend(r.contest, "RS256", append(contestants, a.verifying(libs)...), r.workers)
	return err
}

// measureSizes finds a key, and verifies, in a set of one key and in a large
// one.
func measureSizes(r *results, libs []library) error {
	for _, n := range []int{1, r.setSize} {
		a, err := newArena(libs, "RS256", n)
		if err != nil {
			return err
		}
		defer a.close()
		var finding []contestant
		for _, lib := range libs {
			f, ok := a.verifiers[lib.name].(finder)
			if !ok {
				continue
			}
			kid := a.signer.kid
			finding = append(finding, alike(lib.name, func() error {
				key, err := f.key(context.Background(), kid)
				if err == nil && key == nil {
					err = errors.New("found no key")
				}
				return err
			}))
		}
		b, err := contend(r.contest, keys(n), finding, 1)
		if err != nil {
			return err
		}
		r.lookup = append(r.lookup, b)
		if b, err = contend(r.contest, keys(n), a.verifying(libs), 1); err != nil {
			return err
		}
		r.atSize = append(r.atSize, b)
	}
	return nil
}

// measureParse reads a set that nobody has seen before.
func measureParse(r *results, libs []library) error {
	text := document(decoys(r.setSize))
	var contestants []contestant
	for _, lib := range libs {
		if lib.parse == nil {
			continue
		}
		contestants = append(contestants, alike(lib.name, func() error {
			n, err := lib.parse(text)
			if err == nil && n != r.setSize {
				err = fmt.Errorf("read %d keys of %d", n, r.setSize)
			}
			return err
		}))
	}
	var err error
	r.parse, err = contend(r.contest, keys(r.setSize), contestants, 1)
	return err
}

const (
	plainGET  = "the HTTP request alone"
	refreshed = "Refresh, every key is new"
	same      = "Refresh, the same document (200)"
	confirmed = "Refresh, not modified (304)"
)

// measureReread refreshes our client, over HTTP on loopback.
func measureReread(r *results, _ []library) error {
	first, second := document(decoys(r.setSize)), document(decoys(r.setSize))
	var contestants []contestant
	for _, one := range []struct {
		name                   string
		conditional, alternate bool
	}{{refreshed, false, true}, {same, false, false}, {confirmed, true, false}} {
		i := newIssuer(nil)
		defer i.close()
		i.publish(first)
		i.etag.Store(one.conditional)
		s := i.setting("RS256")
		client, err := jwks.NewClient(jwks.WithJWKSURL(s.jwksURL), jwks.WithHTTPClient(s.client))
		if err != nil {
			return err
		}
		defer client.Close()
		turn := 0
		contestants = append(contestants, alike(one.name, func() error {
			if turn++; one.alternate && turn%2 == 0 {
				i.publish(second)
			} else if one.alternate {
				i.publish(first)
			}
			_, err := client.Refresh(context.Background())
			return err
		}))
	}
	i := newIssuer(nil)
	defer i.close()
	i.publish(first)
	s := i.setting("RS256")
	contestants = append(contestants, alike(plainGET, func() error {
		response, err := s.client.Get(s.jwksURL)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.ReadAll(http.MaxBytesReader(nil, response.Body, 1<<20))
		return err
	}))
	var err error
	r.reread, err = contend(r.contest, keys(r.setSize), contestants, 1)
	return err
}

// measureUnknown refuses tokens of kids that no set ever had, when whatever
// budget there is for asking the issuer is spent.
func measureUnknown(r *results, libs []library) error {
	const forged = 1000
	a, err := newArena(libs, "RS256", 2)
	if err != nil {
		return err
	}
	defer a.close()
	tokens := make([]string, forged)
	c := claims(a.issuer.server.URL)
	for i := range tokens {
		tokens[i] = a.signer.tokenAs(fmt.Sprintf("forged-%05d", i), c)
	}
	var contestants []contestant
	r.unknowns = map[string]float64{}
	for _, lib := range libs {
		forge := inTurn(a.verifiers[lib.name], tokens)
		refusing := func() func() error {
			next := forge()
			return func() error {
				if err := next(); err == nil {
					return errors.New("a forged token passed")
				}
				return nil
			}
		}
		if _, err := a.verifiers[lib.name].verify(context.Background(), a.good); err != nil { // warm
			return err
		}
		before, refused := a.issuer.asked.Load(), refusing()
		for range forged {
			if err := refused(); err != nil {
				return fmt.Errorf("%s: %w", lib.name, err)
			}
		}
		r.unknowns[lib.name] = float64(a.issuer.asked.Load()-before) * 1000 / forged
		contestants = append(contestants, contestant{lib.name, refusing})
	}
	r.unknown, err = contend(r.contest, "RS256", contestants, 1)
	return err
}

func keys(n int) string {
	if n == 1 {
		return "1 key"
	}
	return markdown.Number(n) + " keys"
}
