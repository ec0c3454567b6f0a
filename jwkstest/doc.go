// Package jwkstest provides a fake token issuer for tests of services that verify
// JSON Web Tokens, as net/http/httptest provides a fake web server. The issuer publishes a
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
// [Issuer.HTTPClient] reaches the issuer in memory, without a socket, port or
// goroutine, so it works inside a testing/synctest bubble, where an hour
// passes in no time. [Issuer.Handler] serves the same documents on a real
// socket, for code whose HTTP client cannot be replaced.
//
// # Keys
//
// Private keys are reused by later issuers of the same
// process, because making an RSA key takes longer than the rest of a test. Open issuers
// never share a key, so a token of one issuer never verifies with another's key. The key
// IDs of every issuer are k1, k2 and so on, because a verifier must not confuse keys with
// the same ID from different issuers.
//
// Use these keys only in tests: nothing here protects a private key.
package jwkstest
