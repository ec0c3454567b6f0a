package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
)

// exceptions are the JWS cases where this library does not do what Wycheproof
// says, each with the reason. A case that no longer deviates fails the test.
var exceptions = map[int]string{
	346: contradicts,
	347: unregistered,
	350: contradicts,
	351: unregistered,
}

const (
	contradicts = `labelled valid, though the JWK says alg PS256 and the token PS384: RFC 7517 section 4.4 makes "alg" the algorithm intended for use with the key, ` +
		`and RFC 8725 section 3.1 wants each key used with one only; RFC 7520, from which the token is, publishes the key without alg, and so it verifies`
	unregistered = `labelled valid, though the JWK says alg ES521, a slip for ES512 that is no registered algorithm: whether the key is meant for signatures cannot be told; ` +
		`RFC 7520, from which the token is, publishes the key without alg, and so it verifies`
)

// outcome counts what came of the cases.
type outcome struct {
	passed      int // the library does what the case says
	unsupported int // only symmetric keys: refused, whatever the case says
	exceptions  int // listed above
}

func (o outcome) String() string {
	return fmt.Sprintf("%d run: %d passed, %d unsupported (HMAC), %d exceptions",
		o.passed+o.unsupported+o.exceptions, o.passed, o.unsupported, o.exceptions)
}

// group is one group of cases of either file. A JsonWebSignature group has one
// key, a JsonWebKey group a whole key set; "public" is absent where all keys
// are symmetric.
type group struct {
	Comment string          `json:"comment"`
	Public  json.RawMessage `json:"public"`
	Private json.RawMessage `json:"private"`
	Tests   []struct {
		ID      int    `json:"tcId"`
		Comment string `json:"comment"`
		JWS     string `json:"jws"`
		Result  string `json:"result"`
	} `json:"tests"`
}

func groups(t *testing.T, file string) []group {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		TestGroups []group `json:"testGroups"`
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors.TestGroups
}

// document is the key set that an issuer would publish. Wycheproof leaves
// "public" out where a group has a symmetric key.
func (g *group) document() []byte {
	keys := g.Public
	if keys == nil {
		keys = g.Private
	}
	if g.isSet(keys) {
		return keys
	}
	return []byte(`{"keys":[` + string(keys) + `]}`)
}

func (*group) isSet(keys json.RawMessage) bool {
	var set struct {
		Keys json.RawMessage `json:"keys"`
	}
	return json.Unmarshal(keys, &set) == nil && set.Keys != nil
}

// symmetric says whether there is no key but secrets.
func (g *group) symmetric(t *testing.T) bool {
	t.Helper()
	var set struct {
		Keys []struct {
			Type string `json:"kty"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(g.document(), &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if k.Type != "oct" {
			return false
		}
	}
	return true
}

func TestWycheproofJSONWebSignature(t *testing.T) {
	got := runWycheproof(t, "json_web_signature_test.json", exceptions)
	if want := (outcome{passed: 357, unsupported: 40, exceptions: 4}); got != want {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func TestWycheproofJSONWebKey(t *testing.T) {
	got := runWycheproof(t, "json_web_key_test.json", nil)
	if want := (outcome{passed: 12, unsupported: 14}); got != want {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func runWycheproof(t *testing.T, file string, exceptions map[int]string) outcome {
	t.Helper()
	var counted outcome
	unused := len(exceptions)
	for _, g := range groups(t, file) {
		symmetric := g.symmetric(t)
		for _, c := range g.Tests {
			t.Run(fmt.Sprintf("%d %s", c.ID, c.Comment), func(t *testing.T) {
				if c.Result != "valid" && c.Result != "invalid" {
					t.Fatalf("result %q", c.Result)
				}
				v := signatureVerdict(t, g.document(), c.JWS)
				reason, excepted := exceptions[c.ID]
				switch right := v.accepted == (c.Result == "valid"); {
				case symmetric:
					counted.unsupported++
					if v.accepted {
						t.Error("accepted with a symmetric key")
					}
				case excepted:
					counted.exceptions++
					unused--
					if right {
						t.Errorf("no longer deviates, so take it from the list: %s", reason)
					}
				case !right:
					t.Errorf("%s, want %s (%s)", v, c.Result, g.Comment)
				default:
					counted.passed++
				}
				if v.accepted {
					wantForgeryRefused(t, g.document(), c.JWS)
				}
			})
		}
	}
	if unused != 0 {
		t.Errorf("%d exceptions name no case", unused)
	}
	t.Log(counted)
	return counted
}

// wantForgeryRefused controls an acceptance: with another signature of the
// same length the token must fail just there, so the signature did count.
func wantForgeryRefused(t *testing.T, document []byte, token string) {
	t.Helper()
	dot := strings.LastIndexByte(token, '.')
	forged := []byte(token)
	for i := dot + 1; i < dot+9; i++ { // the first octets: no stray bits there
		if forged[i] == 'A' {
			forged[i] = 'B'
		} else {
			forged[i] = 'A'
		}
	}
	v := signatureVerdict(t, document, string(forged))
	if v.accepted || !errors.Is(v.err, jwt.ErrTokenSignatureInvalid) {
		t.Errorf("with a forged signature: %s, want one that does not verify", v)
	}
}

// TestWycheproofKeysAreRefusedAsKeys: where a case is about the key, the key is
// what must be refused, whatever else is wrong with the token.
func TestWycheproofKeysAreRefusedAsKeys(t *testing.T) {
	for _, file := range []struct {
		name string
		ids  []int
	}{
		{"json_web_key_test.json", []int{6, 7, 8, 9, 19, 20, 21, 22, 23, 24}},
		{"json_web_signature_test.json", []int{353, 354, 355, 356}},
	} {
		found := 0
		for _, g := range groups(t, file.name) {
			for _, c := range g.Tests {
				if !slices.Contains(file.ids, c.ID) {
					continue
				}
				found++
				if _, err := jwks.ParseKeySet(g.document()); !errors.Is(err, jwks.ErrInvalidKeySet) {
					t.Errorf("%s %d %s: %v, want ErrInvalidKeySet", file.name, c.ID, c.Comment, err)
				}
			}
		}
		if found != len(file.ids) {
			t.Errorf("%s: %d cases found of %d", file.name, found, len(file.ids))
		}
	}
}

// TestWycheproofExceptionsAreAboutAlgAlone: without the "alg" that Wycheproof
// added to the keys of RFC 7520, the excepted tokens verify.
func TestWycheproofExceptionsAreAboutAlgAlone(t *testing.T) {
	for _, g := range groups(t, "json_web_signature_test.json") {
		for _, c := range g.Tests {
			if exceptions[c.ID] == "" {
				continue
			}
			var key map[string]any
			if err := json.Unmarshal(g.Public, &key); err != nil {
				t.Fatal(err)
			}
			delete(key, "alg")
			document, err := json.Marshal(map[string]any{"keys": []any{key}})
			if err != nil {
				t.Fatal(err)
			}
			if v := signatureVerdict(t, document, c.JWS); !v.accepted {
				t.Errorf("%d %s: %s", c.ID, c.Comment, v)
			}
		}
	}
}
