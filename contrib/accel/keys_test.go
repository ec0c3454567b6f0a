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
	"math/big"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed-22400188/jwks"
)

// key is a key pair of the tests.
type key struct {
	public crypto.PublicKey
	shares []rsaShare         // RSA
	d      *big.Int           // P-256
	edKey  ed25519.PrivateKey // Ed25519
}

// rsaShare is the private RSA operation modulo one prime of the modulus.
type rsaShare struct {
	prime, exponent *big.Int
	factor          *big.Int // 1 modulo this prime, 0 modulo the others
}

// rsaSizes are the RSA keys of the tests: usual ones, the least and the greatest
// exponent, and sizes where k, emLen and the number of words part.
var rsaSizes = []struct{ bits, e int }{
	{2048, 65537}, {2048, 3}, {2048, 2147483647},
	{2049, 65537}, {2050, 3}, {2056, 17}, {2057, 65537}, {2111, 65537},
	{2112, 65537}, {2113, 3},
	{3072, 65537}, {3072, 3}, {3072, 2147483647},
	{4095, 257}, {4096, 65537}, {4096, 3}, {4096, 2147483647},
}

// rsaNames are the names of the RSA keys, smallest first.
func rsaNames() (names []string) {
	for _, size := range rsaSizes {
		names = append(names, rsaName(size.bits, size.e))
	}
	return names
}

func rsaName(bits, e int) string {
	if e == 65537 {
		return "rsa-" + strconv.Itoa(bits)
	}
	return "rsa-" + strconv.Itoa(bits) + "-e" + strconv.Itoa(e)
}

// testKeys are always the same.
var testKeys = sync.OnceValue(func() map[string]*key {
	keys := map[string]*key{}
	for _, size := range rsaSizes {
		keys[rsaName(size.bits, size.e)] = rsaKey(size.bits, size.e)
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

// rsaKey makes an RSA key of many small primes. That is no protection, but is
// found and signs in no time, and verifying is the same with any modulus.
func rsaKey(bits, e int) *key {
	random := mathrand.New(mathrand.NewPCG(uint64(bits), uint64(e)))
	exponent, n := big.NewInt(int64(e)), big.NewInt(1)
	k := new(key)
	// The last prime is as long as it takes: between limit and twice that.
	for rest := bits; rest > 0; rest = bits - n.BitLen() {
		prime := new(big.Int).SetUint64(random.Uint64() | 1<<63)
		if rest < 128 {
			limit := new(big.Int).Lsh(one, uint(bits-1))
			limit.Div(limit, n).Add(limit, one)
			prime.Mul(limit, big.NewInt(random.Int64N(255))).Rsh(prime, 8).Add(prime, limit)
		}
		minus := new(big.Int)
		for !prime.ProbablyPrime(0) || new(big.Int).GCD(nil, nil, minus.Sub(prime, one), exponent).Cmp(one) != 0 {
			prime.Add(prime, one)
		}
		n.Mul(n, prime)
		k.shares = append(k.shares, rsaShare{prime: prime, exponent: new(big.Int).ModInverse(exponent, minus)})
	}
	for i, share := range k.shares {
		others := new(big.Int).Div(n, share.prime)
		k.shares[i].factor = others.Mul(others, new(big.Int).ModInverse(others, share.prime))
	}
	k.public = &rsa.PublicKey{N: n, E: e}
	return k
}

// TestKeys_Sizes shows that the RSA keys are what the tests take them for.
func TestKeys_Sizes(t *testing.T) {
	for _, size := range rsaSizes {
		k := testKey(t, rsaName(size.bits, size.e))
		public := k.public.(*rsa.PublicKey)
		if public.N.BitLen() != size.bits || public.E != size.e {
			t.Errorf("%d bits and e = %d, want %+v", public.N.BitLen(), public.E, size)
		}
		s := new(big.Int).SetBytes(k.open([]byte("encoding")))
		if em := s.Exp(s, big.NewInt(int64(size.e)), public.N); string(em.Bytes()) != "encoding" {
			t.Errorf("%+v: a signature has another encoding", size)
		}
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
	x, s := new(big.Int).SetBytes(em), new(big.Int)
	for _, share := range k.shares {
		part := new(big.Int).Exp(new(big.Int).Mod(x, share.prime), share.exponent, share.prime)
		s.Add(s, part.Mul(part, share.factor))
	}
	return s.Mod(s, k.public.(*rsa.PublicKey).N).FillBytes(make([]byte, k.size()))
}

var order = elliptic.P256().Params().N

// signES256 signs with a given nonce.
func (k *key) signES256(digest []byte, nonce *big.Int) []byte {
	r := xOf(nonce)
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
