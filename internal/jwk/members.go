package jwk

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// keyID reads "kid" (RFC 7517 section 4.5). The string comes back also when it
// is too long to be used.
func (e *entry) keyID() (string, error) {
	kid, err := optionalText("kid", e.kid)
	if err != nil {
		return "", err
	}
	kid = strings.Clone(kid)
	if len(kid) > maxKeyID {
		return kid, fmt.Errorf("kid of %d bytes, want at most %d", len(kid), maxKeyID)
	}
	return kid, nil
}

// defaultUses is what "use" says of keys that sign tokens.
var defaultUses = []string{"sig"}

// readUse reads "use" (RFC 7517 section 4.2).
func (e *entry) readUse(k *Key, uses []string) error {
	use, err := optionalText("use", e.use)
	if err != nil || use == "" {
		return err
	}
	if len(uses) == 0 {
		uses = defaultUses
	}
	i := slices.Index(uses, use)
	if i < 0 {
		return refuse(ErrPurpose, "use %s is not %s", show.Quote(use), either(uses))
	}
	k.Use = uses[i] // not the text, which would hold the document
	return nil
}

// either lists texts for a message: "a", "a" or "b".
func either(texts []string) string {
	var b strings.Builder
	for i, text := range texts {
		if i > 0 {
			b.WriteString(" or ")
		}
		b.WriteString(show.Quote(text))
	}
	return b.String()
}

// Limits of "key_ops": eight operations are registered, with short names, and
// none may stand there twice, so that anything beyond only costs memory.
const (
	maxKeyOps = 32
	maxKeyOp  = 64 // bytes
)

// checkKeyOps refuses a key whose "key_ops" (RFC 7517 section 4.3) are there
// and do not say that it verifies.
func (e *entry) checkKeyOps() error {
	switch e.keyOps.Kind() {
	case strictjson.Absent:
		return nil
	case strictjson.Array:
	default:
		return errors.New("key_ops is not an array")
	}
	n, verifies := 0, false
	for ops := e.keyOps.Elements(); ops.Next(); n++ {
		if n == maxKeyOps {
			return fmt.Errorf("key_ops has more than %d entries", maxKeyOps)
		}
		op, err := ops.Value().Text()
		if err != nil {
			return errors.New("key_ops is not an array of strings")
		}
		if len(op) > maxKeyOp {
			return fmt.Errorf("key_ops has an entry of %d bytes, want at most %d", len(op), maxKeyOp)
		}
		verifies = verifies || op == "verify"
	}
	if n > 0 && !verifies {
		return refuse(ErrPurpose, `key_ops does not contain "verify"`)
	}
	return nil
}

// readIssuer reads "issuer". A key that is bound to something, but to what
// cannot be read, serves nobody.
func (e *entry) readIssuer(k *Key) error {
	issuer, err := optionalText("issuer", e.issuer)
	if err != nil {
		return err
	}
	if len(issuer) > maxIssuer {
		return fmt.Errorf("issuer of %d bytes, want at most %d", len(issuer), maxIssuer)
	}
	k.Issuer = strings.Clone(issuer)
	return nil
}

// What fits a key, by its type and curve (RFC 7518 section 3.1, RFC 9864 section
// 2.2). All keys share these, so nobody may change them.
var (
	fitRSA     = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	fitP256    = []string{"ES256"}
	fitP384    = []string{"ES384"}
	fitP521    = []string{"ES512"}
	fitEd25519 = []string{"EdDSA", "Ed25519"}
)

// readAlg reads "alg" (RFC 7517 section 4.4), which must be one of those that
// fit the key, and sets the algorithms that the key may verify. Without "alg"
// they are all that fit, in that order; an unknown one is never taken for that.
// The key keeps fit or a part of it.
func (e *entry) readAlg(k *Key, kind string, fit []string) error {
	alg, err := optionalText("alg", e.alg)
	if err != nil {
		return err
	}
	if alg == "" {
		k.Algorithms = fit
		return nil
	}
	i := slices.Index(fit, alg)
	if i < 0 {
		return misfit(alg, kind)
	}
	k.Alg = fit[i] // the constant, which holds no document
	k.Algorithms = fit[i : i+1 : i+1]
	return nil
}
