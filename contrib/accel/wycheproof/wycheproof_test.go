package wycheproof

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math/big"
	"testing"

	"github.com/c2sp/wycheproof"

	"github.com/seed-22400188/jwks/contrib/accel"
)

// octets are written in hexadecimal.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

// group is a key with its cases. Not all files have all members.
type group struct {
	Type         string `json:"type"`
	PublicKeyDER octets `json:"publicKeyDer"` // SubjectPublicKeyInfo
	PublicKeyASN octets `json:"publicKeyAsn"` // RSAPublicKey
	SHA          string `json:"sha"`
	MGFSHA       string `json:"mgfSha"`
	SaltLength   int    `json:"sLen"`
	Tests        []struct {
		ID      int    `json:"tcId"`
		Comment string `json:"comment"`
		Message octets `json:"msg"`
		Sig     octets `json:"sig"`
		Result  string `json:"result"`
	} `json:"tests"`
}

func (g *group) publicKey(t *testing.T) crypto.PublicKey {
	t.Helper()
	// The keys of PSS with parameters have an OID that crypto/x509 does not
	// read, but are RSA keys all the same.
	var key crypto.PublicKey
	var err error
	if g.PublicKeyASN != nil {
		key, err = x509.ParsePKCS1PublicKey(g.PublicKeyASN)
	} else {
		key, err = x509.ParsePKIXPublicKey(g.PublicKeyDER)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

var hashes = map[string]crypto.Hash{"SHA-256": crypto.SHA256, "SHA-384": crypto.SHA384, "SHA-512": crypto.SHA512}

// scheme is the JWS algorithm of a group (RFC 7518 section 3.1, RFC 8037 section
// 3.1), "" for what no algorithm does. With other, the parameters are not the
// algorithm's (RFC 7518 section 3.5 for PSS), so that valid signatures must not
// pass. One with an invalid salt has the algorithm's by chance.
func (g *group) scheme() (alg string, other bool) {
	hash := hashes[g.SHA]
	bits := g.SHA[max(0, len(g.SHA)-3):]
	switch {
	case g.Type == "EddsaVerify":
		return "EdDSA", false
	case hash == 0:
		return "", false
	case g.Type == "RsassaPkcs1Verify":
		return "RS" + bits, false
	case g.Type == "EcdsaP1363Verify":
		return "ES" + bits, false
	case g.Type == "RsassaPssVerify" || g.Type == "RsassaPssWithParametersVerify":
		return "PS" + bits, g.MGFSHA != g.SHA || g.SaltLength != hash.Size()
	}
	return "", false
}

// standard is the standard library's verdict.
func standard(key crypto.PublicKey, alg string, hash crypto.Hash, message, signature []byte) bool {
	var digest []byte
	if hash != 0 {
		h := hash.New()
		h.Write(message)
		digest = h.Sum(nil)
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if alg[0] == 'R' {
			return rsa.VerifyPKCS1v15(key, hash, digest, signature) == nil
		}
		return rsa.VerifyPSS(key, hash, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case *ecdsa.PublicKey:
		return len(signature) == 64 &&
			ecdsa.Verify(key, digest, new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, signature)
	}
	return false
}

// counts are the cases of a set of files.
type counts struct {
	judged   int // by a prepared key
	declined int // keys of other sizes
	unused   int // no JWS algorithm has these parameters
}

func TestVectors(t *testing.T) {
	for _, test := range []struct {
		pattern string
		want    counts
	}{
		{"rsa_signature_*_test.json", counts{judged: 2330, declined: 776, unused: 3096}},
		{"rsa_pss_*_test.json", counts{judged: 2206, unused: 1291}},
		{"ecdsa_secp256r1_sha256_p1363_test.json", counts{judged: 262}},
		{"ed25519_test.json", counts{judged: 151}},
	} {
		t.Run(test.pattern, func(t *testing.T) {
			files, err := fs.Glob(wycheproof.TestVectors, test.pattern)
			if err != nil || len(files) == 0 {
				t.Fatalf("no files: %v", err)
			}
			var got counts
			for _, file := range files {
				judge(t, file, &got)
			}
			t.Logf("%+v", got)
			if got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func judge(t *testing.T, file string, count *counts) {
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Groups []group `json:"testGroups"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, g := range vectors.Groups {
		alg, other := g.scheme()
		if alg == "" {
			count.unused += len(g.Tests)
			continue
		}
		key := g.publicKey(t)
		prepared := accel.New().Prepare(key)
		if prepared == nil {
			if k, ok := key.(*rsa.PublicKey); !ok || k.N.BitLen() >= 2048 && k.N.BitLen() <= 4096 {
				t.Errorf("%s: declined", file)
			}
			count.declined += len(g.Tests)
			continue
		}
		for _, c := range g.Tests {
			count.judged++
			got := prepared.Verify(alg, string(c.Message), c.Sig)
			// "acceptable" is a DigestInfo without NULL, which RFC 8017
			// appendix A.2.4 lets a verifier accept, and crypto/rsa does not.
			if want := c.Result == "valid" && !other; got != want && !(other && c.Result == "invalid") {
				t.Errorf("%s, case %d (%s, %s): %v", file, c.ID, c.Comment, c.Result, got)
			}
			if want := standard(key, alg, hashes[g.SHA], c.Message, c.Sig); got != want {
				t.Errorf("%s, case %d (%s): %v, the standard library says %v", file, c.ID, c.Comment, got, want)
			}
		}
	}
}
