package jwk

import (
	"crypto/elliptic"
	"crypto/rsa"
	"slices"
	"strings"
	"testing"
)

// TestAbsence_MembersNobodySet reads entries as the serializers of .NET and
// Java write them: with every member that the type has.
func TestAbsence_MembersNobodySet(t *testing.T) {
	everything := []string{
		"alg", "crv", "d", "dp", "dq", "e", "issuer", "k", "key_ops", "kid", "kty", "n", "oth", "p", "priv", "pub",
		"q", "qi", "use", "x", "x5c", "x5t", "x5t#S256", "x5u", "y", "HasPrivateKey", "KeySize",
	}
	unsetNull, empty := members{}, members{}
	for _, name := range everything {
		unsetNull[name] = null
		switch name {
		case "key_ops", "oth", "x5c":
			empty[name] = []string{}
		case "crv", "e", "kty", "n", "pub", "x", "y": // of another type of key; "" is not absence there
		default:
			empty[name] = ""
		}
	}
	for _, test := range []struct {
		name string
		jwk  members
	}{
		{"RSA", rsaJWK()},
		{"EC", ecJWK(t, elliptic.P256())},
		{"Ed25519", edJWK()},
	} {
		want, _, err := parse(t, test.jwk.with(members{"kid": nil, "use": nil, "alg": nil}))
		if err != nil {
			t.Fatal(err)
		}
		for name, unset := range map[string]members{"null": unsetNull, "empty": empty} {
			t.Run(test.name+" "+name, func(t *testing.T) {
				jwk := unset.with(test.jwk)
				for _, member := range []string{"kid", "use", "alg"} {
					jwk[member] = unset[member]
				}
				k, kid, err := parse(t, jwk)
				if err != nil {
					t.Fatal(err)
				}
				if kid != "" || k.ID != "" || k.Use != "" || k.Alg != "" || k.Issuer != "" || k.X5t != "" || k.HasSHA1 || k.HasSHA256 {
					t.Errorf("kid %q, key %+v", kid, k)
				}
				if !slices.Equal(k.Algorithms, want.Algorithms) || !Equal(k.Public, want.Public) {
					t.Errorf("algorithms %q, want %q, or another key", k.Algorithms, want.Algorithms)
				}
				k, kid, err = parse(t, unset.with(test.jwk))
				if err != nil || kid != test.jwk["kid"] || k.ID != kid {
					t.Errorf("beside members that are set: %+v, %q, %v", k, kid, err)
				}
			})
		}
	}
}

func TestAbsence_EmptyPrivateMembers(t *testing.T) {
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		for _, v := range []string{`null`, `""`, `[]`, "[ \n ]"} {
			text := `{"kty":"RSA","e":"AQAB","n":"` + rsaJWK()["n"].(string) + `","` + name + `":` + v + `}`
			if _, _, err := parse(t, text); err != nil {
				t.Errorf("%s %s: %v", name, v, err)
			}
		}
		_, _, err := parse(t, `{"kty":"oct","`+name+`":""}`)
		wantReason(t, err, `kty "oct" is symmetric, not a public key`)
	}
	// Null and a secret, in either order: what is there is published.
	for _, text := range []string{`{"kty":"RSA","d":null,"p":"AQAB"}`, `{"kty":"RSA","p":"AQAB","d":null}`, `{"kty":"RSA","p":"AQAB","p":null}`} {
		_, _, err := parse(t, text)
		wantReason(t, err, `private member "p" published`)
	}
}

