package invariants

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

// jwkWithChanges writes a key as an issuer would, unless changes say otherwise; a nil
// one leaves a member out.
func jwkWithChanges(tb testing.TB, public crypto.PublicKey, changes map[string]any) string {
	tb.Helper()
	text, err := jose.JSONWebKey{Key: public, KeyID: "k1"}.MarshalJSON()
	if err != nil {
		tb.Fatal(err)
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		tb.Fatal(err)
	}
	for name, value := range changes {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
	text, err = json.Marshal(members)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func TestInvariant07_TheKeyDecides(t *testing.T) {
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		rs, ps, es, ed := testkit.NewSigner(t, "RS256", "k1"), testkit.NewSigner(t, "PS256", "k1"), testkit.NewSigner(t, "ES256", "k1"), testkit.NewSigner(t, "EdDSA", "k1")
		other := testkit.NewSigner(t, "ES256", "other") // so that the set always has a key
		for _, test := range []struct {
			rule    string
			signer  *testkit.Signer
			changes map[string]any
			alg     string // of the header, "" the signer's
			want    error  // nil: it verifies
		}{
			{"nothing said", rs, nil, "", nil},
			{"nothing said, PS256", ps, nil, "", nil},
			{"all said", rs, map[string]any{"alg": "RS256", "use": "sig", "key_ops": []string{"verify"}}, "", nil},
			{"another alg of the type", rs, map[string]any{"alg": "RS512"}, "", jwks.ErrAlgorithmNotAllowed},
			{"another padding", ps, map[string]any{"alg": "RS256"}, "", jwks.ErrAlgorithmNotAllowed},
			{"alg of encryption", rs, map[string]any{"alg": "RSA-OAEP"}, "", jwks.ErrKeyNotFound},
			{"alg none", rs, map[string]any{"alg": "none"}, "", jwks.ErrKeyNotFound},
			{"alg of a shared secret", rs, map[string]any{"alg": "HS256"}, "", jwks.ErrKeyNotFound},
			{"for encryption", rs, map[string]any{"use": "enc"}, "", jwks.ErrKeyNotFound},
			{"for something else", es, map[string]any{"use": "other"}, "", jwks.ErrKeyNotFound},
			{"to sign and not to verify", es, map[string]any{"key_ops": []string{"sign"}}, "", jwks.ErrKeyNotFound},
			{"to do nothing", ed, map[string]any{"key_ops": []string{"none"}}, "", jwks.ErrKeyNotFound},
			{"key_ops over use", ed, map[string]any{"use": "sig", "key_ops": []string{"encrypt"}}, "", jwks.ErrKeyNotFound},
			{"the token says another curve", es, nil, "ES384", jwks.ErrAlgorithmNotAllowed},
			{"the token says another type", es, nil, "RS256", jwks.ErrAlgorithmNotAllowed},
			{"the token says Ed25519", ed, map[string]any{"alg": "EdDSA"}, "Ed25519", nil},
			{"the token says ES256 of an Ed25519 key", ed, nil, "ES256", jwks.ErrAlgorithmNotAllowed},
			{"another kty", ed, map[string]any{"kty": "EC"}, "", jwks.ErrKeyNotFound},
			{"another crv", es, map[string]any{"crv": "P-384"}, "", jwks.ErrKeyNotFound},
			{"a curve for another purpose", ed, map[string]any{"crv": "X25519"}, "", jwks.ErrKeyNotFound},
		} {
			t.Run(test.rule, func(t *testing.T) {
				set := testkit.ParseKeys(t, jwkWithChanges(t, test.signer.Key.Public(), test.changes), other.JWK())
				alg := test.alg
				if alg == "" {
					alg = test.signer.Algorithm
				}
				token := test.signer.Sign(`{"alg":"`+alg+`","kid":"k1"}`, testkit.Payload(nil))
				v := mode.fixedVerifier(t, set)
				if test.want == nil {
					testkit.Accept(t, v, token)
				} else {
					testkit.Refuse(t, v, token, test.want, jwks.ErrTokenInvalid)
				}
				testkit.Accept(t, v, other.Token(testkit.Payload(nil)))

				// Whatever a source offers, the key has the last word.
				v = mode.fixedVerifier(t, offerAll(set))
				if test.want == nil {
					testkit.Accept(t, v, token)
				} else {
					testkit.Refuse(t, v, token, jwks.ErrTokenInvalid)
				}
			})
		}
	})
}

// offerAll is a source that offers all keys of a set for every token.
func offerAll(set *jwks.KeySet) jwks.KeySource {
	return testkit.SourceFunc(func(context.Context, jwks.Header, string) ([]*jwks.Key, error) { return slices.Collect(set.All()), nil })
}

