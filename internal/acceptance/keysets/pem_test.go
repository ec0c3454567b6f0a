package keysets

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/testkit"
)

func pemBlock(t testing.TB, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// publicPEM is a key as openssl writes it.
func publicPEM(t testing.TB, public crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	return pemBlock(t, "PUBLIC KEY", der, err)
}

// certificate is one that expired long ago, made by its own key.
func certificate(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func reasons(s *jwks.KeySet) string {
	var texts []string
	for _, e := range s.Skipped() {
		texts = append(texts, e.Err.Error())
	}
	return strings.Join(texts, "; ")
}

func weakRSA() *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
}

func TestParsePEM_Blocks(t *testing.T) {
	ec, rs, ed := testkit.NewSigner(t, "ES256", ""), testkit.NewSigner(t, "RS256", ""), testkit.NewSigner(t, "EdDSA", "")
	private, err := x509.MarshalPKCS8PrivateKey(ec.Key)
	pkcs8 := pemBlock(t, "PRIVATE KEY", private, err)
	other := publicPEM(t, ec.Key.Public())
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	testkit.WantNoError(t, err)
	agreement, err := ecdh.X25519().GenerateKey(rand.Reader)
	testkit.WantNoError(t, err)
	for _, tt := range []struct {
		rule     string
		document string
		keys     int
		skipped  string // the index of each, and a part of its reason
	}{
		{"PUBLIC KEY", publicPEM(t, ec.Key.Public()) + publicPEM(t, rs.Key.Public()) + publicPEM(t, ed.Key.Public()), 3, ""},
		{"RSA PUBLIC KEY", pemBlock(t, "RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(rs.Key.Public().(*rsa.PublicKey)), nil), 1, ""},
		{"CERTIFICATE, whatever its dates", pemBlock(t, "CERTIFICATE", certificate(t, rs.Key), nil), 1, ""},
		{"a byte order mark, carriage returns and words between the blocks", "\xef\xbb\xbfKey of today:\r\n" + strings.ReplaceAll(other, "\n", "\r\n") + "\r\nthat was it\r\n", 1, ""},
		{"a private key is skipped and reported", pkcs8 + other, 1, `0 private key in a PEM block of type "PRIVATE KEY"`},
		{"another type is skipped", other + pemBlock(t, "EC PARAMETERS", []byte{6}, nil), 1, `1 PEM block of type "EC PARAMETERS", want`},
		{"one that is not what it says", other + pemBlock(t, "PUBLIC KEY", []byte("x"), nil), 1, `1 PEM block of type "PUBLIC KEY" is not readable`},
		{"one that is malformed", strings.Replace(other, "M", "!", 1) + other, 1, "0 the PEM block is malformed"},
		{"a weak key", other + publicPEM(t, weakRSA()), 1, "1 RSA modulus of 1024 bits"},
		{"a curve that no algorithm has", other + publicPEM(t, p224.Public()), 1, `1 crv "P-224" is not supported`},
		{"a key that does not sign", other + publicPEM(t, agreement.PublicKey()), 1, "1 *ecdh.PublicKey is not a public key for signatures"},
		{"the same key again", other + other, 1, "1 an earlier entry is the same key"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			set, err := jwks.ParsePEM([]byte(tt.document))
			if err != nil {
				t.Fatal(err)
			}
			if set.Len() != tt.keys {
				t.Errorf("%d keys, want %d: %s", set.Len(), tt.keys, reasons(set))
			}
			for k := range set.All() {
				if k.ID() != "" || k.Issuer() != "" {
					t.Errorf("key %q of %q", k.ID(), k.Issuer())
				}
			}
			index, reason, _ := strings.Cut(tt.skipped, " ")
			switch skipped := set.Skipped(); {
			case tt.skipped == "" && len(skipped) > 0:
				t.Errorf("skipped %s", reasons(set))
			case tt.skipped == "":
			case len(skipped) != 1 || skipped[0].Index != int(index[0]-'0') || !strings.HasPrefix(skipped[0].Err.Error(), reason):
				t.Errorf("skipped %v", skipped)
			}
		})
	}
}

// What is not a whole document is not a key set: it may be half-written.
func TestParsePEM_Refused(t *testing.T) {
	ec := testkit.NewSigner(t, "ES256", "")
	good := publicPEM(t, ec.Key.Public())
	private, err := x509.MarshalPKCS8PrivateKey(ec.Key)
	secret := pemBlock(t, "PRIVATE KEY", private, err)
	for _, tt := range []struct{ rule, document, text string }{
		{"nothing", "", "it has no PEM block"},
		{"JSON", `{"keys":[]}`, "it has no PEM block"},
		{"a second block without its end", good + good[:len(good)-12], "it is cut off"},
		{"a second block without its body", good + "-----BEGIN PUBLIC KEY-----\n", "it is cut off"},
		{"a second block that has just begun", good + "-----BEG", "it is cut off"},
		{"a private key alone", secret, "private key in a PEM block"},
		{"a weak key alone", publicPEM(t, weakRSA()), "RSA modulus of 1024 bits"},
		{"more than 1,000 blocks", strings.Repeat(good, 1001), "more than 1000 PEM blocks"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			set, err := jwks.ParsePEM([]byte(tt.document))
			if set != nil {
				t.Errorf("%d keys", set.Len())
			}
			testkit.WantError(t, err, jwks.ErrUnavailable, jwks.ErrInvalidKeySet)
			if !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), secret[30:60]) {
				t.Error(err)
			}
		})
	}
}

