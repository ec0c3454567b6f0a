package accel

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"math/big"
	"math/bits"
	"sync"

	"filippo.io/bigmod"
)

// The RSA keys that are taken. Package jwks allows the same exponents, up to
// these sizes.
const (
	minModulusBits = 2048
	maxModulusBits = 4096
	maxExponent    = 1<<31 - 1
)

// preparedRSA is an RSA public key (RFC 8017 section 3.1).
type preparedRSA struct {
	bits     int // of the modulus
	size     int // of the modulus in octets, k in RFC 8017
	exponent uint
	modulus  modulus
}

// modulus is a number n that powers are taken by.
type modulus interface {
	// power writes s^e mod n to em, which has n's size, unless s >= n. e is
	// at least 2.
	power(w *rsaWorkspace, em, s []byte, e uint) (ok bool)
}

func prepareRSA(key *rsa.PublicKey) (*preparedRSA, bool) {
	if key == nil || key.N == nil || key.N.Sign() <= 0 || key.N.Bit(0) == 0 {
		return nil, false
	}
	size := key.N.BitLen()
	if size < minModulusBits || size > maxModulusBits || key.E < 3 || key.E > maxExponent || key.E&1 == 0 {
		return nil, false
	}
	k := &preparedRSA{bits: size, size: (size + 7) / 8, exponent: uint(key.E)}
	// bigmod has the size of most keys in unrolled assembly. For others, math/big
	// is more than twice as fast.
	if size == 2048 {
		n, err := bigmod.NewModulus(key.N.Bytes())
		if err != nil {
			return nil, false
		}
		k.modulus = montgomery{n}
	} else {
		k.modulus = newBarrett(key.N)
	}
	return k, true
}

// rsaWorkspace is what one verification needs.
type rsaWorkspace struct {
	em, want                     [maxModulusBits / 8]byte
	hash                         [sha512.Size]byte
	counter                      [4]byte
	s, x, wide, top, q, multiple big.Int
}

var rsaWorkspaces = sync.Pool{New: func() any { return new(rsaWorkspace) }}

// rsaScheme is a signature scheme of RFC 8017 section 8.
type rsaScheme struct {
	hashers *hashers
	// digestInfo is what PKCS #1 v1.5 puts before the hash (RFC 8017 section
	// 9.2, note 1). It is empty for PSS.
	digestInfo string
}

// rsaSchemes are those of RFC 7518 sections 3.3 and 3.5.
var rsaSchemes = map[string]rsaScheme{
	"RS256": {sha256Hashers, "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"},
	"RS384": {sha384Hashers, "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"},
	"RS512": {sha512Hashers, "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"},
	"PS256": {sha256Hashers, ""},
	"PS384": {sha384Hashers, ""},
	"PS512": {sha512Hashers, ""},
}

// Verify implements [jwks.PreparedKey].
func (k *preparedRSA) Verify(alg, signed string, signature []byte) bool {
	scheme, ok := rsaSchemes[alg]
	if !ok || len(signature) != k.size {
		return false
	}
	w := rsaWorkspaces.Get().(*rsaWorkspace)
	defer rsaWorkspaces.Put(w)
	em := w.em[:k.size]
	if !k.modulus.power(w, em, signature, k.exponent) {
		return false
	}
	h := scheme.hashers.get()
	defer scheme.hashers.put(h)
	h.writeString(signed)
	if scheme.digestInfo != "" {
		return w.isPKCS1(em, scheme.digestInfo, h.digest())
	}
	return w.isPSS(em, k.bits-1, h)
}

// isPKCS1 compares em with the only encoding of hash (RFC 8017 section 8.2.2,
// EMSA-PKCS1-v1_5 of section 9.2). Nothing is parsed.
func (w *rsaWorkspace) isPKCS1(em []byte, digestInfo string, hash []byte) bool {
	want := w.want[:len(em)]
	separator := len(want) - len(hash) - len(digestInfo) - 1
	want[0], want[1] = 0, 1
	for i := 2; i < separator; i++ {
		want[i] = 0xff
	}
	want[separator] = 0
	copy(want[separator+1:], digestInfo)
	copy(want[separator+1+len(digestInfo):], hash)
	return bytes.Equal(em, want)
}

