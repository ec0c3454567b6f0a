package accel

import (
	"crypto/rsa"
	"math/big"
	"testing"
)

// fuzzedRSA is a prepared key of the file and its private half. A fuzz target
// prepares each once.
func fuzzedRSA(tb testing.TB) func(i uint8) (*key, pair) {
	names := rsaNames()
	keys, pairs := make([]*key, len(names)), make([]pair, len(names))
	for i, name := range names {
		keys[i] = testKey(tb, name)
		pairs[i] = pairOf(tb, keys[i].public)
	}
	return func(i uint8) (*key, pair) { return keys[int(i)%len(keys)], pairs[int(i)%len(keys)] }
}

// bend signs em with a mask over it, where that is less than n still, and
// compares the verdicts on the signature and on that with a mask of its own.
func bend(t *testing.T, key *key, p pair, alg, signed string, em, mask []byte, offset uint16) {
	em = xor(em, mask, int(offset))
	if new(big.Int).SetBytes(em).Cmp(key.public.(*rsa.PublicKey).N) < 0 {
		p.agree(t, alg, signed, key.open(em))
	}
	p.agree(t, alg, signed, em)
	p.agree(t, alg, signed, mask)
}

// FuzzPKCS1 signs encodings that are bent, or whose part behind the padding is
// what comes, and lays a mask over good signatures.
func FuzzPKCS1(f *testing.F) {
	for i := range uint8(3) {
		f.Add(i, i, signedText, []byte{}, uint16(0), []byte{})
		f.Add(i, uint8(1), signedText, []byte{0, 0xff}, uint16(1), []byte("0!0"))
	}
	get := fuzzedRSA(f)
	f.Fuzz(func(t *testing.T, which, scheme uint8, signed string, mask []byte, offset uint16, info []byte) {
		key, p := get(which)
		alg := []string{"RS256", "RS384", "RS512"}[scheme%3]
		hash, digest := hashOf(alg, signed)
		good := pkcs1(key.size(), hash, digest)
		p.accepts(t, alg, signed, key.open(good))
		bend(t, key, p, alg, signed, good, mask, offset)
		if len(info) > 0 && len(info)+len(digest) < key.size()-3 {
			p.agree(t, alg, signed, key.open(pkcs1Of(key.size(), append(info, digest...))))
		}
	})
}

// FuzzPSS has salts of any length, a DB that is bent before it is masked, and
// encodings that are bent after it.
func FuzzPSS(f *testing.F) {
	for i := range uint8(3) {
		f.Add(i, i, signedText, []byte{}, uint16(0), make([]byte, 32), []byte{})
		f.Add(i+3, uint8(1), signedText, []byte{0, 0xff}, uint16(1), make([]byte, 48), []byte{1})
	}
	get := fuzzedRSA(f)
	f.Fuzz(func(t *testing.T, which, scheme uint8, signed string, mask []byte, offset uint16, salt, change []byte) {
		key, p := get(which)
		alg := []string{"PS256", "PS384", "PS512"}[scheme%3]
		hash, digest := hashOf(alg, signed)
		bits := key.public.(*rsa.PublicKey).N.BitLen()
		most := (bits-1+7)/8 - hash.Size() - 2
		salt = salt[:min(len(salt), most)]
		good := pss(bits, hash, digest, salt)
		if p.agree(t, alg, signed, key.open(good)) != (len(salt) == hash.Size()) {
			t.Errorf("%s: a salt of %d octets", alg, len(salt))
		}
		bend(t, key, p, alg, signed, good, mask, offset)
		bent := pssOf(bits, hash, digest, salt, func(db []byte) { copy(db, xor(db, change, int(offset))) })
		if new(big.Int).SetBytes(bent).Cmp(key.public.(*rsa.PublicKey).N) < 0 {
			p.agree(t, alg, signed, key.open(bent))
		}
	})
}
