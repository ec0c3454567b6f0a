package jwks

import (
	"context"
)

// KeySource supplies the keys that may have signed a token. [*Client],
// [*Issuers] and [*KeySet] implement it, and users may. An error that matches
// neither [ErrTokenInvalid] nor [ErrUnavailable] counts as the latter, except
// a bare [ErrKeyNotFound], which says that the source answered. A type that
// embeds one of them is a source of its own: what the issuer is must be decided
// at [NewVerifier], and its answer is the last word.
type KeySource interface {
	// SigningKeys returns the candidates for a token with header h whose
	// unverified "iss" is issuer, best first. At most four are tried. issuer is
	// "" where the payload has none or cannot be read; what is wrong with it is
	// reported after the signature. [Issuers] need it and are not asked then.
	SigningKeys(ctx context.Context, h Header, issuer string) ([]*Key, error)
}

// asOurs returns what a source of this package tells besides. A user's type
// that embeds one has its methods too, but answers for itself.
func asOurs[T any](source KeySource) (t T, ok bool) {
	switch source.(type) {
	case *Client, *Issuers, *KeySet:
		t, ok = source.(T)
	}
	return t, ok
}

// What a source of this package tells a verifier besides; see asOurs.
type (
	// issuerBinder knows the issuers of its keys: they are bound to them.
	issuerBinder interface{ bindsIssuer() bool }

	// issuerIgnorer gives the same answer whatever the issuer.
	issuerIgnorer interface{ ignoresIssuer() }

	// rechecker looks again after no candidate verified the signature, or none
	// allowed the algorithm: the issuer may have replaced a key under its kid.
	// It returns the keys that were not tried, none if it has no others. since
	// is when the verification began: a set that was asked for later is not
	// asked for again. The error is that of a caller who gave up waiting.
	rechecker interface {
		recheck(ctx context.Context, h Header, issuer string, tried []*Key, since order) ([]*Key, error)
	}
)