// isPSS is EMSA-PSS-VERIFY of RFC 8017 section 9.1.2 with MGF1 (appendix B.2.1)
// and a salt as long as the hash (RFC 7518 section 3.5), for what was written to
// h. It works in em.
func (w *rsaWorkspace) isPSS(em []byte, emBits int, h *hasher) bool {
	mHash := w.hash[:h.Size()]
	copy(mHash, h.digest())
	emLen := (emBits + 7) / 8
	if len(em) > emLen { // by one, where emBits is a multiple of 8
		if em[0] != 0 {
			return false
		}
		em = em[1:]
	}
	if em[emLen-1] != 0xbc {
		return false
	}
	db, salted := em[:emLen-h.Size()-1], em[emLen-h.Size()-1:emLen-1]
	mask := byte(0xff) >> (8*emLen - emBits)
	if db[0]&^mask != 0 {
		return false
	}
	for counter, rest := uint32(0), db; len(rest) > 0; counter++ {
		binary.BigEndian.PutUint32(w.counter[:], counter)
		h.Reset()
		h.Write(salted)
		h.Write(w.counter[:])
		rest = rest[subtle.XORBytes(rest, rest, h.digest()):]
	}
	db[0] &= mask
	padding, salt := db[:len(db)-h.Size()], db[len(db)-h.Size():]
	for _, b := range padding[:len(padding)-1] {
		if b != 0 {
			return false
		}
	}
	if padding[len(padding)-1] != 1 {
		return false
	}
	h.Reset()
	h.writeString("\x00\x00\x00\x00\x00\x00\x00\x00")
	h.Write(mHash)
	h.Write(salt)
	return bytes.Equal(h.digest(), salted)
}

// montgomery is a modulus with the constants of Montgomery's multiplication
// (P. L. Montgomery: Modular Multiplication Without Trial Division, 1985), which
// crypto/rsa computes for each signature.
type montgomery struct{ n *bigmod.Modulus }

func (m montgomery) power(_ *rsaWorkspace, em, s []byte, e uint) bool {
	x, err := bigmod.NewNat().SetBytes(s, m.n)
	if err != nil {
		return false
	}
	copy(em, bigmod.NewNat().ExpShortVarTime(x, e, m.n).Bytes(m.n))
	return true
}

// barrett is a modulus with a quotient that replaces the division (P. Barrett,
// CRYPTO '86; Handbook of Applied Cryptography, algorithm 14.42).
type barrett struct {
	n  *big.Int
	mu *big.Int // b^(2k) / n, b being 2 to the size of a word
	k  int      // the number of n's words
}

func newBarrett(n *big.Int) *barrett {
	k := len(n.Bits())
	square := new(big.Int).Lsh(big.NewInt(1), uint(2*k*bits.UintSize))
	mu := square.Quo(square, n)
	return &barrett{new(big.Int).Set(n), new(big.Int).Set(mu), k} // copies: mu has room to spare
}

// power squares and multiplies from the left (Handbook of Applied Cryptography,
// algorithm 14.79).
func (m *barrett) power(w *rsaWorkspace, em, s []byte, e uint) bool {
	w.s.SetBytes(s)
	if w.s.Cmp(m.n) >= 0 {
		return false
	}
	w.x.Set(&w.s)
	for bit := bits.Len(e) - 2; bit >= 0; bit-- {
		w.wide.Mul(&w.x, &w.x)
		m.reduce(w)
		if e>>bit&1 == 1 {
			w.wide.Mul(&w.x, &w.s)
			m.reduce(w)
		}
	}
	w.x.FillBytes(em)
	return true
}

// reduce sets w.x to w.wide mod n, where w.wide is less than b^(2k).
func (m *barrett) reduce(w *rsaWorkspace) {
	w.q.Mul(shifted(&w.top, &w.wide, m.k-1), m.mu)
	w.multiple.Mul(shifted(&w.top, &w.q, m.k+1), m.n)
	w.x.Sub(&w.wide, &w.multiple)
	for w.x.Cmp(m.n) >= 0 { // at most twice
		w.x.Sub(&w.x, m.n)
	}
}

// shifted sets z to x without its low words. They share memory.
func shifted(z, x *big.Int, words int) *big.Int {
	all := x.Bits()
	return z.SetBits(all[min(words, len(all)):])
}