func TestInvariant08_WeakKeysAreNotUsed(t *testing.T) {
	b64 := base64.RawURLEncoding.EncodeToString
	bits := func(n int, low uint) string { // an odd number of n bits unless low says otherwise
		m := new(big.Int).Lsh(big.NewInt(3), uint(n-2))
		for i := 64; i < n-64; i += 37 {
			m.SetBit(m, i, 1)
		}
		return b64(m.SetBit(m, 0, low).Bytes())
	}
	exponent := func(e int64) string { return b64(big.NewInt(e).Bytes()) }
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x, y := p256.X.FillBytes(make([]byte, 32)), p256.Y.FillBytes(make([]byte, 32))
	off := slices.Clone(y)
	off[31] ^= 1
	field := elliptic.P256().Params().P
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// From the order-8 subgroup of edwards25519, and the same points with
	// coordinates that were not reduced.
	small := func(text string) []byte {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != 32 {
			t.Fatal(err)
		}
		return b
	}
	rsaKey := func(n, e string) string { return `{"kty":"RSA","kid":"k1","n":"` + n + `","e":"` + e + `"}` }
	ecKey := func(x, y []byte) string {
		return `{"kty":"EC","crv":"P-256","kid":"k1","x":"` + b64(x) + `","y":"` + b64(y) + `"}`
	}
	edKey := func(x []byte) string { return `{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"` + b64(x) + `"}` }
	roca, err := os.ReadFile(testkit.Testdata(t, "hostile", "130-rsa-roca-wycheproof.json"))
	if err != nil {
		t.Fatal(err)
	}
	if set := testkit.ParseKeySet(t, string(roca)); !slices.Equal(testkit.KeyIDs(set), []string{"rsa-good"}) {
		t.Errorf("a modulus with the ROCA fingerprint: %q are usable", testkit.KeyIDs(set))
	}
	good := testkit.NewSigner(t, "EdDSA", "good")
	for _, test := range []struct {
		rule   string
		key    string
		usable bool
	}{
		{"RSA of 2048 bits", rsaKey(bits(2048, 1), "AQAB"), true},
		{"RSA of 2047 bits", rsaKey(bits(2047, 1), "AQAB"), false},
		{"RSA of 1024 bits", rsaKey(bits(1024, 1), "AQAB"), false},
		{"RSA of 8192 bits", rsaKey(bits(8192, 1), "AQAB"), true},
		{"RSA of 8193 bits", rsaKey(bits(8193, 1), "AQAB"), false},
		{"an even modulus", rsaKey(bits(2048, 0), "AQAB"), false},
		{"an empty modulus", rsaKey("", "AQAB"), false},
		{"e of 0", rsaKey(bits(2048, 1), "AA"), false},
		{"e of 1", rsaKey(bits(2048, 1), exponent(1)), false},
		{"e of 2", rsaKey(bits(2048, 1), exponent(2)), false},
		{"e of 3", rsaKey(bits(2048, 1), exponent(3)), true},
		{"e of 65536", rsaKey(bits(2048, 1), exponent(65536)), false},
		{"e of 2^31-1", rsaKey(bits(2048, 1), exponent(1<<31-1)), true},
		{"e of 2^31+1", rsaKey(bits(2048, 1), exponent(1<<31+1)), false},
		{"e of 2^64+3", rsaKey(bits(2048, 1), b64([]byte{1, 0, 0, 0, 0, 0, 0, 0, 3})), false},
		{"a point", ecKey(x, y), true},
		{"a point off the curve", ecKey(x, off), false},
		{"the origin", ecKey(make([]byte, 32), make([]byte, 32)), false},
		{"a short coordinate", ecKey(x[:31], y), false},
		{"a long coordinate", ecKey(append([]byte{1}, x...), y), false},
		{"no y", ecKey(x, nil), false},
		{"x not below p", ecKey(field.FillBytes(make([]byte, 32)), y), false},
		{"Ed25519", edKey(public), true},
		{"31 bytes", edKey(public[1:]), false},
		{"33 bytes", edKey(append(slices.Clone(public), 0)), false},
		{"the identity", edKey(small("0100000000000000000000000000000000000000000000000000000000000000")), false},
		{"of order 2", edKey(small("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")), false},
		{"of order 4", edKey(small("0000000000000000000000000000000000000000000000000000000000000080")), false},
		{"of order 4, the other", edKey(make([]byte, 32)), false},
		{"of order 8", edKey(small("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")), false},
		{"of order 8, negative", edKey(small("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85")), false},
		{"the identity, not reduced", edKey(small("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")), false},
		{"no point", edKey(small("0200000000000000000000000000000000000000000000000000000000000000")), false},
	} {
		t.Run(test.rule, func(t *testing.T) {
			set := testkit.ParseKeys(t, test.key, good.JWK())
			if _, ok := set.Key("k1"); ok != test.usable {
				t.Errorf("usable %t, skipped %v", ok, set.Skipped())
			}
			if _, ok := set.Key("good"); !ok {
				t.Error("the good key beside it is gone")
			}
		})
	}
	// Why: with a public key of small order one signature fits any message.
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		identity := make([]byte, 32)
		identity[0] = 1
		forged := append(slices.Clone(identity), make([]byte, 32)...) // R the identity, S 0
		token := testkit.Segment(`{"alg":"EdDSA","kid":"k1"}`) + "." + testkit.Segment(testkit.Payload(nil))
		if !ed25519.Verify(identity, []byte(token), forged) {
			t.Error("crypto/ed25519 refuses by itself")
		}
		testkit.Refuse(t, mode.fixedVerifier(t, testkit.ParseKeys(t, edKey(identity), good.JWK())), token+"."+b64(forged), jwks.ErrKeyNotFound)
	})
}

