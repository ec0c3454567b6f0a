package jwk

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"strconv"
	"testing"
)

// reencode changes the octets of a base64url text.
func reencode(t *testing.T, s any, change func([]byte) []byte) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b64(change(b))
}

func TestECPointOnEachCurve(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		name := curve.Params().Name
		t.Run(name, func(t *testing.T) {
			good := ecJWK(t, curve)
			k, _, err := parse(t, good)
			if err != nil {
				t.Fatal(err)
			}
			if pub := k.Public.(*ecdsa.PublicKey); pub.Curve != curve || k.Type != "EC" || k.Curve != name {
				t.Errorf("got %+v", k)
			}
			p := curve.Params().P.Bytes()
			zero := b64(make([]byte, len(p)))
			for _, test := range []struct {
				name    string
				changes members
				why     string
			}{
				{"padding", members{"x": stdPadded(t, good["x"].(string)), "y": stdPadded(t, good["y"].(string))}, ""},
				{"off the curve", members{"y": reencode(t, good["y"], func(b []byte) []byte { b[len(b)-1] ^= 1; return b })}, "point is not on " + name},
				{"the other way round", members{"x": good["y"], "y": good["x"]}, "point is not on " + name},
				{"a coordinate that is the field's size", members{"x": b64(p)}, "point is not on " + name},
				{"0, 0", members{"x": zero, "y": zero}, "point is not on " + name},
				{"the last byte lost", members{"x": reencode(t, good["x"], func(b []byte) []byte { return b[:len(b)-1] })}, "point is not on " + name},
				{"a zero too many", members{"y": reencode(t, good["y"], func(b []byte) []byte { return append([]byte{0}, b...) })}, ""},
				{"a thousand zeros too many", members{"y": reencode(t, good["y"], func(b []byte) []byte { return append(make([]byte, 1000), b...) })}, ""},
				{"zeros and padding", members{"x": stdPadded(t, reencode(t, good["x"], func(b []byte) []byte { return append([]byte{0, 0}, b...) }))}, ""},
				{"a byte too many", members{"y": reencode(t, good["y"], func(b []byte) []byte { return append([]byte{1}, b...) })}, shortOrLong("y", len(p)+1, len(p))},
				{"three bytes too many", members{"y": reencode(t, good["y"], func(b []byte) []byte { return append([]byte{1, 0, 0}, b...) })}, shortOrLong("y", len(p)+3, len(p))},
				{"a thousand bytes too many", members{"y": reencode(t, good["y"], func(b []byte) []byte { return append(bytes.Repeat([]byte{1}, 1000), b...) })}, shortOrLong("y", len(p)+1000, len(p))},
				{"zero in one octet", members{"x": "AA", "y": "AA"}, "point is not on " + name},
				{"empty", members{"x": ""}, "x is empty"},
				{"no y", members{"y": nil}, "y is missing"},
				{"no x", members{"x": nil}, "x is missing"},
				{"null", members{"x": null}, "x is missing"},
				{"a number", members{"y": 1}, "y is not a string"},
				{"not base64", members{"x": "?" + good["x"].(string)[1:]}, "x is not well-formed base64"},
			} {
				t.Run(test.name, func(t *testing.T) {
					_, _, err := parse(t, good.with(test.changes))
					wantReason(t, err, test.why)
				})
			}
		})
	}
}

func shortOrLong(name string, got, want int) string {
	return name + " of " + strconv.Itoa(got) + " octets, want " + strconv.Itoa(want)
}

func TestECCurve(t *testing.T) {
	for _, test := range []struct {
		crv any
		why string
	}{
		{nil, "crv is missing"},
		{null, "crv is missing"},
		{256, "crv is not a string"},
		{"", `crv "" is not supported for kty EC`},
		{"p-256", `crv "p-256" is not supported for kty EC`},
		{"P256", `crv "P256" is not supported for kty EC`},
		{"P-224", `crv "P-224" is not supported for kty EC`},
		{"secp256k1", `crv "secp256k1" is not supported for kty EC`},
		{"Ed25519", `crv "Ed25519" is not supported for kty EC`},
		{"P-384", "point is not on P-384"},
		{"P-521", "point is not on P-521"},
	} {
		_, _, err := parse(t, ecJWK(t, elliptic.P256()).with(members{"crv": test.crv}))
		wantReason(t, err, test.why)
	}
}
