package dpop_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-22400188/jwks/dpop"
	"github.com/seed-22400188/jwks/jwkstest"
)

// Each proof of these tests is right but for the one thing that its name says,
// and the same request with a right proof is served before and after it.

// must refuses a proof as section 4.3 says, in a service without other requests.
func must(t *testing.T, text string, opts []dpop.Option, proofs func(w *world) []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, opts...)
		w.wantServed(t, w.send(w.proof()), "a right proof before")
		bad := proofs(w)
		secrets := append(strings.Split(w.token, "."), w.key.Thumbprint(), "the-jti", "the-nonce")
		for _, p := range bad {
			secrets = append(secrets, p)
			secrets = append(secrets, strings.Split(p, ".")...)
		}
		w.wantRefused(t, w.send(bad...), "invalid_dpop_proof", text, secrets...)
		w.wantServed(t, w.send(w.proof()), "a right proof after")
	})
}

func one(proof func(w *world) string) func(w *world) []string {
	return func(w *world) []string { return []string{proof(w)} }
}

func changed(opts ...jwkstest.ProofOption) func(w *world) []string {
	return one(func(w *world) string { return w.proof(append(opts, jwkstest.WithProofClaim("jti", "the-jti"))...) })
}

func TestMust01_OneHeaderField(t *testing.T) {
	must(t, "2 header fields DPoP", nil, func(w *world) []string { return []string{w.proof(), w.proof()} })
	must(t, "no header field DPoP", nil, func(*world) []string { return nil })
}

func TestMust02_WellFormedJWT(t *testing.T) {
	for name, change := range map[string]func(proof string) string{
		"no JWT":           func(string) string { return "eyJub3RoaW5nIjoxfQ" },
		"empty":            func(string) string { return "" },
		"two segments":     func(p string) string { return p[:strings.LastIndexByte(p, '.')] },
		"four segments":    func(p string) string { return p + ".AAAA" },
		"padding":          func(p string) string { return p + "==" },
		"the header alone": func(p string) string { return p[:strings.IndexByte(p, '.')] },
		"an empty payload": func(p string) string {
			return p[:strings.IndexByte(p, '.')] + ".." + p[strings.LastIndexByte(p, '.')+1:]
		},
		"no signature": func(p string) string { return p[:strings.LastIndexByte(p, '.')+1] },
		"two joined":   func(p string) string { return p + "," + p },
		"a space":      func(p string) string { return p[:20] + " " + p[20:] },
	} {
		t.Run(name, func(t *testing.T) {
			// Once with a header that was seen before, and once with a new one.
			must(t, "not a well-formed JWT", nil, one(func(w *world) string { return change(w.proof()) }))
			must(t, "not a well-formed JWT", nil, one(func(w *world) string { return change(w.proof(jwkstest.WithProofHeader("x", "y"))) }))
		})
	}
	must(t, "longer than 16 KiB", nil, changed(jwkstest.WithProofClaim("x", strings.Repeat("x", 16<<10))))
	must(t, "not a well-formed JWT", nil, changed(jwkstest.WithProofHeader("crit", []string{"x"})))
}

func TestMust03_RequiredClaims(t *testing.T) {
	for _, name := range []string{"jti", "htm", "htu", "iat", "ath"} {
		t.Run(name, func(t *testing.T) {
			must(t, "its "+name+" is missing", nil, one(func(w *world) string { return w.proof(jwkstest.WithProofClaim(name, nil)) }))
			must(t, "its "+name+" is of the wrong type", nil, one(func(w *world) string { return w.proof(jwkstest.WithProofClaim(name, []string{"x"})) }))
		})
	}
	must(t, "its jti is missing", nil, one(func(w *world) string { return w.proof(jwkstest.WithProofClaim("jti", "")) }))
	must(t, "its iat is of the wrong type", nil, one(func(w *world) string { return w.proof(jwkstest.WithProofClaim("iat", json.RawMessage("null"))) }))
	must(t, "its iat is of the wrong type", nil, one(func(w *world) string { return w.proof(jwkstest.WithProofClaim("iat", json.RawMessage("1e300"))) }))
	must(t, "its nonce is of the wrong type", nil, changed(jwkstest.WithProofClaim("nonce", 7)))
}

