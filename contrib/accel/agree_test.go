package accel

import (
	"bytes"
	"crypto"
	"slices"
	"testing"

	"github.com/seed-22400188/jwks"
)

// pair is a key as this package has it and as the standard library has it.
type pair struct {
	public   crypto.PublicKey
	prepared jwks.PreparedKey
}

func pairOf(tb testing.TB, public crypto.PublicKey) pair {
	tb.Helper()
	return pair{public, prepared(tb, public)}
}

// agree reports the verdict of the standard library. It fails the test where a
// prepared key says something else, or writes to the signature.
func (p pair) agree(t *testing.T, alg, signed string, signature []byte) bool {
	t.Helper()
	given := bytes.Clone(signature)
	want := bare(p.public, alg, signed, signature)()
	if got := p.prepared.Verify(alg, signed, given); got != want {
		t.Errorf("%s: %v, the standard library says %v\nkey %+v\nsigned %q\nsignature %x", alg, got, want, p.public, signed, signature)
	}
	if !bytes.Equal(given, signature) {
		t.Errorf("%s: the signature was written to", alg)
	}
	return want
}

// accepts and refuses also say what the verdict must be, so that a test whose
// signatures are not what it thinks they are fails.
func (p pair) accepts(t *testing.T, alg, signed string, signature []byte) {
	t.Helper()
	if !p.agree(t, alg, signed, signature) {
		t.Errorf("%s: a good signature is refused: %x", alg, signature)
	}
}

func (p pair) refuses(t *testing.T, alg, signed string, signature []byte) {
	t.Helper()
	if p.agree(t, alg, signed, signature) {
		t.Errorf("%s: a bad signature is accepted: %x", alg, signature)
	}
}

// refusesVariants takes a good signature and tries each length up to one more
// than its own, a zero put in everywhere, and each octet changed.
func (p pair) refusesVariants(t *testing.T, alg, signed string, good []byte) {
	t.Helper()
	p.accepts(t, alg, signed, good)
	for n := range good {
		p.refuses(t, alg, signed, good[:n])
		p.refuses(t, alg, signed, good[len(good)-n:])
	}
	p.refuses(t, alg, signed, append(bytes.Clone(good), 0))
	p.refuses(t, alg, signed, nil)
	for i := range good {
		p.refuses(t, alg, signed, slices.Insert(bytes.Clone(good), i, 0))
		for _, bit := range []byte{0x01, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= bit
			p.refuses(t, alg, signed, bad)
		}
	}
	p.refuses(t, alg, signed+"x", good)
	p.refuses(t, alg, "", good)
}

// xor returns data with mask laid over it, from offset on, as far as it goes.
func xor(data, mask []byte, offset int) []byte {
	data = slices.Clone(data)
	for i, b := range mask {
		if len(data) > 0 {
			data[(offset+i)%len(data)] ^= b
		}
	}
	return data
}
