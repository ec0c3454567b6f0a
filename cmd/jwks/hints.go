package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/publicnet"
	"github.com/seed-22400188/jwks/internal/show"
)

// hint is one sentence about the cause that is most likely, "" where there is
// nothing to add. Of several causes the one that would remain after the others
// were mended comes first: a token for somebody else is not helped by a new one.
func (e *explained) hint() string {
	err := e.report.Err
	switch {
	case err == nil:
		return e.hintVerified()
	case errors.Is(err, jwks.ErrUnavailable):
		return e.hintUnavailable(err)
	}
	for _, find := range []func() string{e.hintForm, e.hintKey, e.hintIssuer, e.hintClaims, e.hintTimes} {
		if text := find(); text != "" {
			return text
		}
	}
	return ""
}

func (e *explained) failed(step string) bool { return e.verdict(step) == jwks.StepFailed }

func (e *explained) hintVerified() string {
	if e.v.ownIssuer() {
		return "the issuer is the one that the token names; to see whether your service would accept the token, name the issuer that it trusts with -issuer"
	}
	return ""
}

func (e *explained) hintUnavailable(err error) string {
	place := e.place()
	var authority x509.UnknownAuthorityError
	var failed *jwks.FetchError
	switch {
	case e.v.keys != "":
		return "the file of -keys is not a usable key set: jwks keys FILE says why"
	case errors.As(err, &authority):
		return "if the certificate was signed by an authority of your own, name that with -ca"
	case errors.Is(err, jwks.ErrIssuerMismatch):
		return "the issuer calls itself by another name than -issuer does: use the name in its document, slash included"
	case errors.As(err, &failed) && failed.StatusCode == 404:
		return "there is nothing at this URL: check it, or name the key set with -jwks"
	case place != "" && e.v.jwksURL == "":
		return "jwks doctor " + place + " tells more about the issuer"
	case place != "":
		return "jwks keys " + place + " tells more about the key set"
	}
	return ""
}

// place is what was asked for keys.
func (e *explained) place() string {
	for _, place := range []string{e.v.jwksURL, e.v.issuer, e.iss} {
		if place != "" {
			return show.Place(place)
		}
	}
	return ""
}

// hintForm is for what is not a signed token that can be verified.
func (e *explained) hintForm() string {
	alg := e.header().Algorithm
	malformed := e.failed("form") || e.failed("header")
	switch {
	case e.failed("size"):
		return "ask the issuer for smaller tokens, for example without all groups and roles in them"
	case malformed && e.spaces:
		return "there is white space inside the token: it was broken into lines, or something else was copied with it"
	case malformed && e.report.Header == nil:
		return "this is not a complete JWT: it was cut off, or it is an opaque token that only its issuer can check (RFC 7662), or an encrypted one; jwks inspect shows what can be read"
	case malformed:
		return "something was cut off or added, or the issuer writes tokens that verifiers refuse; jwks inspect shows what can be read"
	case e.failed("algorithm") && strings.HasPrefix(alg, "HS"):
		return alg + " uses a shared secret, not a key pair: anyone who can check such a token can also make one; configure the issuer to sign with RS256 or ES256"
	case e.failed("algorithm") && strings.EqualFold(alg, "none"):
		return "nobody signed this token"
	case e.failed("algorithm") && len(e.v.algs.values) > 0:
		return "the token says " + quote(alg) + ", and -alg does not allow it"
	}
	return ""
}

// hintKey is for a key that is not there, or did not sign this.
func (e *explained) hintKey() string {
	switch {
	case e.failed("issuer"):
		return e.hintNotTrusted()
	case e.failed("keys") && errors.Is(e.step("keys").Err, jwks.ErrKeyNotFound):
		return e.hintNoKey()
	case e.failed("keys"):
		return "the key that the token names is for other algorithms: the header may have been changed, or the issuer's document is wrong"
	case e.failed("signature") && e.otherIssuer():
		return e.otherIssuerHint()
	case e.failed("signature"):
		return "the token was changed or cut off in transit, or was signed with another environment's key that has the same kid"
	case e.failed("claims"):
		return "the issuer wrote claims that verifiers must not accept: only the issuer can fix that"
	}
	return ""
}

