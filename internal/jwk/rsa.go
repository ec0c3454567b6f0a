package jwk

import (
	"crypto/rsa"
	"fmt"
	"math/big"
	"math/bits"
)

// The sizes of an RSA modulus, in bits. RFC 7518 section 3.3 demands the least;
// the most is what crypto/tls takes as well, as the work of a verification
// grows with the square.
const (
	minModulus = 2048
	maxModulus = 8192
)

// The public exponents. crypto/rsa verifies with none beyond the largest. Each
// bit costs a multiplication, and nobody needs more than the usual one, so that
// it may be exceeded only where a multiplication is cheap.
const (
	maxExponent    = 1<<31 - 1
	usualExponent  = 65537
	cheapForLargeE = 4096 // bits of the modulus
)

// rsaKey keeps a key and its modulus in one allocation.
type rsaKey struct {
	key     rsa.PublicKey
	modulus big.Int
}

// readRSA reads an RSA key (RFC 7518 section 6.3.1).
func (e *entry) readRSA(k *Key) error {
	k.Type = "RSA"
	if err := e.readAlg(k, "RSA", fitRSA); err != nil {
		return err
	}
	ns, err := text("n", e.n)
	if err != nil {
		return err
	}
	es, err := text("e", e.e)
	if err != nil {
		return err
	}
	var pub rsaKey
	if pub.key.E, err = exponent(es); err != nil {
		return err
	}
	// Two octets more than the largest modulus: see modulus.
	var buf [maxModulus/8 + 2]byte
	n, err := modulus(buf[:], ns)
	if err != nil {
		return err
	}
	pub.modulus.SetBits(words(n)) // SetBytes makes room for four words more
	if size := pub.modulus.BitLen(); pub.key.E > usualExponent && size > cheapForLargeE {
		return fmt.Errorf("RSA exponent above %d with a modulus of %d bits, want at most %d bits there", usualExponent, size, cheapForLargeE)
	}
	pub.key.N = &pub.modulus
	k.Public = &pub.key
	return nil
}

// words are the words of a big-endian number, the least significant first.
func words(n []byte) []big.Word {
	const size = bits.UintSize / 8
	all := make([]big.Word, (len(n)+size-1)/size)
	for i, octet := range n {
		place := len(n) - 1 - i
		all[place/size] |= big.Word(octet) << (place % size * 8)
	}
	return all
}

// modulus decodes and checks "n". The result is a part of buf.
func modulus(buf []byte, s string) ([]byte, error) {
	// RFC 7518 section 6.3.1.1 knows that leading zero octets occur and forbids
	// them. Java's BigInteger puts one before every modulus of full size, and
	// Battle.net and PayPal publish that.
	s = trimZeros(unpad(s))
	if octets(s) > len(buf) {
		return nil, fmt.Errorf("RSA modulus of more than %d bits, want %d to %d", maxModulus, minModulus, maxModulus)
	}
	size, err := decode(buf, s)
	if err != nil {
		return nil, fmt.Errorf("n is %w", err)
	}
	n := significant(buf[:size])
	length := 0
	if len(n) > 0 {
		length = 8*(len(n)-1) + bits.Len8(n[0])
	}
	if length < minModulus || length > maxModulus {
		class := error(nil)
		if length < minModulus {
			class = ErrWeak
		}
		return nil, refuse(class, "RSA modulus of %d bits, want %d to %d", length, minModulus, maxModulus)
	}
	if n[len(n)-1]&1 == 0 {
		return nil, refuse(ErrWeak, "RSA modulus is even")
	}
	if hasROCAFingerprint(n) {
		return nil, refuse(ErrWeak, "RSA modulus has the ROCA fingerprint (CVE-2017-15361)")
	}
	return n, nil
}

// exponent decodes and checks "e". With 1 everybody can sign, an even one is
// not RSA, and crypto/rsa refuses a larger one when it verifies.
func exponent(s string) (int, error) {
	s = trimZeros(unpad(s))
	var buf [8]byte
	if octets(s) > len(buf) {
		return 0, fmt.Errorf("RSA exponent is not odd and between 3 and %d", maxExponent)
	}
	size, err := decode(buf[:], s)
	if err != nil {
		return 0, fmt.Errorf("e is %w", err)
	}
	var e uint64
	for _, b := range buf[:size] {
		e = e<<8 | uint64(b)
	}
	if e < 3 || e > maxExponent || e&1 == 0 {
		return 0, refuse(ErrWeak, "RSA exponent is not odd and between 3 and %d", maxExponent)
	}
	return int(e), nil
}
