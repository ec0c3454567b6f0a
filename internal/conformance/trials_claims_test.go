package conformance

import (
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

const (
	numericDate = "RFC 7519 section 2: a NumericDate is a JSON number; what was meant to limit a token must not vanish"
	uniqueClaim = "RFC 7519 section 4: names must be unique; two readers must not see two tokens"
	exactClaim  = "RFC 7519 section 4: names are compared exactly"
	audienceIs  = "RFC 7519 section 4.1.3: a string or an array of strings"
)

func claimTrials(m *mint) []trial {
	past, future := at(-3600), at(3600)
	return []trial{
		{name: "exp an hour ago", refused: jwt.ErrTokenExpired, token: m.token(`"exp":` + past), rule: "expired"},
		{name: "exp is now", refused: jwt.ErrTokenExpired, token: m.token(`"exp":` + at(0)), rule: "RFC 7519 section 4.1.4: on or after exp it is expired",
			differ: []difference{{goOIDC, "it is valid for one instant more"}}},
		{name: "exp missing", refused: jwt.ErrTokenRequiredClaimMissing, token: m.token("exp"), rule: "it would be valid for ever"},
		{name: "exp is null", refused: jwt.ErrTokenMalformed, token: m.token(`"exp":null`), rule: numericDate},
		{name: "exp is a string", refused: jwt.ErrTokenMalformed, token: m.token(`"exp":"` + future + `"`), rule: numericDate,
			differ: []difference{{others, stringTime}}},
		{name: "exp is an empty string", refused: jwt.ErrTokenMalformed, token: m.token(`"exp":""`), rule: numericDate},
		{name: "exp is true", refused: jwt.ErrTokenMalformed, token: m.token(`"exp":true`), rule: numericDate},
		{name: "exp is 1e300", refused: jwt.ErrTokenMalformed, byProcessor: true, token: m.token(`"exp":1e300`), rule: "beyond the year 9999"},
		{name: "exp is 2^63", refused: jwt.ErrTokenMalformed, byProcessor: true, token: m.token(`"exp":9223372036854775808`), rule: "beyond the year 9999"},
		{name: "exp is in milliseconds", refused: jwt.ErrTokenMalformed, token: m.token(`"exp":` + future + `000`), rule: "beyond the year 9999: a slip that makes a token last for ever",
			differ: []difference{{others, farFuture}}},
		{name: "exp is negative", refused: jwt.ErrTokenMalformed, token: m.token(`"exp":-1`), rule: "expired, or not a time at all"},
		{name: "exp twice, the past one first", refused: jwt.ErrTokenMalformed, token: m.token(`"exp":`+past, `"x":0,"exp":`+future), rule: uniqueClaim,
			differ: []difference{{others, lastWins}}},
		{name: "exp twice, once with an escape", refused: jwt.ErrTokenMalformed, token: m.token(`"exp":`+past, `"e\u0078p":`+future), rule: uniqueClaim,
			differ: []difference{{others, lastWins}}},
		{name: "exp in the past and EXP in the future", refused: jwt.ErrTokenExpired, token: m.token(`"exp":`+past, `"EXP":`+future), rule: exactClaim,
			differ: []difference{{withKeyfunc | goOIDC, anyCase}}},
		{name: "EXP for exp", refused: jwt.ErrTokenRequiredClaimMissing, token: m.token("exp", `"EXP":`+future), rule: exactClaim,
			differ: []difference{{withKeyfunc | goOIDC, anyCase}}},
		{name: "nbf in an hour", refused: jwt.ErrTokenNotValidYet, token: m.token(`"nbf":` + future), rule: "RFC 7519 section 4.1.5: not yet valid"},
		{name: "nbf in two minutes", refused: jwt.ErrTokenNotValidYet, token: m.token(`"nbf":` + at(120)), rule: "RFC 7519 section 4.1.5: not yet valid, as no leeway is configured",
			differ: []difference{{goOIDC, "nbf has five minutes of leeway that cannot be changed"}}},
		{name: "nbf is null", refused: jwt.ErrTokenMalformed, token: m.token(`"nbf":null`), rule: numericDate,
			differ: []difference{{withKeyfunc | goOIDC, nullTime}}},
		{name: "nbf is a string", refused: jwt.ErrTokenMalformed, token: m.token(`"nbf":"` + future + `"`), rule: numericDate},
		{name: "nbf is 1e300", refused: jwt.ErrTokenMalformed, byProcessor: true, token: m.token(`"nbf":1e300`), rule: "beyond the year 9999: never valid",
			differ: []difference{{withKeyfunc | goOIDC, overflows}}},
		{name: "nbf is -1e300", refused: jwt.ErrTokenMalformed, byProcessor: true, token: m.token(`"nbf":-1e300`), rule: "not a time",
			differ: []difference{{withKeyfunc | goOIDC, "it counts as long ago"}}},
		{name: "iat in an hour", refused: jwt.ErrTokenUsedBeforeIssued, token: m.token(`"iat":` + future), rule: "issued in the future, so one of the clocks is wrong or the token is",
			differ: []difference{{goOIDC, "iat is not compared with the clock"}}},
		{name: "iat is null", refused: jwt.ErrTokenMalformed, token: m.token(`"iat":null`), rule: numericDate,
			differ: []difference{{withKeyfunc, nullTime}}},
		{name: "iat is a string", refused: jwt.ErrTokenMalformed, token: m.token(`"iat":"` + past + `"`), rule: numericDate,
			differ: []difference{{others, stringTime}}},
		{name: "iat is 1e300", refused: jwt.ErrTokenMalformed, byProcessor: true, token: m.token(`"iat":1e300`), rule: "beyond the year 9999",
			differ: []difference{{withKeyfunc, overflows}, {goOIDC, "iat is not compared with the clock"}}},
		{name: "iat missing", token: m.token("iat"), rule: "RFC 7519 section 4.1.6: optional"},
		{name: "aud is another", refused: jwt.ErrTokenInvalidAudience, token: m.token(`"aud":"https://other.example"`), rule: "RFC 7519 section 4.1.3: for somebody else"},
		{name: "aud missing", refused: jwt.ErrTokenRequiredClaimMissing, token: m.token("aud"), rule: "RFC 8725 section 3.9"},
		{name: "aud is null", refused: jwt.ErrTokenRequiredClaimMissing, token: m.token(`"aud":null`), rule: "RFC 8725 section 3.9"},
		{name: "aud is an empty array", refused: jwt.ErrTokenInvalidAudience, token: m.token(`"aud":[]`), rule: "RFC 8725 section 3.9"},
		{name: "aud is an empty string", refused: jwt.ErrTokenRequiredClaimMissing, token: m.token(`"aud":""`), rule: "RFC 8725 section 3.9"},
		{name: "aud has this audience and a number", refused: jwt.ErrTokenMalformed, token: m.token(`"aud":["` + audience + `",5]`), rule: audienceIs},
		{name: "aud is an array in an array", refused: jwt.ErrTokenMalformed, token: m.token(`"aud":[["` + audience + `"]]`), rule: audienceIs},
		{name: "aud is an object", refused: jwt.ErrTokenMalformed, token: m.token(`"aud":{"` + audience + `":true}`), rule: audienceIs},
		{name: "aud is the audience with a slash", refused: jwt.ErrTokenInvalidAudience, token: m.token(`"aud":"` + audience + `/"`), rule: "compared byte for byte"},
		{name: "aud is the audience in upper case", refused: jwt.ErrTokenInvalidAudience, token: m.token(`"aud":"` + strings.ToUpper(audience) + `"`), rule: "compared byte for byte"},
		{name: "aud twice, this audience last", refused: jwt.ErrTokenMalformed, token: m.token(`"aud":"https://other.example"`, `"x":0,"aud":"`+audience+`"`), rule: uniqueClaim,
			differ: []difference{{others, lastWins}}},
		{name: "AUD for aud", refused: jwt.ErrTokenRequiredClaimMissing, token: m.token("aud", `"AUD":"`+audience+`"`), rule: exactClaim,
			differ: []difference{{withKeyfunc | goOIDC, anyCase}}},
		{name: "iss is another", refused: jwt.ErrTokenInvalidIssuer, token: m.token(`"iss":"https://attacker.example"`), rule: "RFC 8725 section 3.8"},
		{name: "iss missing", refused: jwt.ErrTokenRequiredClaimMissing, token: m.token("iss"), rule: "RFC 8725 section 3.8"},
		{name: "iss is null", refused: jwt.ErrTokenRequiredClaimMissing, token: m.token(`"iss":null`), rule: "RFC 8725 section 3.8"},
		{name: "iss is an array with the issuer", refused: jwt.ErrTokenMalformed, token: m.token(`"iss":["` + issuer + `"]`), rule: "RFC 7519 section 4.1.1: a string"},
		{name: "iss with a slash after it", refused: jwt.ErrTokenInvalidIssuer, token: m.token(`"iss":"` + issuer + `/"`), rule: "RFC 8725 section 3.8: compared byte for byte"},
		{name: "iss twice, the good one last", refused: jwt.ErrTokenMalformed, token: m.token(`"iss":"https://attacker.example"`, `"x":0,"iss":"`+issuer+`"`), rule: uniqueClaim,
			differ: []difference{{others, lastWins}}},
		{name: "ISS for iss", refused: jwt.ErrTokenRequiredClaimMissing, token: m.token("iss", `"ISS":"`+issuer+`"`), rule: exactClaim,
			differ: []difference{{withKeyfunc | goOIDC, anyCase}}},
		{name: "sub is a number", refused: jwt.ErrTokenMalformed, token: m.token(`"sub":5`), rule: "RFC 7519 section 4.1.2: a string"},
		{name: "sub twice", refused: jwt.ErrTokenMalformed, token: m.token(`"sub":"user"`, `"x":0,"sub":"admin"`), rule: uniqueClaim,
			differ: []difference{{others, "the last one wins: a reader of the first sees another user"}}},
		{name: "sub and SUB", token: m.token(`"sub":"user"`, `"SUB":"admin"`), rule: exactClaim + ": sub is user, SUB is nothing known",
			differ: []difference{{withKeyfunc | goOIDC, anyCase}}},
		{name: "the payload is null", refused: jwt.ErrTokenMalformed, token: m.sign("RS256", header("RS256"), `null`), rule: "RFC 7519 section 7.2: a JSON object"},
		{name: "the payload is an array", refused: jwt.ErrTokenMalformed, token: m.sign("RS256", header("RS256"), `[`+claims()+`]`), rule: "RFC 7519 section 7.2: a JSON object"},
		{name: "the payload is an empty object", refused: jwt.ErrTokenRequiredClaimMissing, token: m.sign("RS256", header("RS256"), `{}`), rule: "nothing that is required is there"},
		{name: "something after the payload's object", refused: jwt.ErrTokenMalformed, token: m.sign("RS256", header("RS256"), claims()+`{"aud":"x"}`), rule: "RFC 7519 section 7.2: a JSON object",
			differ: []difference{{withJWX, trailing}}},
		{name: "a NUL after the payload's object", refused: jwt.ErrTokenMalformed, token: m.sign("RS256", header("RS256"), claims()+"\x00"), rule: "RFC 7519 section 7.2: a JSON object",
			differ: []difference{{withJWX, trailing}}},
		{name: "a byte order mark before the payload", refused: jwt.ErrTokenMalformed, token: m.sign("RS256", header("RS256"), "\ufeff"+claims()), rule: "RFC 8259 section 8.1: must not be added"},
		{name: "the payload is not UTF-8", refused: jwt.ErrTokenMalformed, token: m.token("\"name\":\"\xff\""), rule: "RFC 7519 section 7.2: UTF-8; another reader sees another text",
			differ: []difference{{others, anyUTF8}}},
		{name: "the payload is nested 100 deep", refused: jwt.ErrTokenMalformed, token: m.token(`"x":` + nested(100)), rule: "deeper than 64",
			differ: []difference{{others, noDepth}}},
	}
}

// nested is an array in an array, and so on.
func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
