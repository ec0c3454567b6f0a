package conformance

import (
	"testing"
)

// trial is one token under one key set.
type trial struct {
	name  string
	keys  string // the document; "" is the ordinary one
	token string
	// wanted is the typ that the program wants; "" is any.
	wanted string
	// refused is the error with which this library refuses; nil accepts.
	refused error
	rule    string // why
	// byProcessor marks verdicts of others that are not the same on all
	// processors. The table has those of amd64.
	byProcessor bool
	// differ says who else says otherwise, and why that matters or does not.
	// Whoever is not named agrees.
	differ []difference
}

type difference struct {
	who judges
	why string
}

// section is a part of the table.
type section struct {
	title  string
	trials []trial
}

func sections(t *testing.T) []section {
	m := theMint()
	return []section{
		{"Good tokens", goodTrials(m)},
		{"Form", formTrials(m)},
		{"Header", headerTrials(m)},
		{"Keys and signatures", keyTrials(t, m)},
		{"Claims", claimTrials(m)},
		{"Key sets, with an ordinary RS256 token", setTrials(m)},
	}
}

func goodTrials(m *mint) []trial {
	var all []trial
	for _, alg := range published {
		all = append(all, trial{
			name: alg, token: m.sign(alg, header(alg), claims()), rule: "RFC 7518 section 3.1, RFC 8037 section 3.1",
		})
	}
	return append(all,
		trial{name: "Ed25519, the full name of EdDSA", keys: string(keySet(jwk(m.ed.Public(), kid("Ed25519"), "Ed25519"))),
			token: m.sign("Ed25519", header("Ed25519"), claims()), rule: "RFC 9864 section 2.2",
			differ: []difference{{withKeyfunc, loseAlg}, {goOIDC, "go-jose has no algorithm of this name yet: a token of an up-to-date issuer is refused"}}},
		trial{name: "Ed25519 in the token, EdDSA in the JWK", keys: string(keySet(jwk(m.ed.Public(), kid("Ed25519"), "EdDSA"))),
			token: m.sign("Ed25519", header("Ed25519"), claims()), rule: "RFC 9864 section 2.2: one algorithm of two names",
			differ: []difference{{withKeyfunc, loseAlg}, {goOIDC, "go-jose has no algorithm of this name yet: a token of an up-to-date issuer is refused"}}},
		trial{name: "a JWK without alg, as Entra, Auth0 and Cognito publish", keys: string(keySet(jwk(m.rsa.Public(), kid("RS256"), ""))),
			token: m.token(), rule: "RFC 7517 section 4.4: alg is optional",
			differ: []difference{{withJWX, "alg is wanted in the JWK unless jws.WithInferAlgorithmFromKey(true) is given: tokens of large issuers are refused"}}},
		trial{name: "a token and its key without kid", keys: string(keySet(jwk(m.p256.Public(), "", "ES256"))),
			token: m.sign("ES256", `{"alg":"ES256"}`, claims()), rule: "RFC 7515 section 4.1.4: kid is optional",
			differ: []difference{{withJWX, "kid is wanted unless jws.WithRequireKid(false) is given"}}},
		trial{name: "a token without kid, where one key allows its alg", token: m.sign("ES384", `{"alg":"ES384"}`, claims()), rule: "RFC 7515 section 4.1.4: kid is optional",
			differ: []difference{{withJWX, "kid is wanted unless jws.WithRequireKid(false) is given"}}},
		trial{name: "ECDSA (r, n-s) for (r, s)", token: m.otherS(), rule: "ECDSA admits both; a signature is never an identity"},
		trial{name: "header parameters jku, x5u, jwk of a stranger", rule: "they are never read, so they do no harm",
			token: m.headed(header("RS256", `"jku":"https://attacker.example/jwks"`, `"x5u":"https://attacker.example/x5u"`, `"jwk":`+jwk(m.otherRSA.Public(), "x", "RS256")))},
		trial{name: "aud is an array with this audience", token: m.token(`"aud":["https://other.example","` + audience + `"]`), rule: "RFC 7519 section 4.1.3"},
		trial{name: "exp with a fraction", token: m.token(`"exp":` + at(600) + `.5`), rule: "RFC 7519 section 2: non-integer values can be represented"},
		trial{name: "exp with an exponent", token: m.token(`"exp":1.8e9`), rule: "RFC 8259 section 6: that is a number too"},
	)
}