// Keys without a kid are for every token whose algorithm they allow, and those
// of certificates are told apart by thumbprint as well.
func TestParsePEM_Verifies(t *testing.T) {
	a, b := testkit.NewSigner(t, "ES256", ""), testkit.NewSigner(t, "RS256", "")
	der := certificate(t, b.Key)
	set, err := jwks.ParsePEM([]byte(publicPEM(t, a.Key.Public()) + pemBlock(t, "CERTIFICATE", der, nil)))
	testkit.WantNoError(t, err)
	v := testkit.NewSourceVerifier(t, set, jwks.WithoutIssuerCheck())
	payload := `{"sub":"u","exp":9999999999}`
	testkit.Accept(t, v, a.Token(payload))
	testkit.Accept(t, v, b.Token(payload))
	sum := sha1.Sum(der)
	testkit.Accept(t, v, b.Sign(`{"alg":"RS256","x5t":"`+base64.RawURLEncoding.EncodeToString(sum[:])+`"}`, payload))
	testkit.RefuseOnce(t, v, b.Sign(`{"alg":"RS256","x5t":"AAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, payload), jwks.ErrTokenInvalid, jwks.ErrKeyNotFound)
	testkit.RefuseOnce(t, v, testkit.NewSigner(t, "ES256", "").Token(payload), jwks.ErrTokenInvalid)
}

func TestNewKeySet_Refused(t *testing.T) {
	ec, rs, ed := testkit.NewSigner(t, "ES256", ""), testkit.NewSigner(t, "RS256", ""), testkit.NewSigner(t, "EdDSA", "")
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	testkit.WantNoError(t, err)
	for rule, key := range map[string]jwks.PublicKey{
		"nil":                                 {},
		"a nil RSA key":                       {Key: (*rsa.PublicKey)(nil)},
		"an RSA key without modulus":          {Key: &rsa.PublicKey{E: 65537}},
		"a negative modulus":                  {Key: &rsa.PublicKey{N: big.NewInt(-5), E: 65537}},
		"a nil EC key":                        {Key: (*ecdsa.PublicKey)(nil)},
		"an EC key without a curve":           {Key: &ecdsa.PublicKey{X: big.NewInt(1), Y: big.NewInt(1)}},
		"an EC key without a point":           {Key: &ecdsa.PublicKey{Curve: elliptic.P256()}},
		"a nil Ed25519 key":                   {Key: ed25519.PublicKey(nil)},
		"a private EC key":                    {Key: ec.Key},
		"a private RSA key":                   {Key: rs.Key},
		"a private Ed25519 key":               {Key: ed.Key},
		"an RSA key by value":                 {Key: *rs.Key.Public().(*rsa.PublicKey)},
		"a secret":                            {Key: []byte("secret")},
		"a text":                              {Key: "secret"},
		"a token's algorithm of another type": {Algorithm: "RS256", Key: ec.Key.Public()},
		"the algorithm of another curve":      {Algorithm: "ES384", Key: ec.Key.Public()},
		"an algorithm of a weak key that does not fit": {Algorithm: "ES256", Key: weakRSA()},
		"a symmetric algorithm":                        {Algorithm: "HS256", Key: rs.Key.Public()},
		"no algorithm at all":                          {Algorithm: "none", Key: ed.Key.Public()},
		"an unknown algorithm":                         {Algorithm: "rs256", Key: rs.Key.Public()},
		"a kid of 257 bytes":                           {ID: strings.Repeat("k", 257), Key: ec.Key.Public()},
		"a kid that is not text":                       {ID: "\xff", Key: ec.Key.Public()},
	} {
		good := jwks.PublicKey{ID: "good", Key: rs.Key.Public()}
		set, err := jwks.NewKeySet(good, key)
		if set != nil || !errors.Is(err, jwks.ErrConfig) || !strings.Contains(err.Error(), "NewKeySet: key 1: ") {
			t.Errorf("%s: set %v, error %v", rule, set != nil, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", rule, err)
		}
	}
	t.Run("no key", func(t *testing.T) {
		if _, err := jwks.NewKeySet(); !errors.Is(err, jwks.ErrConfig) {
			t.Error(err)
		}
	})
	t.Run("each mistake is told", func(t *testing.T) {
		_, err := jwks.NewKeySet(jwks.PublicKey{}, jwks.PublicKey{Key: ec.Key})
		if err == nil || strings.Count(err.Error(), "NewKeySet: key ") != 2 {
			t.Error(err)
		}
	})
	t.Run("a weak key is skipped with its reason", func(t *testing.T) {
		set, err := jwks.NewKeySet(
			jwks.PublicKey{ID: "weak", Key: weakRSA()}, jwks.PublicKey{ID: "good", Key: ec.Key.Public()}, jwks.PublicKey{Key: p224.Public()},
			jwks.PublicKey{Key: ed25519.PublicKey(make([]byte, 32))}, jwks.PublicKey{Key: &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(0), Y: big.NewInt(0)}},
		)
		testkit.WantNoError(t, err)
		want := `RSA modulus of 1024 bits, want 2048 to 8192; crv "P-224" is not supported for kty EC; Ed25519 key of small order; point is not on P-256`
		if set.Len() != 1 || reasons(set) != want || set.Skipped()[0].KeyID != "weak" {
			t.Errorf("%d keys, skipped %s", set.Len(), reasons(set))
		}
	})
	t.Run("only weak ones are not a key set", func(t *testing.T) {
		_, err := jwks.NewKeySet(jwks.PublicKey{Key: weakRSA()})
		testkit.WantError(t, err, jwks.ErrUnavailable, jwks.ErrInvalidKeySet)
	})
}

func TestNewKeySet_Keys(t *testing.T) {
	for _, alg := range []string{"RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"} {
		s := testkit.NewSigner(t, alg, "k")
		for _, key := range []jwks.PublicKey{
			{ID: "k", Key: s.Key.Public()}, {ID: "k", Algorithm: alg, Key: s.Key.Public()}, {Key: s.Key.Public()},
		} {
			set, err := jwks.NewKeySet(key)
			testkit.WantNoError(t, err)
			named := *s
			named.KeyID = key.ID
			testkit.Accept(t, testkit.NewSourceVerifier(t, set, jwks.WithoutIssuerCheck()), named.Token(`{"sub":"u","exp":9999999999}`))
			k, ok := set.Key(key.ID)
			if !ok || key.Algorithm != "" && !slices.Contains(k.Algorithms(), alg) {
				t.Fatalf("%s: key %v", alg, k)
			}
			text, err := set.MarshalJSON()
			testkit.WantNoError(t, err)
			if again, err := jwks.ParseKeySet(text); err != nil || again.Len() != 1 {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	t.Run("an algorithm narrows the key", func(t *testing.T) {
		s := testkit.NewSigner(t, "RS256", "k")
		set, err := jwks.NewKeySet(jwks.PublicKey{ID: "k", Algorithm: "PS256", Key: s.Key.Public()})
		testkit.WantNoError(t, err)
		testkit.RefuseOnce(t, testkit.NewSourceVerifier(t, set, jwks.WithoutIssuerCheck()), s.Token(`{"exp":9999999999}`), jwks.ErrAlgorithmNotAllowed)
	})
	t.Run("the key is copied", func(t *testing.T) {
		s := testkit.NewSigner(t, "EdDSA", "k")
		mine := bytes.Clone(s.Key.Public().(ed25519.PublicKey))
		set, err := jwks.NewKeySet(jwks.PublicKey{ID: "k", Key: ed25519.PublicKey(mine)})
		testkit.WantNoError(t, err)
		mine[0] ^= 1
		testkit.Accept(t, testkit.NewSourceVerifier(t, set, jwks.WithoutIssuerCheck()), s.Token(`{"exp":9999999999}`))
	})
}
