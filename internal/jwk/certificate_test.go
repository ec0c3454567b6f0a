package jwk

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"
)

// certificateFor makes an "x5c" leaf, signed by nobody in particular and long
// expired, for the key in a JWK.
func certificateFor(t testing.TB, jwk members) string {
	t.Helper()
	k, _, err := parse(t, jwk)
	if err != nil {
		t.Fatal(err)
	}
	return certificateOf(t, k.Public)
}

func certificateOf(t testing.TB, public crypto.PublicKey) string {
	t.Helper()
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, signer)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func TestCertificateIsNoKeyMaterial(t *testing.T) {
	ec := ecJWK(t, elliptic.P256())
	rsaLeaf, ecLeaf := certificateFor(t, rsaJWK()), certificateFor(t, ec)
	edLeaf := certificateFor(t, edJWK())
	otherRSA := certificateFor(t, rsaJWK().with(members{"n": b64(testModulus(2056).Bytes())}))
	// An unknown type of key, which crypto/x509 leaves nil.
	der, err := base64.StdEncoding.DecodeString(edLeaf)
	if err != nil {
		t.Fatal(err)
	}
	unknownLeaf := base64.StdEncoding.EncodeToString(bytes.Replace(der, []byte{6, 3, 0x2b, 0x65, 0x70}, []byte{6, 3, 0x2b, 0x65, 0x7f}, 1))
	const contradicts = "x5c holds a certificate for another key"
	for _, test := range []struct {
		name string
		jwk  members
		x5c  any
		want string
	}{
		{"same RSA key, expired", rsaJWK(), []string{rsaLeaf}, ""},
		{"same EC key", ec, []string{ecLeaf}, ""},
		{"same Ed25519 key", edJWK(), []string{edLeaf}, ""},
		{"line breaks are allowed in it", rsaJWK(), []string{rsaLeaf[:64] + "\n" + rsaLeaf[64:]}, ""},
		{"only the leaf counts", rsaJWK(), []string{rsaLeaf, otherRSA}, ""},
		{"another RSA key", rsaJWK(), []string{otherRSA}, contradicts},
		{"another type for RSA", rsaJWK(), []string{ecLeaf}, contradicts},
		{"another type for EC", ec, []string{edLeaf}, contradicts},
		{"another type for Ed25519", edJWK(), []string{rsaLeaf}, contradicts},
		{"another key before what is no certificate", rsaJWK(), []any{ecLeaf, 5}, contradicts},
		{"null", rsaJWK(), null, ""},
		{"a string", rsaJWK(), ecLeaf, ""},
		{"a number", rsaJWK(), 5, ""},
		{"an object", rsaJWK(), members{"0": ecLeaf}, ""},
		{"an empty array", rsaJWK(), []string{}, ""},
		{"an array of something else", rsaJWK(), []any{5, ecLeaf}, ""},
		{"an array with an array", rsaJWK(), []any{[]string{ecLeaf}}, ""},
		{"an empty string", rsaJWK(), []string{""}, ""},
		{"not base64", rsaJWK(), []string{"####"}, ""},
		{"the URL alphabet", rsaJWK(), []string{base64.RawURLEncoding.EncodeToString([]byte("junk"))}, ""},
		{"not a certificate", rsaJWK(), []string{base64.StdEncoding.EncodeToString([]byte("junk"))}, ""},
		{"a certificate for a key of an unknown type", rsaJWK(), []string{unknownLeaf}, ""},
		{"half a certificate", rsaJWK(), []string{ecLeaf[:len(ecLeaf)/8*4]}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := parse(t, test.jwk.with(members{"x5c": test.x5c}))
			wantReason(t, err, test.want)
		})
	}
}

func TestThumbprintsAndURLCostNoKey(t *testing.T) {
	for _, name := range []string{"x5t", "x5t#S256", "x5u"} {
		for _, v := range []any{null, 5, true, []string{"a"}, members{"a": 1}, "", "####", strings.Repeat("a", 5000)} {
			k, _, err := parse(t, rsaJWK().with(members{name: v}))
			if err != nil {
				t.Errorf("%s %v: %v", name, v, err)
				continue
			}
			want, _ := v.(string)
			if name == "x5u" || len(want) > 128 {
				want = ""
			}
			if got := k.X5t + k.X5tS256; got != want {
				t.Errorf("%s %.200v is kept as %.200q", name, v, got)
			}
		}
	}
	k, _, err := parse(t, rsaJWK().with(members{"x5t": "one", "x5t#S256": "two"}))
	if err != nil || k.X5t != "one" || k.X5tS256 != "two" {
		t.Errorf("got %+v, %v", k, err)
	}
	// A lone surrogate is not text.
	k, _, err = parse(t, `{"kty":"OKP","crv":"Ed25519","x":"`+edJWK()["x"].(string)+`","x5t":"\ud800"}`)
	if err != nil || k.X5t != "" {
		t.Errorf("got %+v, %v", k, err)
	}
}