func (e *explained) hintNotTrusted() string {
	if e.discovered != nil && publicnet.IsNotFound(e.discovered.err) {
		return "the host that the token names as its issuer does not exist, according to this machine's DNS"
	}
	example := ""
	if isURL(e.iss) {
		example = " (-issuer " + show.Place(e.iss) + ")"
	}
	text := "if you trust it, name the issuer with -issuer" + example + ", or its keys with -jwks or -keys; without these, only a public https address is asked"
	if e.expired() {
		text += "; besides, the token says that it has expired"
	}
	return text
}

func (e *explained) hintNoKey() string {
	switch {
	case e.otherIssuer():
		return e.otherIssuerHint()
	case e.expired():
		return "the token has expired, and its key is no longer published: get a new token"
	}
	text := "the key that signed the token is not published: the token is from another environment, or the key was removed too early"
	if place := e.place(); place != "" && e.header().KeyID != "" {
		text += "; jwks keys " + place + " lists those that are"
	}
	return text
}

// otherIssuer says that the token names another issuer than was asked.
func (e *explained) otherIssuer() bool {
	return e.v.issuer != "" && e.iss != "" && e.iss != e.v.issuer && e.verdict("iss") == jwks.StepFailed
}

func (e *explained) otherIssuerHint() string {
	return fmt.Sprintf("this token is from another issuer, %s; if you trust that, use it with -issuer", quote(e.iss))
}

func (e *explained) hintIssuer() string {
	switch nearest, why := show.Overlooked(e.iss, []string{e.v.issuer}); {
	case !e.failed("iss"):
		return ""
	case e.iss == "":
		return "the token has no iss, so it is not known whose keys should verify it"
	case nearest != "":
		return "the token's issuer and -issuer are almost the same: " + why + ", and every byte counts"
	}
	return e.otherIssuerHint()
}

// hintClaims is for claims other than times.
func (e *explained) hintClaims() string {
	switch {
	case e.failed("aud"):
		wanted := show.OneOf(e.v.audiences.values)
		if theirs := e.audiences(); len(theirs) > 0 {
			return fmt.Sprintf("this token was made for %s; ask the issuer for one with audience %s", show.OneOf(theirs), wanted)
		}
		return "this token names no audience; ask the issuer for one with audience " + wanted
	case e.failed("proof"):
		return "the token is bound to a key (cnf): its sender must prove possession of that key, which the token alone cannot show"
	case e.failed("check"):
		return "make the client request the scope, and check that the user and the client may have it"
	case e.failed("typ"):
		return "this may be an ID token instead of an access token, or the other way round"
	}
	return ""
}

func (e *explained) audiences() []string {
	for _, m := range membersOf(e.report.Claims) {
		if m.name == "aud" {
			return textsOf(m.value)
		}
	}
	return nil
}

// hintTimes is for clocks and expiry.
func (e *explained) hintTimes() string {
	const clocks = 10 * time.Minute
	switch {
	case e.failed("exp") && !e.has("exp"):
		return "the token has no exp: it would be valid forever, and no verifier should accept it"
	case e.failed("exp"):
		if t, ok := e.claimTime("exp"); ok && e.now.Sub(t) < clocks {
			return "get a new token; if it was fresh, compare the clocks here and at the issuer"
		}
		return "get a new token: this one is no longer valid"
	}
	for _, name := range []string{"nbf", "iat"} {
		t, ok := e.claimTime(name)
		switch {
		case !e.failed(name) || !ok:
		case t.Sub(e.now) < clocks:
			return "compare the clocks here and at the issuer: the token is from the future by " + span(t.Sub(e.now))
		default:
			return "the token is from the future: times are seconds since 1970 in UTC, and a clock or a time zone is wrong"
		}
	}
	return ""
}

func (e *explained) has(name string) bool {
	return slices.ContainsFunc(membersOf(e.report.Claims), func(m member) bool { return m.name == name })
}

func (e *explained) expired() bool {
	t, ok := e.claimTime("exp")
	return ok && !e.now.Before(t.Add(e.v.leeway))
}