func TestInvariant09_ExactSignatureForm(t *testing.T) {
	eachCacheMode(t, func(t *testing.T, mode cacheMode) {
		ps := testkit.NewSigner(t, "PS256", "k1")
		v := mode.fixedVerifier(t, testkit.KeySetOf(t, ps))
		testkit.Accept(t, v, testkit.SignPSSWithSalt(ps, testkit.Payload(nil), 32))
		for _, salt := range []int{0, 1, 20, 31, 33, 64} {
			testkit.Refuse(t, v, testkit.SignPSSWithSalt(ps, testkit.Payload(nil), salt), jwt.ErrTokenSignatureInvalid)
		}
		testkit.Refuse(t, v, withSignature(ps.Token(testkit.Payload(nil)), func(s []byte) []byte { return append([]byte{0}, s...) }), jwt.ErrTokenSignatureInvalid)

		for alg, size := range map[string]int{"ES256": 32, "ES384": 48, "ES512": 66} {
			s := testkit.NewSigner(t, alg, "k1")
			v := mode.fixedVerifier(t, testkit.KeySetOf(t, s))
			token := s.Token(testkit.Payload(nil))
			testkit.Accept(t, v, token)
			for name, change := range map[string]func(s []byte) []byte{
				"a leading zero":  func(s []byte) []byte { return append([]byte{0}, s...) },
				"a trailing zero": func(s []byte) []byte { return append(slices.Clone(s), 0) },
				"a byte short":    func(s []byte) []byte { return s[:len(s)-1] },
				"padded halves":   func(s []byte) []byte { return slices.Concat([]byte{0}, s[:size], []byte{0}, s[size:]) },
				"DER":             func(s []byte) []byte { return der(s) },
				"half":            func(s []byte) []byte { return s[:size] },
				"zeros":           func(s []byte) []byte { return make([]byte, len(s)) },
				"r and s beyond":  func(s []byte) []byte { return slices.Repeat([]byte{0xff}, len(s)) },
			} {
				if got, err := v.Verify(t.Context(), withSignature(token, change)); err == nil || got != nil || !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
					t.Errorf("%s, %s: %v", alg, name, err)
				}
			}
			for _, other := range []string{"ES256", "ES384", "ES512"} { // with a key of another curve
				if other != alg {
					testkit.Refuse(t, v, s.Sign(`{"alg":"`+other+`","kid":"k1"}`, testkit.Payload(nil)), jwks.ErrAlgorithmNotAllowed)
				}
			}
		}
		es := testkit.NewSigner(t, "ES256", "k1")
		testkit.Refuse(t, mode.fixedVerifier(t, testkit.KeySetOf(t, es)), testkit.SignES384WithP256(es, testkit.Payload(nil)), jwks.ErrAlgorithmNotAllowed)

		ed := testkit.NewSigner(t, "EdDSA", "k1")
		v = mode.fixedVerifier(t, testkit.KeySetOf(t, ed))
		for _, change := range []func(s []byte) []byte{
			func(s []byte) []byte { return append(slices.Clone(s), 0) },
			func(s []byte) []byte { return s[:63] },
			addOrder,
		} {
			testkit.Refuse(t, v, withSignature(ed.Token(testkit.Payload(nil)), change), jwt.ErrTokenSignatureInvalid)
		}
	})
}

// withSignature changes the signature of a token.
func withSignature(token string, change func([]byte) []byte) string {
	dot := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		panic(err)
	}
	return token[:dot+1] + base64.RawURLEncoding.EncodeToString(change(signature))
}

// der writes a raw ECDSA signature as ASN.1, which is what other protocols use.
func der(raw []byte) []byte {
	integer := func(b []byte) []byte {
		b = append([]byte{0}, new(big.Int).SetBytes(b).Bytes()...)
		if b[1] < 0x80 {
			b = b[1:]
		}
		return append([]byte{2, byte(len(b))}, b...)
	}
	body := append(integer(raw[:len(raw)/2]), integer(raw[len(raw)/2:])...)
	if len(body) > 127 {
		return append([]byte{0x30, 0x81, byte(len(body))}, body...)
	}
	return append([]byte{0x30, byte(len(body))}, body...)
}

// addOrder makes S + L of S, where L is the order of the group: RFC 8032
// section 5.1.7 wants S in range, or a signature has two encodings.
func addOrder(signature []byte) []byte {
	order, _ := new(big.Int).SetString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", 16)
	s := slices.Clone(signature[32:])
	slices.Reverse(s)
	s = new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(make([]byte, 32))
	slices.Reverse(s)
	return append(slices.Clone(signature[:32]), s...)
}
