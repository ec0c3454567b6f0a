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
	if e.kid.Kind() == strictjson.Absent {
		return "", nil
	}
	kid, err := text("kid", e.kid)
	if err != nil {
		return "", err
	}
	kid = strings.Clone(kid)
	if len(kid) > maxKeyID {
		return kid, fmt.Errorf("kid of %d bytes, want at most %d", len(kid), maxKeyID)
	}
	return kid, nil
}

// readUse reads "use" (RFC 7517 section 4.2). Present means binding: an empty
// one is not "sig".
func (e *entry) readUse(k *Key) error {
	if e.use.Kind() == strictjson.Absent {
		return nil
	}
	use, err := text("use", e.use)
	if err != nil {
		return err
	}
	if use != "sig" {
		return fmt.Errorf(`use %s is not "sig"`, show.Quote(use))
	}
	k.Use = "sig"
	return nil
}

// maxKeyOps bounds "key_ops": eight operations are registered, and none may
// stand there twice, so that a longer list only costs memory.
const maxKeyOps = 32

// readKeyOps reads "key_ops" (RFC 7517 section 4.3). An empty list allows
// nothing.
func (e *entry) readKeyOps(k *Key) error {
	switch e.keyOps.Kind() {
	case strictjson.Absent:
		return nil
	case strictjson.Array:
	default:
		return errors.New("key_ops is not an array")
	}
	for ops := e.keyOps.Elements(); ops.Next(); {
		if len(k.KeyOps) == maxKeyOps {
			return fmt.Errorf("key_ops has more than %d entries", maxKeyOps)
		}
		op, err := ops.Value().Text()
		if err != nil {
			return errors.New("key_ops is not an array of strings")
		}
		if op == "verify" {
			op = "verify" // the constant, which holds no document
		} else {
			op = strings.Clone(op)
		}
		k.KeyOps = append(k.KeyOps, op)
	}
	if !slices.Contains(k.KeyOps, "verify") {
		return errors.New(`key_ops does not contain "verify"`)
	}
	return nil
}

// readIssuer reads "issuer". A key that is bound to something, but to what
// cannot be read, serves nobody; an empty one must not pass for unbound.
func (e *entry) readIssuer(k *Key) error {
	if e.issuer.Kind() == strictjson.Absent {
		return nil
	}
	issuer, err := text("issuer", e.issuer)
	if err != nil {
		return err
	}
	if issuer == "" {
		return errors.New("issuer is empty")
	}
	k.Issuer = strings.Clone(issuer)
	return nil
}

// readAlg reads "alg" (RFC 7517 section 4.4), which must be one of those that
// fit the key, and sets the algorithms that the key may verify. Without "alg"
// they are all that fit, in that order; an unknown one is never taken for that.
// The caller gives fit away.
func (e *entry) readAlg(k *Key, kind string, fit ...string) error {
	if e.alg.Kind() == strictjson.Absent {
		k.Algorithms = fit
		return nil
	}
	alg, err := text("alg", e.alg)
	if err != nil {
		return err
	}
	i := slices.Index(fit, alg)
	if i < 0 {
		return fmt.Errorf("alg %s does not fit %s", show.Quote(alg), kind)
	}
	k.Alg = fit[i] // the constant, which holds no document
	k.Algorithms = fit[i : i+1 : i+1]
	return nil
}
