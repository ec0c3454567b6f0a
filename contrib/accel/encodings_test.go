package accel

import (
	"crypto"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
)

// The encodings of RFC 8017 section 9, with everything in the hands of the test.

// digestInfos are what PKCS #1 v1.5 puts before a hash, by the text of RFC 8017
// section 9.2, note 1.
var digestInfos = map[crypto.Hash][]byte{
	crypto.SHA256: {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
	crypto.SHA384: {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
	crypto.SHA512: {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
}

// pkcs1 is EMSA-PKCS1-v1_5.
func pkcs1(size int, hash crypto.Hash, digest []byte) []byte {
	return pkcs1Of(size, append(append([]byte{}, digestInfos[hash]...), digest...))
}

func pkcs1Of(size int, t []byte) []byte {
	em := make([]byte, size)
	em[1] = 1
	for i := 2; i < size-len(t)-1; i++ {
		em[i] = 0xff
	}
	copy(em[size-len(t):], t)
	return em
}

// pss is EMSA-PSS for a modulus of bits, as long as the modulus.
func pss(bits int, hash crypto.Hash, digest, salt []byte) []byte {
	return pssOf(bits, hash, digest, salt, func(db []byte) {})
}

// pssOf lets the test change DB before it is masked. The padding string ends
// where the salt and the octet before it begin.
func pssOf(bits int, hash crypto.Hash, digest, salt []byte, change func(db []byte)) []byte {
	emLen := (bits - 1 + 7) / 8
	h := hash.New()
	h.Write(make([]byte, 8))
	h.Write(digest)
	h.Write(salt)
	salted := h.Sum(nil)
	db := make([]byte, emLen-len(salted)-1)
	db[len(db)-len(salt)-1] = 1
	copy(db[len(db)-len(salt):], salt)
	change(db)
	for i := 0; i < len(db); i += hash.Size() {
		h.Reset()
		h.Write(salted)
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(i/hash.Size())))
		for j, b := range h.Sum(nil) {
			if i+j < len(db) {
				db[i+j] ^= b
			}
		}
	}
	db[0] &= 0xff >> (8*emLen - (bits - 1))
	em := append(append(db, salted...), 0xbc)
	return append(make([]byte, (bits+7)/8-emLen), em...)
}

// derSignature is an ECDSA signature as crypto/ecdsa wants it.
func derSignature(signature []byte) []byte {
	der, err := asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(signature[:32]),
		new(big.Int).SetBytes(signature[32:]),
	})
	if err != nil {
		panic(err)
	}
	return der
}
