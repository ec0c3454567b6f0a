package conformance

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// mint makes tokens and key sets, honest ones and others. Headers and payloads
// are texts, so that they can be what no library would write.
type mint struct {
	rsa, otherRSA, weakRSA *rsa.PrivateKey
	p256, p384, p521       *ecdsa.PrivateKey
	ed                     ed25519.PrivateKey
}

var theMint = sync.OnceValue(func() *mint {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return &mint{
		rsa:      must1(rsa.GenerateKey(rand.Reader, 2048)),
		otherRSA: must1(rsa.GenerateKey(rand.Reader, 2048)),
		weakRSA:  must1(rsa.GenerateKey(rand.Reader, 1024)),
		p256:     must1(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		p384:     must1(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		p521:     must1(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		ed:       ed,
	}
})

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func must1[T any](v T, err error) T {
	must(err)
	return v
}

// key is the private key for an algorithm.
func (m *mint) key(alg string) crypto.Signer {
	switch alg {
	case "ES256":
		return m.p256
	case "ES384":
		return m.p384
	case "ES512":
		return m.p521
	case "EdDSA", "Ed25519":
		return m.ed
	}
	return m.rsa
}

// method is golang-jwt's, with the salt of RFC 7518 section 3.5.
func method(alg string) jwt.SigningMethod {
	switch m := jwt.GetSigningMethod(alg).(type) {
	case *jwt.SigningMethodRSAPSS:
		return &jwt.SigningMethodRSAPSS{SigningMethodRSA: m.SigningMethodRSA, Options: &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}}
	case nil: // Ed25519
		return jwt.SigningMethodEdDSA
	default:
		return m
	}
}

// kid is the ID under which the ordinary key set has the key for an algorithm.
func kid(alg string) string { return "k-" + alg }

// header is an ordinary header, with more members after it.
func header(alg string, more ...string) string {
	return `{"alg":"` + alg + `","kid":"` + kid(alg) + `","typ":"JWT"` + joined(more) + `}`
}

func joined(more []string) string {
	var b strings.Builder
	for _, m := range more {
		b.WriteString("," + m)
	}
	return b.String()
}

// at is a time as a claim: so many seconds from now.
func at(seconds int64) string { return strconv.FormatInt(now.Unix()+seconds, 10) }

// claims is an ordinary payload with changes: `"aud":…` replaces a member,
// "aud" alone leaves it out, and what is new is added.
func claims(changes ...string) string {
	names := []string{"iss", "sub", "aud", "iat", "exp"}
	members := map[string]string{
		"iss": `"iss":"` + issuer + `"`, "sub": `"sub":"user"`, "aud": `"aud":"` + audience + `"`,
		"iat": `"iat":` + at(-60), "exp": `"exp":` + at(600),
	}
	var added []string
	for _, c := range changes {
		name, _, there := strings.Cut(strings.TrimPrefix(c, `"`), `"`)
		_, ordinary := members[name]
		switch {
		case !there:
			delete(members, c)
		case ordinary:
			members[name] = c
		default:
			added = append(added, c)
		}
	}
	var all []string
	for _, name := range names {
		if m, ok := members[name]; ok {
			all = append(all, m)
		}
	}
	return "{" + strings.Join(append(all, added...), ",") + "}"
}

// sign signs two texts with the key for an algorithm.
func (m *mint) sign(alg, header, payload string) string {
	return signWith(method(alg), m.key(alg), encoded(header)+"."+encoded(payload))
}

// token is an ordinary token with other claims.
func (m *mint) token(changes ...string) string {
	return m.sign("RS256", header("RS256"), claims(changes...))
}

// headed is an ordinary token with another header.
func (m *mint) headed(header string) string { return m.sign("RS256", header, claims()) }

func signWith(method jwt.SigningMethod, key crypto.Signer, signed string) string {
	return signed + "." + encoded(must1(method.Sign(signed, key)))
}

// parts cuts a token into its segments.
func parts(token string) (header, payload, signature string) {
	s := strings.Split(token, ".")
	return s[0], s[1], s[2]
}

// jwk publishes a key. alg may be "".
func jwk(public crypto.PublicKey, kid, alg string) string {
	return string(must1(jose.JSONWebKey{Key: public, KeyID: kid, Use: "sig", Algorithm: alg}.MarshalJSON()))
}

// entry is the ordinary JWK for an algorithm.
func (m *mint) entry(alg string) string { return jwk(m.key(alg).Public(), kid(alg), alg) }

// published are the algorithms of the ordinary key set.
var published = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// ordinary is the key set of most trials: a key for each algorithm, and more.
func (m *mint) ordinary(more ...string) string {
	var entries []string
	for _, alg := range published {
		entries = append(entries, m.entry(alg))
	}
	return string(keySet(append(entries, more...)...))
}

// beside is a key set of the RS256 key and others before it.
func (m *mint) beside(entries ...string) string {
	return string(keySet(append(entries, m.entry("RS256"))...))
}

// edit changes members of a JWK: a nil value takes one out.
func edit(entry string, changes map[string]any) string {
	var members map[string]any
	must(json.Unmarshal([]byte(entry), &members))
	for name, value := range changes {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	return string(must1(json.Marshal(members)))
}

func member(entry, name string) string {
	var members map[string]any
	must(json.Unmarshal([]byte(entry), &members))
	return members[name].(string)
}

// rawECDSA signs with any hash, and pads r and s to any size.
func rawECDSA(key *ecdsa.PrivateKey, hash crypto.Hash, size int, signed string) []byte {
	h := hash.New()
	h.Write([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
	must(err)
	b := make([]byte, 2*size)
	r.FillBytes(b[:size])
	s.FillBytes(b[size:])
	return b
}

// rocaKey is the vulnerable key of Wycheproof, with which a token can be
// signed like with any other.
func rocaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	for _, g := range groups(t, "json_web_key_test.json") {
		if g.Comment != "jws_rsa_roca_key" {
			continue
		}
		var set struct{ Keys []map[string]string }
		must(json.Unmarshal(g.Private, &set))
		number := func(name string) *big.Int {
			return new(big.Int).SetBytes(must1(base64.RawURLEncoding.DecodeString(set.Keys[0][name])))
		}
		key := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: number("n"), E: int(number("e").Int64())},
			D:         number("d"), Primes: []*big.Int{number("p"), number("q")},
		}
		key.Precompute()
		return key
	}
	t.Fatal("Wycheproof has no ROCA key")
	return nil
}

// otherS is an ES256 token with (r, n-s), which verifies as (r, s) does.
func (m *mint) otherS() string {
	token := m.sign("ES256", header("ES256"), claims())
	h, p, s := parts(token)
	b := must1(base64.RawURLEncoding.DecodeString(s))
	other := new(big.Int).Sub(m.p256.Params().N, new(big.Int).SetBytes(b[32:]))
	other.FillBytes(b[32:])
	return h + "." + p + "." + encoded(b)
}

// strayBits sets the lowest bit of the last letter, which encodes nothing.
func strayBits(s string) string {
	if len(s)%4 == 0 {
		panic("no bits are left over")
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, s[len(s)-1])
	return s[:len(s)-1] + alphabet[last|1:last|1+1]
}

// standardAlphabet is a token whose signature is written with + and /.
func (m *mint) standardAlphabet() string {
	h, p, s := parts(m.token())
	if !strings.ContainsAny(s, "-_") {
		panic("a signature of 256 octets without - and _") // once in 50,000 times
	}
	return h + "." + p + "." + strings.NewReplacer("-", "+", "_", "/").Replace(s)
}

// confused is a token with HS256 whose secret is something that everybody
// knows, under the kid of the RS256 key.
func (m *mint) confused(secret []byte) string {
	signed := encoded(`{"alg":"HS256","kid":"k-RS256"}`) + "." + encoded(claims())
	return signed + "." + encoded(must1(jwt.SigningMethodHS256.Sign(signed, secret)))
}

func (m *mint) symmetric(secret string) string {
	signed := encoded(header("HS256")) + "." + encoded(claims())
	return signed + "." + encoded(must1(jwt.SigningMethodHS256.Sign(signed, []byte(secret))))
}

func (m *mint) publicDER() []byte { return must1(x509.MarshalPKIXPublicKey(m.rsa.Public())) }

func (m *mint) publicPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: m.publicDER()})
}

