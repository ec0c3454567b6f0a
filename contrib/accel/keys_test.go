package accel

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed-22400188/jwks"
)

// The keys of the tests are made for them and protect nothing. Only the RSA
// keys are in a file, because they take long to find: see TestRSAKeys_File.
//
//go:embed testdata/rsa.json
var rsaFile []byte

// rsaPrimes is an entry of that file. The numbers are hexadecimal.
type rsaPrimes struct {
	Bits, E int
	P, Q    string
}

// key is a key pair of the tests.
type key struct {
	public crypto.PublicKey
	p, q   *big.Int // RSA
	d      *big.Int // RSA, P-256
	edKey  ed25519.PrivateKey
}

var testKeys = sync.OnceValue(func() map[string]*key {
	keys := map[string]*key{}
	var entries []rsaPrimes
	if err := json.Unmarshal(rsaFile, &entries); err != nil {
		panic(err)
	}
	for _, entry := range entries {
		p, _ := new(big.Int).SetString(entry.P, 16)
		q, _ := new(big.Int).SetString(entry.Q, 16)
		name := "rsa-" + strconv.Itoa(entry.Bits)
		if entry.E != 65537 {
			name += "-e" + strconv.Itoa(entry.E)
		}
		keys[name] = rsaKey(p, q, entry.E)
	}
	keys["p256"] = p256Key(new(big.Int).SetBytes([]byte("a P-256 key of the tests, no more")[:32]))
	private := ed25519.NewKeyFromSeed([]byte("an Ed25519 key of the tests only")[:32])
	keys["ed25519"] = &key{public: private.Public(), edKey: private}
	return keys
})

func testKey(tb testing.TB, name string) *key {
	tb.Helper()
	k := testKeys()[name]
	if k == nil {
		tb.Fatalf("there is no key %q", name)
	}
	return k
}

// rsaNames are the names of the RSA keys, smallest first.
var rsaNames = sync.OnceValue(func() (names []string) {
	for _, size := range rsaSizes {
		name := "rsa-" + strconv.Itoa(size.bits)
		if size.e != 65537 {
			name += "-e" + strconv.Itoa(size.e)
		}
		names = append(names, name)
	}
	return names
})

func rsaKey(p, q *big.Int, e int) *key {
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	return &key{
		public: &rsa.PublicKey{N: new(big.Int).Mul(p, q), E: e},
		p:      p,
		q:      q,
		d:      new(big.Int).ModInverse(big.NewInt(int64(e)), phi),
	}
}

// p256Key is the P-256 key with the private scalar d.
func p256Key(d *big.Int) *key {
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, 32)))
	if err != nil {
		panic(err)
	}
	return &key{public: &private.PublicKey, d: d}
}

// prepared prepares a key that must not be declined.
func prepared(tb testing.TB, public crypto.PublicKey) jwks.PreparedKey {
	tb.Helper()
	k := New().Prepare(public)
	if k == nil {
		tb.Skip("accel declines all keys here: see New")
	}
	return k
}

// hashOf is the hash function of an algorithm and what it makes of signed.
func hashOf(alg, signed string) (crypto.Hash, []byte) {
	switch {
	case strings.HasSuffix(alg, "256"):
		digest := sha256.Sum256([]byte(signed))
		return crypto.SHA256, digest[:]
	case strings.HasSuffix(alg, "384"):
		digest := sha512.Sum384([]byte(signed))
		return crypto.SHA384, digest[:]
	}
	digest := sha512.Sum512([]byte(signed))
	return crypto.SHA512, digest[:]
}

// sign makes a good signature.
func (k *key) sign(tb testing.TB, alg, signed string) []byte {
	tb.Helper()
	hash, digest := hashOf(alg, signed)
	switch alg[0] {
	case 'R':
		return k.open(pkcs1(k.size(), hash, digest))
	case 'P':
		return k.open(pss(k.public.(*rsa.PublicKey).N.BitLen(), hash, digest, make([]byte, hash.Size())))
	case 'E':
		if alg == "ES256" {
			nonce, err := rand.Int(rand.Reader, new(big.Int).Sub(order, big.NewInt(1)))
			if err != nil {
				tb.Fatal(err)
			}
			return k.signES256(digest, nonce.Add(nonce, big.NewInt(1)))
		}
		return ed25519.Sign(k.edKey, []byte(signed))
	}
	tb.Fatalf("no algorithm %q", alg)
	return nil
}

// size is the length of an RSA key's signatures.
func (k *key) size() int { return k.public.(*rsa.PublicKey).Size() }

// open is the private RSA operation: the signature whose encoding is em.
func (k *key) open(em []byte) []byte {
	power := func(p *big.Int) *big.Int {
		e := new(big.Int).Mod(k.d, new(big.Int).Sub(p, big.NewInt(1)))
		return new(big.Int).Exp(new(big.Int).SetBytes(em), e, p)
	}
	// Garner's: s is sq modulo q, and sp modulo p.
	sp, sq := power(k.p), power(k.q)
	h := new(big.Int).Sub(sp, sq)
	h.Mul(h, new(big.Int).ModInverse(k.q, k.p)).Mod(h, k.p)
	return h.Mul(h, k.q).Add(h, sq).FillBytes(make([]byte, k.size()))
}

var order = elliptic.P256().Params().N

// signES256 signs with a given nonce.
func (k *key) signES256(digest []byte, nonce *big.Int) []byte {
	x, _ := elliptic.P256().ScalarBaseMult(nonce.Bytes())
	r := x.Mod(x, order)
	s := new(big.Int).Mul(r, k.d)
	s.Add(s, new(big.Int).SetBytes(digest)).Mul(s, new(big.Int).ModInverse(nonce, order)).Mod(s, order)
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// bare is the standard library's verdict, without the hash where it is given one.
func (k *key) bare(alg, signed string, signature []byte) func() bool {
	return bare(k.public, alg, signed, signature)
}

func bare(public crypto.PublicKey, alg, signed string, signature []byte) func() bool {
	hash, digest := hashOf(alg, signed)
	switch public := public.(type) {
	case *rsa.PublicKey:
		if alg[0] == 'R' {
			return func() bool { return rsa.VerifyPKCS1v15(public, hash, digest, signature) == nil }
		}
		salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return func() bool { return rsa.VerifyPSS(public, hash, digest, signature, salt) == nil }
	case *ecdsa.PublicKey:
		if len(signature) != 64 {
			return func() bool { return false }
		}
		der := derSignature(signature)
		return func() bool { return ecdsa.VerifyASN1(public, digest, der) }
	case ed25519.PublicKey:
		message := []byte(signed)
		return func() bool { return ed25519.Verify(public, message, signature) }
	}
	panic("no such key")
}
