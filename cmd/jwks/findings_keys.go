package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/fetch"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/show"
)

// judgeDiscovery: the document is there, and at the place where all look.
func judgeDiscovery(o *observations) finding {
	var others []string
	for _, p := range o.places {
		if p != o.found {
			others = append(others, show.Place(p.url)+": "+p.says(o.issuer))
		}
	}
	beside := ""
	if others != nil {
		beside = "; " + strings.Join(others, "; ")
	}
	switch {
	case o.found == nil:
		advice := "publish it at " + show.Place(o.places[0].url) + ", or give verifiers the URL of the key set instead of discovery"
		if o.places[0].final().status == 0 {
			advice = "check the host name, the network, the proxy and the certificate: there was no usable response"
		}
		return found(levelError, "there is no discovery document: "+strings.TrimPrefix(beside, "; "), advice)
	case o.found != o.places[0] && o.found.document.issuer == o.issuer:
		return found(levelInfo, "it is only at "+show.Place(o.found.url)+beside,
			"serve it at "+show.Place(o.places[0].url)+" as well: most libraries look only there")
	}
	return ok(show.Place(o.found.url) + ": " + o.found.says(o.issuer) + beside)
}

// judgeIssuer: the document names the issuer, byte for byte.
func judgeIssuer(o *observations) finding {
	switch {
	case o.found == nil:
		return none
	case o.found.document.issuer == o.issuer:
		return ok("the document names it; tokens must name it too")
	}
	return found(levelError, "the discovery document's issuer "+show.Differs(o.found.document.issuer, o.issuer),
		"verifiers compare every byte: configure the issuer exactly as the document and the tokens name it, or correct the document")
}

// judgeKeySet: there is a key set with at least one key that verifies tokens.
func judgeKeySet(o *observations) finding {
	switch {
	case o.found == nil:
		return none
	case o.found.jwksURI == "":
		return found(levelError, "the discovery document has no jwks_uri", "add it: without keys nobody can verify a token")
	case o.keys.err != nil:
		return found(levelError, show.Place(o.keys.url)+": "+cause(o.keys.err), "correct the URL in jwks_uri, or the server behind it")
	case o.listErr != nil:
		text := o.listErr.Error()
		if what := fetch.Sniff(o.keys.body, o.keys.final().header.Get("Content-Type")); what != "" {
			text = "what came is " + what
		}
		return found(levelError, show.Place(o.keys.url)+" is not a key set: "+text, `serve a JSON object with an array "keys" (RFC 7517)`)
	case usable(o.entries) == 0:
		text := show.Count(len(o.entries), "key") + " and none that is usable"
		if len(o.entries) == 0 {
			text = "the key set is empty"
		}
		return found(levelError, text+": "+show.Place(o.keys.url), "publish the public half of the key that signs tokens")
	case o.loadErr != nil && o.found.document.issuer == o.issuer && !errors.Is(o.loadErr, jwks.ErrIssuerMismatch):
		return found(levelError, "a client refuses it: "+inFlags(strings.TrimPrefix(o.loadErr.Error(), "jwks: ")), "")
	}
	return ok(fmt.Sprintf("%s: %s, %d usable", show.Place(o.keys.url), show.Count(len(o.entries), "key"), usable(o.entries)))
}

// refusedAs lists the entries that are refused for a class of reasons.
func refusedAs(entries []entry, is func(error) bool) []string {
	var texts []string
	for _, e := range entries {
		if e.err != nil && is(e.err) {
			texts = append(texts, name(e)+": "+e.Reason)
		}
	}
	return texts
}

// name tells one entry from the others.
func name(e entry) string {
	if e.KeyID == "" {
		return "key " + strconv.Itoa(e.Index)
	}
	return quote(e.KeyID)
}

// listed joins texts, shortened to a few.
func listed(texts []string) string {
	const most = 5
	if len(texts) > most {
		texts = append(slices.Clone(texts[:most]), fmt.Sprintf("and %d more", len(texts)-most))
	}
	return strings.Join(texts, "; ")
}