// No two readers may come to two proofs.
func TestMust03_NoClaimTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		key := newRawKey(t)
		w.token = w.issuer.Sign(map[string]any{"aud": "api", "cnf": map[string]any{"jkt": key.jkt}})
		sum := sha256.Sum256([]byte(w.token))
		claims := fmt.Sprintf(`"jti":"%%s","htm":"GET","htu":%q,"iat":%d,"ath":%q`, target, time.Now().Unix(), base64.RawURLEncoding.EncodeToString(sum[:]))
		header := `{"typ":"dpop+jwt","alg":"ES256","jwk":` + key.jwk + `}`
		twice := `{"typ":"dpop+jwt","alg":"ES256","jwk":` + key.jwk + `,"jwk":` + key.jwk + `}`
		w.wantServed(t, w.send(key.sign(t, header, "{"+fmt.Sprintf(claims, "1")+"}")), "none twice")
		w.wantRefused(t, w.send(key.sign(t, header, "{"+fmt.Sprintf(claims, "2")+`,"htm":"GET"}`)), "invalid_dpop_proof", "without duplicates")
		w.wantRefused(t, w.send(key.sign(t, header, "["+fmt.Sprintf("%q", "3")+"]")), "invalid_dpop_proof", "not a JSON object")
		w.wantRefused(t, w.send(key.sign(t, twice, "{"+fmt.Sprintf(claims, "4")+"}")), "invalid_dpop_proof", "not a well-formed JWT")
		w.wantServed(t, w.send(key.sign(t, header, "{"+fmt.Sprintf(claims, "2")+"}")), "a jti that was refused before")
	})
}

func TestMust04_Type(t *testing.T) {
	for _, typ := range []any{nil, "", "JWT", "at+jwt", "DPOP+JWT", "application/dpop+jwt"} {
		must(t, "its typ is not dpop+jwt", nil, changed(jwkstest.WithProofHeader("typ", typ)))
	}
}

func TestMust05_AsymmetricAlgorithm(t *testing.T) {
	for _, alg := range []string{"none", "HS256", "HS512", "ES256K", "es256"} {
		must(t, "its alg is not one that is allowed here", nil, changed(jwkstest.WithProofHeader("alg", alg)))
	}
	must(t, "not a well-formed JWT", nil, changed(jwkstest.WithProofHeader("alg", nil)))

	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, dpop.WithAlgorithms("PS256", "EdDSA"))
		w.wantRefused(t, w.send(w.proof()), "invalid_dpop_proof", "its alg is not one that is allowed here")
		for _, alg := range []string{"PS256", "EdDSA", "Ed25519"} { // two names of one algorithm
			w.key = jwkstest.NewProofKey(alg)
			w.token = w.bound(w.key)
			w.wantServed(t, w.send(w.proof()), alg)
		}
	})
}

func TestMust06_SignatureVerifies(t *testing.T) {
	other := jwkstest.NewProofKey("ES256")
	must(t, "its signature does not verify", nil, one(func(w *world) string {
		return other.Proof("GET", target, w.token, jwkstest.WithProofHeader("jwk", w.key.JWK()))
	}))
	must(t, "its signature does not verify", nil, one(func(w *world) string {
		return other.Proof("GET", target, w.token, jwkstest.WithProofHeader("jwk", w.key.JWK()), jwkstest.WithProofHeader("x", "new"))
	}))
	must(t, "its signature does not verify", nil, one(func(w *world) string { // of another payload
		a, b := w.proof(), w.proof()
		return a[:strings.LastIndexByte(a, '.')] + b[strings.LastIndexByte(b, '.'):]
	}))
}