// stranger is a token of a key that is not in the set, which offers that key.
func (m *mint) stranger(offer string) string {
	return signWith(jwt.SigningMethodRS256, m.otherRSA, encoded(header("RS256", offer))+"."+encoded(claims()))
}

// twoRSA is a key set of which a token without kid means no key in particular.
func (m *mint) twoRSA() string {
	return string(keySet(jwk(m.otherRSA.Public(), "a", "RS256"), jwk(m.rsa.Public(), "b", "RS256")))
}

// asn1 is an ES256 token with the signature that crypto/ecdsa writes.
func (m *mint) asn1() string {
	signed := encoded(header("ES256")) + "." + encoded(claims())
	sum := sha256.Sum256([]byte(signed))
	return signed + "." + encoded(must1(ecdsa.SignASN1(rand.Reader, m.p256, sum[:])))
}

// shortR is an ES256 token whose r has a leading zero octet, left out.
func (m *mint) shortR() string {
	signed := encoded(header("ES256")) + "." + encoded(claims())
	for {
		if b := rawECDSA(m.p256, crypto.SHA256, 32, signed); b[0] == 0 {
			return signed + "." + encoded(b[1:])
		}
	}
}

// certificate is of the key that is in no set, in the form of an x5c.
func (m *mint) certificate() string {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now, NotAfter: now.AddDate(1, 0, 0)}
	return base64.StdEncoding.EncodeToString(must1(x509.CreateCertificate(rand.Reader, template, template, m.otherRSA.Public(), m.otherRSA)))
}