func judgePrivateKeys(o *observations) finding {
	if !o.hasKeySet() {
		return none
	}
	secret := refusedAs(o.entries, func(err error) bool { return errors.Is(err, jwk.ErrSecret) })
	if secret == nil {
		return ok("none is published")
	}
	return found(levelError, listed(secret),
		"take it down now and replace the key: anyone who has read the set can sign tokens. Then find out who did")
}

func judgeWeakKeys(o *observations) finding {
	if !o.hasKeySet() {
		return none
	}
	weak := refusedAs(o.entries, func(err error) bool { return errors.Is(err, jwk.ErrWeak) })
	if weak == nil {
		return ok("none")
	}
	return found(levelWarn, listed(weak), "replace them: RSA of at least 2048 bits with exponent 65537, P-256, or Ed25519")
}

func judgeUnusableKeys(o *observations) finding {
	if !o.hasKeySet() {
		return none
	}
	odd := refusedAs(o.entries, func(err error) bool { return !errors.Is(err, jwk.ErrSecret) && !errors.Is(err, jwk.ErrWeak) })
	if odd == nil {
		return ok("none")
	}
	return found(levelWarn, listed(odd), "correct or remove them: a token signed with one of them is refused, and some libraries refuse the whole set")
}

func judgeMissingKids(o *observations) finding {
	if !o.hasKeySet() || usable(o.entries) == 0 {
		return none
	}
	missing := 0
	for _, e := range o.entries {
		if e.Usable && e.KeyID == "" {
			missing++
		}
	}
	switch {
	case missing == 0:
		return ok("every key has a kid")
	case usable(o.entries) > 1:
		return found(levelWarn, fmt.Sprintf("%d of %s without a kid", missing, show.Count(usable(o.entries), "usable key")),
			"give each key a kid and name it in the tokens: otherwise verifiers must guess, and many give up")
	}
	return found(levelInfo, "the only key has no kid", "give it one before the first rotation, which would otherwise break verifiers")
}

func judgeDuplicateKids(o *observations) finding {
	if !o.hasKeySet() || usable(o.entries) == 0 {
		return none
	}
	times := map[string]int{}
	var twice []string
	for _, e := range o.entries {
		if e.Usable && e.KeyID != "" {
			if times[e.KeyID]++; times[e.KeyID] == 2 {
				twice = append(twice, quote(e.KeyID))
			}
		}
	}
	if twice == nil {
		return ok("every kid is there once")
	}
	return found(levelInfo, "several keys have the kid "+listed(twice), "give each key its own kid: most libraries try only the first of them")
}

func judgeSpareKey(o *observations) finding {
	if !o.hasKeySet() || usable(o.entries) == 0 {
		return none
	}
	if n := usable(o.entries); n > 1 {
		return ok(strconv.Itoa(n) + " usable keys")
	}
	return found(levelInfo, "there is only one usable key, and none for a rotation",
		"publish the next key at least one cache lifetime before it signs, so that verifiers already know it")
}

// judgeReplicas: two answers at the same time have the same keys.
func judgeReplicas(o *observations) finding {
	if !o.hasKeySet() || o.again == nil || o.again.err != nil {
		return none
	}
	entries, err := readEntries(o.again.body)
	if err != nil {
		return found(levelInfo, "the second answer is not a key set: "+err.Error(), "look for a replica, or a rate limit, that answers with something else")
	}
	if before, after := identities(o.entries), identities(entries); !slices.Equal(before, after) {
		return found(levelInfo, "two requests in a row gave different keys",
			"unless the issuer is rotating, its replicas disagree: verifiers then need WithRetention")
	}
	return ok("two requests gave the same keys")
}

// identities are the keys of a set in an order of their own.
func identities(entries []entry) []string {
	var list []string
	for _, e := range entries {
		list = append(list, e.KeyID+" "+e.Thumbprint)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
