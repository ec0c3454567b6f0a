// Package jwkstest is a fake token issuer for tests of services that verify
// JSON Web Tokens, as net/http/httptest is a fake web server. It publishes a
// discovery document (OpenID Connect Discovery 1.0 section 4) and a key set
// (RFC 7517), signs tokens, rotates its keys, and misbehaves on demand.
//
//	func TestHandler(t *testing.T) {
//		issuer := jwkstest.New(t)
//		verifier := issuer.Verifier(t, jwks.WithAudience("my-api"))
//		token := issuer.Sign(map[string]any{"aud": "my-api", "sub": "alice"})
//		if _, err := verifier.Verify(t.Context(), token); err != nil {
//			t.Error(err)
//		}
//	}
//
// [Issuer.HTTPClient] reaches the issuer in memory: no socket, no port, no
// goroutine, so it works inside a testing/synctest bubble, where a cache's
// hour passes in no time. [Issuer.Handler] serves the same documents on a real
// socket for code whose HTTP client cannot be replaced.
//
// # Keys
//
// Private keys are made once and used again by later issuers of the same
// process, because making an RSA key costs more than the rest of a test. No two
// open issuers and no two keys of one issuer share a key, so a token of one
// issuer never verifies under another's key. The key IDs of every issuer are k1, k2
// and so on: equal IDs of different issuers are what a verifier has to
// tell apart.
//
// These keys belong in tests only: nothing here protects a private key.
package jwkstest
