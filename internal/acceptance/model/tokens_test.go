package model

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Materials are made once per process and are the same in each, so that a
// scenario is the same in each.

var materials = struct {
	sync.Mutex
	keys    map[int]ed25519.PrivateKey
	numbers map[string]int // by public key
	tokens  map[string]string
}{keys: map[int]ed25519.PrivateKey{}, numbers: map[string]int{}, tokens: map[string]string{}}

// material is the private key with a number.
func material(mat int) ed25519.PrivateKey {
	materials.Lock()
	defer materials.Unlock()
	k := materials.keys[mat]
	if k == nil {
		seed := sha256.Sum256([]byte("material " + strconv.Itoa(mat)))
		k = ed25519.NewKeyFromSeed(seed[:])
		materials.keys[mat] = k
		materials.numbers[string(k.Public().(ed25519.PublicKey))] = mat
	}
	return k
}

// numberOf is the number of a public key; false for one that nobody here has.
func numberOf(public any) (int, bool) {
	k, _ := public.(ed25519.PublicKey)
	materials.Lock()
	defer materials.Unlock()
	mat, ok := materials.numbers[string(k)]
	return mat, ok
}

func kidText(kid int) string {
	if kid == none {
		return ""
	}
	return "kid-" + strconv.Itoa(kid)
}

func kidNumber(text string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(text, "kid-"))
	if err != nil {
		return none
	}
	return n
}

const audience = "api"

// bubbleStart is when every bubble's clock starts.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// tokenFor signs a token. exp counts from the start of the bubble; 0 is in
// 2100.
func tokenFor(issuer string, k key, exp time.Duration) string {
	id := fmt.Sprint(issuer, " ", k, " ", exp)
	materials.Lock()
	token, ok := materials.tokens[id]
	materials.Unlock()
	if ok {
		return token
	}
	head := map[string]any{"alg": "EdDSA", "typ": "JWT"}
	if k.kid != none {
		head["kid"] = kidText(k.kid)
	}
	end := time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	if exp != 0 {
		end = bubbleStart.Add(exp)
	}
	signed := segment(head) + "." + segment(map[string]any{"iss": issuer, "aud": audience, "sub": "somebody", "exp": end.Unix()})
	token = signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(material(k.mat), []byte(signed)))
	materials.Lock()
	defer materials.Unlock()
	if k.kid < junk { // those of a flood are used once
		materials.tokens[id] = token
	}
	return token
}

func segment(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// entry is one JWK of a document.
type entry struct {
	key
	spoilt bool // its coordinates are cut short
}

// document is a key set as its issuer published it.
type document struct {
	entries []entry
	number  int           // counts the versions of one issuer
	since   time.Duration // when it was published
}

// body is the JSON of a document.
func (d *document) body() []byte {
	keys := make([]map[string]any, 0, len(d.entries))
	for _, e := range d.entries {
		x := []byte(material(e.mat).Public().(ed25519.PublicKey))
		if e.spoilt {
			x = x[:31]
		}
		jwk := map[string]any{"kty": "OKP", "crv": "Ed25519", "use": "sig", "x": base64.RawURLEncoding.EncodeToString(x)}
		if e.kid != none {
			jwk["kid"] = kidText(e.kid)
		}
		keys = append(keys, jwk)
	}
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return text
}

// usable lists the keys that can be used.
func (d *document) usable() []key {
	if d == nil {
		return nil
	}
	var keys []key
	for _, e := range d.entries {
		if !e.spoilt {
			keys = append(keys, e.key)
		}
	}
	return keys
}
