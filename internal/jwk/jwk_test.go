package jwk

import (
	"crypto/elliptic"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

func TestAJWKIsAnObject(t *testing.T) {
	for _, text := range []string{"null", "true", "5", `"a"`, "[]", `[{"kty":"RSA"}]`} {
		k, kid, err := parse(t, text)
		if k != nil || kid != "" {
			t.Errorf("%s: key %v, kid %q", text, k, kid)
		}
		wantReason(t, err, "not a JSON object")
	}
	var none strictjson.Value
	_, _, err := Parse(none)
	wantReason(t, err, "not a JSON object")
}

func TestAGoodKeyIsReadWhole(t *testing.T) {
	k, kid, err := parse(t, rsaJWK().with(members{
		"key_ops": []string{"sign", "verify"}, "x5t": "t", "x5t#S256": "s", "issuer": "https://issuer.example",
		"x5u": "http://169.254.169.254/", "ext": true, "acr": []string{"idp"}, "": nil, "N": "AQAB", "Kty": "oct",
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%q %q %q %q %q %q %q %q %q %q", kid, k.ID, k.Type, k.Curve, k.Use, k.Alg, k.Algorithms, k.X5t, k.X5tS256, k.Issuer)
	want := `"r" "r" "RSA" "" "sig" "RS256" ["RS256"] "t" "s" "https://issuer.example"`
	if got != want {
		t.Errorf("got\n\t%s\nwant\n\t%s", got, want)
	}
}

func TestNoMemberTwice(t *testing.T) {
	n := rsaJWK()["n"].(string)
	good := `"kty":"RSA","n":"` + n + `","e":"AQAB"`
	for _, test := range []struct{ name, text, kid string }{
		{"the same name and value", `{"kid":"a",` + good + `,"e":"AQAB"}`, "a"},
		{"with an escape", `{"kid":"a",` + good + `,"\u006e":"AQAB"}`, "a"},
		{"an unknown member", `{"kid":"a",` + good + `,"z":1,"z":2}`, "a"},
		{"before the kid", `{"kty":"RSA",` + good + `,"kid":"a"}`, "a"},
		{"the kid", `{"kid":"a",` + good + `,"kid":"b"}`, "b"},
		{"many members", `{"kid":"a",` + good + manyMembers(100) + `,"m99":0}`, "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, kid, err := parse(t, test.text)
			if err == nil || !strings.HasPrefix(err.Error(), "duplicate member at byte ") {
				t.Errorf("reason is %v", err)
			}
			if kid != test.kid {
				t.Errorf("kid %q, want %q", kid, test.kid)
			}
		})
	}
	if _, _, err := parse(t, `{`+good+manyMembers(100)+`,"nested":{"a":1,"a":2}}`); err != nil {
		t.Errorf("what is inside an unknown member is nobody's business: %v", err)
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return b.String()
}

func TestKid(t *testing.T) {
	for _, test := range []struct {
		name      string
		kid       any
		want, why string
	}{
		{"absent", nil, "", ""},
		{"empty is absent", "", "", ""},
		{"opaque", "../../x' UNION --\x00\n", "../../x' UNION --\x00\n", ""},
		{"not normalised", "cafe\u0301", "cafe\u0301", ""},
		{"256 bytes", strings.Repeat("é", 128), strings.Repeat("é", 128), ""},
		{"257 bytes", strings.Repeat("é", 128) + "x", strings.Repeat("é", 128) + "x", "kid of 257 bytes, want at most 256"},
		{"null", null, "", ""},
		{"number", 1, "", "kid is not a string"},
		{"array", []string{"a"}, "", "kid is not a string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			k, kid, err := parse(t, rsaJWK().with(members{"kid": test.kid}))
			wantReason(t, err, test.why)
			if kid != test.want {
				t.Errorf("kid %q, want %q", kid, test.want)
			}
			if k != nil && k.ID != test.want {
				t.Errorf("ID %q, want %q", k.ID, test.want)
			}
		})
	}
	_, kid, err := parse(t, `{"kid":"a\ud800"}`)
	if err == nil || kid != "" || !strings.HasPrefix(err.Error(), "kid is not valid text: ") {
		t.Errorf("lone surrogate: kid %q, %v", kid, err)
	}
	_, kid, _ = parse(t, `{"k\u0069d":"a\/b"}`)
	if kid != "a/b" {
		t.Errorf("escapes: kid %q", kid)
	}
}

func TestKidIsToldAlsoOfARefusedKey(t *testing.T) {
	for _, jwk := range []members{
		{"kid": "x"},
		{"kid": "x", "kty": "oct", "k": "AAAA"},
		rsaJWK().with(members{"kid": "x", "use": "enc"}),
		rsaJWK().with(members{"kid": "x", "n": "AQAB"}),
		rsaJWK().with(members{"kid": "x", "d": "AQAB"}),
	} {
		if _, kid, err := parse(t, jwk); err == nil || kid != "x" {
			t.Errorf("%v: kid %q, %v", jwk, kid, err)
		}
	}
}

func TestKty(t *testing.T) {
	for _, test := range []struct {
		kty any
		why string
	}{
		{nil, "kty is missing"},
		{null, "kty is missing"},
		{7, "kty is not a string"},
		{"", `kty "" is not supported`},
		{"rsa", `kty "rsa" is not supported`},
		{"RSA ", `kty "RSA " is not supported`},
		{"oct", `kty "oct" is symmetric, not a public key`},
		{"line\nbreak", `kty "line\nbreak" is not supported`},
		{strings.Repeat("é", 40), `kty "` + strings.Repeat("é", 30) + `…" is not supported`},
		{"x" + strings.Repeat("é", 40), `kty "x` + strings.Repeat("é", 30) + `…" is not supported`},
		{"EC", `crv is missing`},
		{"OKP", `crv is missing`},
	} {
		_, _, err := parse(t, rsaJWK().with(members{"kty": test.kty}))
		wantReason(t, err, test.why)
	}
}

func TestUse(t *testing.T) {
	for _, test := range []struct {
		use  any
		want string
		why  string
	}{
		{nil, "", ""},
		{"sig", "sig", ""},
		{"", "", ""},
		{"enc", "", `use "enc" is not "sig"`},
		{"SIG", "", `use "SIG" is not "sig"`},
		{"sig ", "", `use "sig " is not "sig"`},
		{null, "", ""},
		{[]string{}, "", "use is not a string"},
		{[]string{"sig"}, "", "use is not a string"},
	} {
		k, _, err := parse(t, rsaJWK().with(members{"use": test.use}))
		wantReason(t, err, test.why)
		if k != nil && k.Use != test.want {
			t.Errorf("use %v is kept as %q", test.use, k.Use)
		}
	}
}

func TestKeyOps(t *testing.T) {
	for _, test := range []struct {
		ops any
		why string
	}{
		{nil, ""},
		{[]string{"verify"}, ""},
		{[]string{"sign", "verify", "x"}, ""},
		{slices.Repeat([]string{"verify"}, 32), ""},
		{slices.Repeat([]string{"verify"}, 33), "key_ops has more than 32 entries"},
		{[]string{}, ""},
		{[]string{""}, `key_ops does not contain "verify"`},
		{[]string{"verify", strings.Repeat("x", 64)}, ""},
		{[]string{"verify", strings.Repeat("x", 65)}, "key_ops has an entry of 65 bytes, want at most 64"},
		{[]string{"signing"}, `key_ops does not contain "verify"`},
		{[]string{"Verify"}, `key_ops does not contain "verify"`},
		{[]any{"verify", 1}, "key_ops is not an array of strings"},
		{[]any{"verify", null}, "key_ops is not an array of strings"},
		{[]any{[]string{"verify"}}, "key_ops is not an array of strings"},
		{"verify", "key_ops is not an array"},
		{"", "key_ops is not an array"},
		{null, ""},
		{members{"verify": true}, "key_ops is not an array"},
	} {
		_, _, err := parse(t, rsaJWK().with(members{"key_ops": test.ops}))
		wantReason(t, err, test.why)
	}
}

func TestIssuer(t *testing.T) {
	for _, test := range []struct {
		issuer any
		want   string
		why    string
	}{
		{nil, "", ""},
		{"https://issuer.example/{tenantid}", "https://issuer.example/{tenantid}", ""},
		{"", "", ""},
		{null, "", ""},
		{strings.Repeat("i", 2048), strings.Repeat("i", 2048), ""},
		{strings.Repeat("i", 2049), "", "issuer of 2049 bytes, want at most 2048"},
		{[]string{"https://issuer.example"}, "", "issuer is not a string"},
	} {
		k, _, err := parse(t, rsaJWK().with(members{"issuer": test.issuer}))
		wantReason(t, err, test.why)
		if k != nil && k.Issuer != test.want {
			t.Errorf("issuer %v is kept as %q", test.issuer, k.Issuer)
		}
	}
	_, _, err := parse(t, `{"kty":"RSA","issuer":"\udc00"}`)
	if err == nil || !strings.HasPrefix(err.Error(), "issuer is not valid text: ") {
		t.Errorf("lone surrogate: %v", err)
	}
}

func TestAlgFitsTheKey(t *testing.T) {
	rsa := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	ed := []string{"EdDSA", "Ed25519"}
	every := slices.Concat(rsa, []string{"ES256", "ES384", "ES512"}, ed, []string{
		"none", "None", "rs256", "RS256 ", "HS256", "RSA-OAEP", "ES256K", "SHA256", "Ed448", "ML-DSA-65",
	})
	for _, test := range []struct {
		kind string
		jwk  members
		fit  []string
	}{
		{"RSA", rsaJWK(), rsa},
		{"EC P-256", ecJWK(t, elliptic.P256()), []string{"ES256"}},
		{"EC P-384", ecJWK(t, elliptic.P384()), []string{"ES384"}},
		{"EC P-521", ecJWK(t, elliptic.P521()), []string{"ES512"}},
		{"OKP Ed25519", edJWK(), ed},
	} {
		k, _, err := parse(t, test.jwk.with(members{"alg": nil}))
		if err != nil || k.Alg != "" || !slices.Equal(k.Algorithms, test.fit) {
			t.Errorf("%s without alg: %+v, %v", test.kind, k, err)
		}
		for _, alg := range every {
			k, _, err := parse(t, test.jwk.with(members{"alg": alg}))
			if !slices.Contains(test.fit, alg) {
				wantReason(t, err, fmt.Sprintf("alg %q does not fit %s", alg, test.kind))
				continue
			}
			want := []string{alg}
			if slices.Contains(ed, alg) {
				want = ed
			}
			if err != nil || k.Alg != alg || !slices.Equal(k.Algorithms, want) {
				t.Errorf("%s with alg %q: %+v, %v", test.kind, alg, k, err)
			}
		}
		for _, absent := range []any{null, ""} {
			k, _, err := parse(t, test.jwk.with(members{"alg": absent}))
			if err != nil || k.Alg != "" || !slices.Equal(k.Algorithms, test.fit) {
				t.Errorf("%s with alg %q: %+v, %v", test.kind, absent, k, err)
			}
		}
		for _, alg := range []any{256, []string{test.fit[0]}} {
			_, _, err := parse(t, test.jwk.with(members{"alg": alg}))
			wantReason(t, err, "alg is not a string")
		}
	}
}

func TestAlgorithmsOfTwoKeysAreTwoSlices(t *testing.T) {
	for _, jwk := range []members{rsaJWK(), rsaJWK().with(members{"alg": nil}), edJWK()} {
		a, _, _ := parse(t, jwk)
		b, _, _ := parse(t, jwk)
		a.Algorithms = append(a.Algorithms, "x")
		a.Algorithms[0] = "none"
		if slices.Contains(b.Algorithms, "none") {
			t.Error("one key's algorithms are another's")
		}
	}
}

func TestPublishedSecretsRefuseTheEntry(t *testing.T) {
	const leak = "c2VjcmV0IG1hdGVyaWFs"
	bases := []members{rsaJWK(), ecJWK(t, elliptic.P256()), edJWK(), {"kty": "oct"}, {"kty": "unknown"}, {}}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"} {
		want := `private member "` + name + `" published`
		if name == "k" {
			want = `symmetric member "k" published`
		}
		for _, base := range bases {
			for _, v := range []any{leak, " ", 5, false, []string{leak}, []any{null}, []string{""}, members{}, members{"a": leak}} {
				_, _, err := parse(t, base.with(members{name: v}))
				wantReason(t, err, want)
			}
			// The reason comes first, whatever else is wrong.
			_, _, err := parse(t, base.with(members{name: leak, "kid": 5, "use": "enc", "alg": 5}))
			wantReason(t, err, want)
		}
	}
	_, kid, err := parse(t, `{"kid":"a","kty":"RSA","kty":"oct","k":"`+leak+`"}`)
	wantReason(t, err, `symmetric member "k" published`)
	if kid != "a" {
		t.Errorf("kid %q", kid)
	}
	for _, name := range []string{"D", "K", "Priv", "dx"} {
		if _, _, err := parse(t, rsaJWK().with(members{name: "AQAB"})); err != nil {
			t.Errorf("member %q: %v", name, err)
		}
	}
}

func TestReasonsHoldNoKeyMaterialAndAreOneLine(t *testing.T) {
	const mark = "c2VjcmV0" // stands in every value that is material
	for _, jwk := range []members{
		rsaJWK().with(members{"n": mark}),
		rsaJWK().with(members{"n": mark + "\n" + mark}),
		rsaJWK().with(members{"n": strings.Repeat(mark, 2000)}),
		rsaJWK().with(members{"e": mark}),
		rsaJWK().with(members{"e": strings.Repeat(mark, 20)}),
		ecJWK(t, elliptic.P256()).with(members{"x": mark}),
		ecJWK(t, elliptic.P256()).with(members{"y": strings.Repeat(mark, 5) + "AAA"}),
		ecJWK(t, elliptic.P256()).with(members{"y": strings.Repeat(mark, 5) + "\n\r?"}),
		edJWK().with(members{"x": mark}),
		edJWK().with(members{"x": strings.Repeat(mark, 5) + "AAA\n"}),
		{"kty": "AKP", "alg": "ML-DSA-44", "pub": mark},
		{"kty": "AKP", "alg": "ML-DSA-44", "priv": mark},
		{"kty": "oct", "k": mark},
	} {
		_, _, err := parse(t, jwk)
		if err == nil {
			t.Errorf("%v: no error", jwk)
			continue
		}
		if s := err.Error(); strings.Contains(s, mark) || strings.ContainsAny(s, "\r\n") || len(s) > 200 {
			t.Errorf("%v: reason %q", jwk, s)
		}
	}
}

func TestAKeyDoesNotHoldTheDocument(t *testing.T) {
	const size = 32 << 20
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	jwk := func() *Key {
		text := `{"kty":"RSA","kid":"k","use":"sig","alg":"RS256","e":"AQAB","n":"` + rsaJWK()["n"].(string) +
			`","key_ops":["verify","own"],"x5t":"` + strings.Repeat("t", size) + `","x5t#S256":"s","issuer":"i","z":"` + strings.Repeat("z", size) + `"}`
		k, _, err := parse(t, text)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+size/2 {
		t.Errorf("%d bytes are held", after.HeapAlloc-before.HeapAlloc)
	}
	runtime.KeepAlive(jwk)
}

func TestEqual(t *testing.T) {
	var keys []*Key
	for _, jwk := range []members{
		rsaJWK(), rsaJWK().with(members{"e": "Aw"}), ecJWK(t, elliptic.P256()), ecJWK(t, elliptic.P384()), edJWK(),
	} {
		k, _, err := parse(t, jwk)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	for i, a := range keys {
		for j, b := range keys {
			if got := Equal(a.Public, b.Public); got != (i == j) {
				t.Errorf("keys %d and %d: %v", i, j, got)
			}
		}
		if Equal(a.Public, nil) || Equal(nil, a.Public) || Equal([]byte("a"), a.Public) {
			t.Errorf("key %d equals what is no key", i)
		}
	}
	if Equal(nil, nil) {
		t.Error("nothing equals nothing")
	}
}