// Null does not make a member that stands twice stand once.
func TestAbsence_NullTwice(t *testing.T) {
	for _, text := range []string{
		`{"kty":"RSA","kty":null}`, `{"kty":null,"kty":"RSA"}`, `{"n":null,"n":null,"kty":"RSA"}`, `{"kid":null,"k\u0069d":"a"}`,
	} {
		if _, _, err := parse(t, text); err == nil || !strings.HasPrefix(err.Error(), "duplicate member at byte ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAbsence_NullOfMaterial(t *testing.T) {
	for _, test := range []struct {
		jwk  members
		name string
	}{
		{rsaJWK(), "n"}, {rsaJWK(), "e"}, {rsaJWK(), "kty"}, {ecJWK(t, elliptic.P256()), "crv"},
		{ecJWK(t, elliptic.P256()), "x"}, {ecJWK(t, elliptic.P256()), "y"}, {edJWK(), "x"},
	} {
		_, _, err := parse(t, test.jwk.with(members{test.name: null}))
		wantReason(t, err, test.name+" is missing")
	}
}

func TestCertificateOnly_SaysSo(t *testing.T) {
	const reason = "it has only a certificate (x5c), and keys are not taken from certificates: the members of the key itself are missing"
	leaf := certificateFor(t, rsaJWK())
	for _, test := range []struct {
		name string
		jwk  members
		why  string
	}{
		{"RSA", members{"kty": "RSA", "x5c": []string{leaf}}, reason},
		{"EC, with null members", members{"kty": "EC", "x5c": []string{leaf}, "x": null, "y": null, "crv": null, "n": null}, reason},
		{"without kty", members{"x5c": []string{leaf}, "x5t": "t", "use": "sig"}, reason},
		{"a certificate that cannot be read", members{"kty": "RSA", "x5c": []string{"####"}}, reason},
		{"half of a key beside it", members{"kty": "RSA", "x5c": []string{leaf}, "e": "AQAB"}, "n is missing"},
		{"an empty list", members{"kty": "RSA", "x5c": []string{}}, "n is missing"},
		{"for encryption", members{"kty": "RSA", "x5c": []string{leaf}, "use": "enc"}, `use "enc" is not "sig"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := parse(t, test.jwk)
			wantReason(t, err, test.why)
		})
	}
}

func TestReader_Uses(t *testing.T) {
	spiffe, both := Reader{Uses: []string{"jwt-svid"}}, Reader{Uses: []string{"sig", "jwt-svid"}}
	for _, test := range []struct {
		reader    Reader
		use       any
		want, why string
	}{
		{Reader{}, "sig", "sig", ""},
		{Reader{Uses: []string{}}, "sig", "sig", ""},
		{Reader{}, "jwt-svid", "", `use "jwt-svid" is not "sig"`},
		{spiffe, "jwt-svid", "jwt-svid", ""},
		{spiffe, nil, "", ""},
		{spiffe, null, "", ""},
		{spiffe, "sig", "", `use "sig" is not "jwt-svid"`},
		{spiffe, "x509-svid", "", `use "x509-svid" is not "jwt-svid"`},
		{both, "sig", "sig", ""},
		{both, "jwt-svid", "jwt-svid", ""},
		{both, "enc", "", `use "enc" is not "sig" or "jwt-svid"`},
		{both, "JWT-SVID", "", `use "JWT-SVID" is not "sig" or "jwt-svid"`},
	} {
		k, _, err := parseWith(t, test.reader, rsaJWK().with(members{"use": test.use}))
		wantReason(t, err, test.why)
		if k != nil && k.Use != test.want {
			t.Errorf("use %v is kept as %q, want %q", test.use, k.Use, test.want)
		}
	}
}

func TestRSAExponent_CostIsBounded(t *testing.T) {
	const dear = "RSA exponent above 65537 with a modulus of "
	for _, test := range []struct {
		bits int
		e    string
		why  string
	}{
		{2048, "f____w", ""},
		{4096, "f____w", ""},
		{4096, "AQAD", ""},
		{4097, "AQAB", ""},
		{4097, "AQAD", dear + "4097 bits, want at most 4096 bits there"},
		{8192, "AQAB", ""},
		{8192, "Aw", ""},
		{8192, "AAEAAQ", ""},
		{8192, "AAEAAw", dear + "8192 bits, want at most 4096 bits there"},
		{8192, "f____w", dear + "8192 bits, want at most 4096 bits there"},
	} {
		k, _, err := parse(t, rsaJWK().with(members{"n": b64(testModulus(test.bits).Bytes()), "e": test.e}))
		wantReason(t, err, test.why)
		if k != nil && k.Public.(*rsa.PublicKey).N.BitLen() != test.bits {
			t.Errorf("%d bits: another modulus", test.bits)
		}
	}
}

// Libraries write integers at their own length: Go's big.Int drops leading
// zeros, Java's BigInteger adds one before a first bit that is set.
func TestECPoint_CoordinatesAreNumbers(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		name, full := curve.Params().Name, (curve.Params().BitSize+7)/8
		jwk, x, y := shortCoordinates(t, curve)
		want, _, err := parse(t, jwk)
		if err != nil {
			t.Fatal(err)
		}
		if len(x) == full && len(y) == full {
			t.Fatalf("%s: the test's point has no short coordinate", name)
		}
		java := func(b []byte) []byte {
			if b[0]&0x80 != 0 {
				return append([]byte{0}, b...)
			}
			return b
		}
		for way, change := range map[string]members{
			"big.Int":    {"x": b64(x), "y": b64(y)},
			"BigInteger": {"x": b64(java(x)), "y": b64(java(y))},
			"33 octets":  {"x": b64(append(make([]byte, full+1-len(x)), x...)), "y": b64(append(make([]byte, full+1-len(y)), y...))},
			"padded std": {"x": stdPadded(t, b64(x)), "y": stdPadded(t, b64(java(y)))},
		} {
			k, _, err := parse(t, jwk.with(change))
			if err != nil || !Equal(k.Public, want.Public) {
				t.Errorf("%s as %s: %v", name, way, err)
			}
		}
	}
}
