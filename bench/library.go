package main

import (
	"context"
	"crypto"
	"net/http"
)

// setting is what a verifier is made for: one issuer, one algorithm.
type setting struct {
	issuer, jwksURL, audience, alg string
	client                         *http.Client
}

// verifier is one library, set up as its documentation says for a service that
// accepts the tokens of one issuer: the signature, the algorithm, iss, aud, exp
// (which must be there) and nbf are checked.
type verifier interface {
	verify(ctx context.Context, token string) (subject string, err error)
	close()
}

// finder is a verifier that also hands out its keys.
type finder interface {
	key(ctx context.Context, kid string) (crypto.PublicKey, error)
}

// library is a contestant.
type library struct {
	name   string
	module string // whose version the results name
	open   func(setting) (verifier, error)
	// parse reads a key set as the library does when it refreshes, and says
	// how many keys there are. nil where another one's does it.
	parse func(document []byte) (int, error)
}

const (
	ours        = "jwks"
	accelerated = ours + " + accel" // with contrib/accel
)

// libraries lists the contestants, ours first.
func libraries() []library {
	return []library{jwksLibrary(), acceleratedLibrary(), keyfuncLibrary(), goOIDCLibrary(), auth0Library(), jwxLibrary()}
}