func TestMust07_PublicKey(t *testing.T) {
	must(t, "its jwk is not a public key", nil, one(func(w *world) string { return w.proof(jwkstest.WithProofHeader("jwk", w.key.PrivateJWK())) }))
	for name, jwk := range map[string]string{
		"symmetric":  `{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}`,
		"short RSA":  `{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("x", 170) + `w"}`,
		"off curve":  `{"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}`,
		"encryption": `{"kty":"EC","use":"enc","crv":"P-256","x":"AA","y":"AA"}`,
		"empty":      `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			must(t, "its jwk is not a public key", nil, changed(jwkstest.WithProofHeader("jwk", json.RawMessage(jwk))))
		})
	}
	must(t, "no jwk that is an object", nil, changed(jwkstest.WithProofHeader("jwk", nil)))
	must(t, "no jwk that is an object", nil, changed(jwkstest.WithProofHeader("jwk", "text")))
	must(t, "its jwk is not a key for its alg", nil, changed(jwkstest.WithProofHeader("jwk", jwkstest.NewProofKey("RS256").JWK())))
	must(t, "its jwk is not a key for its alg", nil, changed(jwkstest.WithProofHeader("alg", "ES384")))
}

func TestMust08_Method(t *testing.T) {
	for _, method := range []string{"POST", "get", "HEAD"} {
		must(t, `not the method of the request, "GET"`, nil, changed(jwkstest.WithProofClaim("htm", method)))
	}
}

func TestMust09_URL(t *testing.T) {
	for _, htu := range []string{
		"http://api.example/other", "http://api.example/things/", "http://api.example/Things", "https://api.example/things",
		"http://api.example:8080/things", "http://other.example/things", "http://api.example.evil.example/things", "http://api.example", "/things",
		"//api.example/things", "things", "http://user@api.example/things", "http:api.example/things", "http://api.example/thing%73%00", "http://api.example//things", "::",
	} {
		must(t, "its htu is not the URL of the request", nil, changed(jwkstest.WithProofClaim("htu", htu)))
	}
}

func TestMust09_EquivalentURLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, htu := range []string{
			"http://api.example/things", "HTTP://API.Example/things", "http://api.example:80/things", "http://api.example:/things",
			"http://api.example/things?x=1", "http://api.example/things#part", "http://api.example/things?#", "http://api.example/%74hings",
			"http://api.example/a/../things", "http://api.example/./things", "http://api.example/%2e%2E/things",
		} {
			w.wantServed(t, w.send(w.proof(jwkstest.WithProofClaim("htu", htu))), htu)
		}
		r := httptest.NewRequest("GET", target+"?page=2", nil)
		r.Header.Set("Authorization", "DPoP "+w.token)
		r.Header.Set("DPoP", w.proof())
		w.wantServed(t, w.serve(r), "a request with a query")
	})
}

func TestMust10_Nonce(t *testing.T) {
	secret := []byte("a secret of thirty-two bytes or so")
	synctest.Test(t, func(t *testing.T) {
		foreign := newWorld(t, dpop.WithNonces([]byte("another secret of thirty-two bytes or so"), time.Minute))
		w := newWorld(t, dpop.WithNonces(secret, time.Minute))
		w.needNonce(t, jwkstest.WithNonce(foreign.needNonce(t)))
		w.needNonce(t, jwkstest.WithNonce(""))
		first := w.needNonce(t)
		for range 2 { // a nonce is for any number of proofs
			rec := w.send(w.proof(jwkstest.WithNonce(first)))
			w.wantServed(t, rec, "the nonce that was given out")
			if rec.Header().Get("DPoP-Nonce") != "" {
				t.Errorf("another nonce for one that is current: %v", rec.Header())
			}
		}
		w.wantRefused(t, w.send(w.proof(jwkstest.WithNonce(first), jwkstest.WithProofClaim("htm", "PUT"))), "invalid_dpop_proof", "its htm")
	})
}

func TestSection8_NonceServesTwoPeriods(t *testing.T) {
	secret := []byte("a secret of thirty-two bytes or so")
	synctest.Test(t, func(t *testing.T) {
		w, replica := newWorld(t, dpop.WithNonces(secret, time.Minute)), newWorld(t, dpop.WithNonces(secret, time.Minute))
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute))) // a period begins
		first := w.needNonce(t)
		if replica.needNonce(t) != first {
			t.Error("replicas with one secret have different nonces")
		}
		clear(secret) // it was copied
		time.Sleep(2*time.Minute - time.Nanosecond)
		rec := w.send(w.proof(jwkstest.WithNonce(first)))
		w.wantServed(t, rec, "a nonce of the last period")
		next := rec.Header().Get("DPoP-Nonce")
		if next == "" || next == first || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v: want the current nonce in an answer that no cache keeps", rec.Header())
		}
		r := request("DPoP "+w.token, w.proof(jwkstest.WithNonce(first)))
		r.Header.Set("Origin", "https://page.example")
		if rec := w.serve(r); rec.Header().Get("Access-Control-Expose-Headers") != "DPoP-Nonce" {
			t.Errorf("a page of another origin may not read the nonce: %v", rec.Header())
		}
		time.Sleep(time.Nanosecond)
		if w.needNonce(t, jwkstest.WithNonce(first)) == next {
			t.Error("the third period has the nonce of the second")
		}
		w.wantServed(t, w.send(w.proof(jwkstest.WithNonce(next))), "the nonce that came with an answer")
	})
}

// needNonce sends a proof that must not pass for want of a nonce, and returns
// the one that comes.
func (w *world) needNonce(t testing.TB, opts ...jwkstest.ProofOption) string {
	t.Helper()
	rec := w.send(w.proof(opts...))
	w.wantRefused(t, rec, "use_dpop_nonce", "it needs a nonce")
	nonces := rec.Header().Values("DPoP-Nonce")
	if len(nonces) != 1 || nonces[0] == "" || rec.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%v: want one DPoP-Nonce and no-store", rec.Header())
	}
	if strings.Contains(w.err.Error(), nonces[0]) {
		t.Errorf("the nonce stands in %v", w.err)
	}
	return nonces[0]
}

func TestMust11_TimeWindow(t *testing.T) {
	at := func(d time.Duration) []jwkstest.ProofOption {
		return []jwkstest.ProofOption{jwkstest.WithProofClaim("iat", time.Now().Add(d))}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.wantServed(t, w.send(w.proof(at(-60*time.Second)...)), "60 s old")
		w.wantServed(t, w.send(w.proof(at(5*time.Second)...)), "5 s ahead")
		w.wantRefused(t, w.send(w.proof(at(-61*time.Second)...)), "invalid_dpop_proof", "issued 1m1s ago by its iat, want at most 1m0s")
		w.wantRefused(t, w.send(w.proof(at(6*time.Second)...)), "invalid_dpop_proof", "issued 6s ahead by its iat, want at most 5s")
		w.wantRefused(t, w.send(w.proof(jwkstest.WithProofClaim("iat", 0))), "invalid_dpop_proof", "ago by its iat")
		w = newWorld(t, dpop.WithMaxAge(10*time.Second))
		w.wantServed(t, w.send(w.proof(at(-10*time.Second)...)), "10 s old")
		w.wantRefused(t, w.send(w.proof(at(-11*time.Second)...)), "invalid_dpop_proof", "want at most 10s")
	})
}

func TestMust12_TokenHashAndKey(t *testing.T) {
	must(t, "its ath is not the hash of the token", nil, one(func(w *world) string {
		return w.key.Proof("GET", target, w.issuer.Sign(map[string]any{"aud": "api", "cnf": w.key.Confirmation(), "jti": "another"}))
	}))
	must(t, "not the key that the token is bound to", nil, one(func(w *world) string {
		return jwkstest.NewProofKey("ES256").Proof("GET", target, w.token)
	}))
}

func TestSection71_Schemes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		unbound := w.issuer.Sign(map[string]any{"aud": "api"})

		w.wantRefused(t, w.serve(request("Bearer "+w.token, w.proof())), "invalid_token", "not sent with the scheme DPoP")
		w.wantRefused(t, w.serve(request("Bearer "+w.token)), "invalid_token", "not sent with the scheme DPoP")
		w.wantRefused(t, w.serve(request("DPoP "+unbound, w.key.Proof("GET", target, unbound))), "invalid_token", "not bound to a DPoP key")
		w.wantRefused(t, w.serve(request("DPoP "+unbound)), "invalid_token", "not bound to a DPoP key")
		w.wantServed(t, w.serve(request("Bearer "+unbound)), "Bearer beside DPoP")
		w.wantServed(t, w.serve(request("dpop   "+w.token, w.proof())), "the scheme in another case")

		rec := w.serve(request(""))
		got := rec.Header().Values("WWW-Authenticate")
		const algs = `algs="RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519`
		if rec.Code != 401 || len(got) != 2 || !strings.HasPrefix(got[0], "DPoP "+algs) || got[1] != "Bearer" {
			t.Errorf("without credentials: %d %q", rec.Code, got)
		}
	})
}

func TestSection111_Replay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		proof := w.proof(jwkstest.WithProofClaim("jti", "the-jti"))
		w.wantServed(t, w.send(proof), "for the first time")
		w.wantRefused(t, w.send(proof), "invalid_dpop_proof", "it was used before", proof, "the-jti")
		w.wantRefused(t, w.send(w.proof(jwkstest.WithProofClaim("jti", "the-jti"), jwkstest.WithProofClaim("x", 1))), "invalid_dpop_proof", "it was used before")

		other := jwkstest.NewProofKey("ES256") // its jti are its own
		w.key, w.token = other, w.bound(other)
		w.wantServed(t, w.send(w.proof(jwkstest.WithProofClaim("jti", "the-jti"))), "another key's")

		late := w.proof(jwkstest.WithProofClaim("iat", time.Now().Add(5*time.Second)))
		w.wantServed(t, w.send(late), "5 s ahead")
		time.Sleep(65 * time.Second)
		w.wantRefused(t, w.send(late), "invalid_dpop_proof", "it was used before") // at the last moment of its window
		time.Sleep(time.Second)
		w.wantRefused(t, w.send(late), "invalid_dpop_proof", "ago by its iat")
	})
}
