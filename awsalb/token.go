package awsalb

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/base64url"
	"github.com/seed-22400188/jwks/internal/claims"
	"github.com/seed-22400188/jwks/internal/compact"
	"github.com/seed-22400188/jwks/internal/fault"
	"github.com/seed-22400188/jwks/internal/show"
	"github.com/seed-22400188/jwks/internal/strictjson"
)

// maxSize is the limit of a token in bytes. The load balancer passes on at most
// 11 KiB of claims.
const maxSize = compact.DefaultMaxSize

// token is a token of the right form whose header was read. Nothing of it is
// verified.
type token struct {
	keyID, signer, issuer, client string
	expires                       time.Time

	signed    string // what the signature covers, padding included
	signature []byte
	payload   json.RawMessage // not looked at
}

// open opens a token: size, form, header, algorithm.
func open(data string) (*token, error) {
	if len(data) > maxSize {
		return nil, fault.Invalid("it has "+strconv.Itoa(len(data))+" bytes, want at most "+strconv.Itoa(maxSize), jwks.ErrTokenTooLarge)
	}
	segments := strings.SplitN(data, ".", 4)
	if data == "" {
		return nil, fault.Malformed("it is empty: the load balancer sends it in the header x-amzn-oidc-data")
	}
	if len(segments) != 3 {
		return nil, fault.Malformed("it has " + show.Count(strings.Count(data, ".")+1, "segment") + ", want 3")
	}
	var decoded [3][]byte
	for i, name := range [...]string{"header", "payload", "signature"} {
		var ok bool
		if decoded[i], ok = decodePadded(segments[i]); !ok {
			return nil, fault.Malformed("the " + name + " is not base64url with padding (RFC 4648 section 5)")
		}
	}
	t := &token{signed: data[:len(segments[0])+1+len(segments[1])], payload: decoded[1], signature: decoded[2]}
	if err := t.readHeader(string(decoded[0])); err != nil {
		return nil, err
	}
	return t, nil
}

// decodePadded decodes a segment as load balancers write it: base64url with all
// of its padding, so that it has exactly one text. Tokens of issuers have none
// (RFC 7515 section 2), which is why their reader is another one.
func decodePadded(segment string) ([]byte, bool) {
	if segment == "" || len(segment)%4 != 0 {
		return nil, false
	}
	bare := strings.TrimSuffix(strings.TrimSuffix(segment, "="), "=")
	decoded := make([]byte, base64url.DecodedLen(len(bare)))
	return decoded, base64url.Decode(decoded, bare)
}

// readHeader reads the header. Parameters that are not named here are ignored.
func (t *token) readHeader(text string) error {
	var alg, exp strictjson.Value
	var algorithm, critical, wrong string
	members := strictjson.Object(text)
	for members.Next() {
		ok := true
		switch name, v := members.Name(), members.Value(); name {
		case "alg":
			alg = v
			algorithm, ok = v.OptionalText()
		case "kid":
			t.keyID, ok = v.OptionalText()
		case "signer":
			t.signer, ok = v.OptionalText()
		case "iss":
			t.issuer, ok = v.OptionalText()
		case "client":
			t.client, ok = v.OptionalText()
		case "exp":
			exp = v
		case "crit", "b64": // RFC 7515 section 4.1.11: no extension is understood
			critical = name
		}
		if !ok && wrong == "" {
			wrong = members.Name()
		}
	}
	switch err := members.Err(); {
	case err != nil:
		return fault.Malformed("header: " + err.Error())
	case critical != "":
		return compact.UnsupportedCritical(critical)
	case wrong != "":
		return fault.Malformed("header: " + wrong + " is not a string")
	case alg.Kind() != strictjson.String:
		return fault.Malformed("header: alg is missing")
	case algorithm != "ES256":
		return fault.Invalid("alg is "+show.Quote(algorithm)+`, want "ES256"`, jwks.ErrAlgorithmNotAllowed)
	case exp.Kind() == strictjson.Absent:
		return fault.Invalid(jwt.ErrTokenRequiredClaimMissing.Error()+": exp is required in the header",
			jwt.ErrTokenRequiredClaimMissing, jwt.ErrTokenInvalidClaims)
	}
	var ok bool
	if t.expires, ok = claims.NumericDate(exp); !ok {
		return fault.Malformed("header: exp is not a number of seconds since 1970 (RFC 7519 section 2)")
	}
	return nil
}

// foreignSigner says that another load balancer signed, or nobody says which.
func foreignSigner(signer string) error {
	if signer == "" {
		return fault.Invalid("header: signer is missing, want the ARN of a load balancer", jwks.ErrIssuerNotTrusted)
	}
	return fault.Invalid("signed by the load balancer "+show.QuotePlace(signer)+", which is not one of those that were given", jwks.ErrIssuerNotTrusted)
}

// checkKeyID accepts a UUID (RFC 9562 section 4) and so nothing that could bend
// the URL it becomes part of.
func checkKeyID(id string) error {
	if len(id) == 36 {
		ok := true
		for i, c := range []byte(id) {
			if i == 8 || i == 13 || i == 18 || i == 23 {
				ok = ok && c == '-'
			} else {
				ok = ok && ('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F')
			}
		}
		if ok {
			return nil
		}
	}
	return fault.Malformed("header: kid " + show.Quote(id) + " is not a UUID")
}
