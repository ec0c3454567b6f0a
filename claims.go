package jwks

import (
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/strictjson"
)

// claims are the claims of a payload that this package reads (RFC 7519 section
// 4.1 and some of other profiles), as golang-jwt's Validator wants to see them.
// The strings are parts of text.
type claims struct {
	text          string
	iss, sub, jti string
	tid           string // Entra; "" unless a string
	aud           []string
	fewAudiences  [2]string // where aud lies when it is short
	exp, nbf, iat jwt.NumericDate
	has           timeClaims
	azp, clientID strictjson.Value // read by the policies that want them
	scope, scp    strictjson.Value
	absent        []string // of the claims that the verifier requires
}

// timeClaims says which of exp, nbf and iat are there.
type timeClaims struct{ exp, nbf, iat bool }

// read reads the payload: one JSON object without duplicates, names compared
// exactly, the registered claims of the types that RFC 7519 gives them. Only
// to be called once the signature was verified. Which of the required claims
// are absent, or null, is noted.
func (c *claims) read(text string, required []string) error {
	c.text = text
	var found []bool
	if len(required) > 0 {
		found = make([]bool, len(required))
	}
	var problem string
	members := strictjson.Object(text)
	for members.Next() {
		name, v := members.Name(), members.Value()
		if p := c.claim(name, v); p != "" && problem == "" {
			problem = name + p
		}
		for i := range required {
			if required[i] == name && v.Kind() != strictjson.Null {
				found[i] = true
			}
		}
	}
	if err := members.Err(); err != nil {
		return malformed("claims: " + err.Error())
	}
	if problem != "" {
		return malformedClaim(problem)
	}
	for i, ok := range found {
		if !ok {
			c.absent = append(c.absent, required[i])
		}
	}
	return nil
}

// claim reads one claim, and returns what is wrong with it.
func (c *claims) claim(name string, v strictjson.Value) (problem string) {
	ok := true
	switch name {
	case "iss":
		c.iss, ok = optionalString(v)
	case "sub":
		c.sub, ok = optionalString(v)
	case "jti":
		c.jti, ok = optionalString(v)
	case "aud":
		if c.aud, ok = c.audience(v); !ok {
			return " is neither a string nor an array of strings"
		}
	case "exp":
		c.has.exp = true
		return readDate(v, &c.exp)
	case "nbf":
		c.has.nbf = true
		return readDate(v, &c.nbf)
	case "iat":
		c.has.iat = true
		return readDate(v, &c.iat)
	case "tid":
		c.tid, _ = optionalString(v)
	case "azp":
		c.azp = v
	case "client_id":
		c.clientID = v
	case "scope":
		c.scope = v
	case "scp":
		c.scp = v
	}
	if !ok {
		return " is not a string"
	}
	return ""
}

func readDate(v strictjson.Value, to *jwt.NumericDate) (problem string) {
	var ok bool
	if to.Time, ok = numericDate(v); !ok {
		return " is not a number from 0 to 253402300799"
	}
	return ""
}

// audience reads RFC 7519 section 4.1.3: a string or an array of strings.
func (c *claims) audience(v strictjson.Value) ([]string, bool) {
	if v.Kind() != strictjson.Array {
		s, ok := optionalString(v)
		if !ok || v.Kind() == strictjson.Null {
			return nil, ok
		}
		c.fewAudiences[0] = s
		return c.fewAudiences[:1], true
	}
	return stringElements(v, c.fewAudiences[:0])
}

// stringElements appends the elements of an array, which must all be strings.
func stringElements(v strictjson.Value, to []string) ([]string, bool) {
	for elements := v.Elements(); elements.Next(); {
		s, err := elements.Value().Text()
		if err != nil {
			return nil, false
		}
		if len(to) == cap(to) {
			more := 1
			for rest := elements; rest.Next(); {
				more++
			}
			to = append(make([]string, 0, len(to)+more), to...)
		}
		to = append(to, s)
	}
	return to, true
}

// maxNumericDate is the last second of the year 9999: what time.Time can write
// in RFC 3339, and far from where arithmetic with it overflows.
const maxNumericDate = 253402300799

// numericDate reads RFC 7519 section 2: seconds since 1970, fractions allowed.
// They are read as decimals and cut at the nanosecond; a float64 would keep
// less than a microsecond. Anything but a number from 0 to maxNumericDate is
// refused, null too: what was meant to limit a token must not vanish.
func numericDate(v strictjson.Value) (time.Time, bool) {
	raw := v.Raw()
	if v.Kind() != strictjson.Number || raw[0] == '-' {
		return time.Time{}, false
	}
	seconds, nanos, ok := wholeSeconds(raw)
	if !ok {
		seconds, nanos, ok = decimalSeconds(raw)
	}
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(seconds, nanos).UTC(), true
}

// wholeSeconds reads what nearly all tokens have: digits and nothing else.
func wholeSeconds(raw string) (seconds, nanos int64, ok bool) {
	if len(raw) > len("253402300799") {
		return 0, 0, false
	}
	for i := range len(raw) {
		d := raw[i] - '0'
		if d > 9 {
			return 0, 0, false
		}
		seconds = seconds*10 + int64(d)
	}
	return seconds, 0, seconds <= maxNumericDate
}

// decimalSeconds reads a JSON number with a fraction, an exponent or both.
func decimalSeconds(raw string) (seconds, nanos int64, ok bool) {
	mantissa, exponent := raw, ""
	if i := strings.IndexAny(raw, "eE"); i >= 0 {
		mantissa, exponent = raw[:i], raw[i+1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	point := len(whole) + smallExponent(exponent) // where the point is among the digits
	digit := func(i int) int64 {
		switch {
		case i < 0 || i >= len(whole)+len(fraction):
			return 0
		case i < len(whole):
			return int64(whole[i] - '0')
		default:
			return int64(fraction[i-len(whole)] - '0')
		}
	}
	// Leading zeros are harmless: digits before the point that are not written
	// down can only follow, and a number that grows past the limit is refused.
	for i := 0; i < point; i++ {
		seconds = seconds*10 + digit(i)
		if seconds > maxNumericDate {
			return 0, 0, false
		}
		if seconds == 0 && i >= len(whole)+len(fraction) {
			break // 0e999
		}
	}
	for i := point; i < point+9; i++ {
		nanos = nanos*10 + digit(i)
	}
	if seconds == maxNumericDate { // not one nanosecond more, nor less than that
		for i := max(point, 0); i < len(whole)+len(fraction); i++ {
			if digit(i) != 0 {
				return 0, 0, false
			}
		}
	}
	return seconds, nanos, true
}

// smallExponent reads an exponent. Beyond any digits that a token could hold
// its size does not matter.
func smallExponent(s string) int {
	const huge = 1 << 27 // times 10 still an int of 32 bits
	negative := strings.HasPrefix(s, "-")
	n := 0
	for _, c := range strings.TrimLeft(s, "+-") {
		if n < huge {
			n = n*10 + int(c-'0')
		}
	}
	if negative {
		return -n
	}
	return n
}

// The methods of jwt.Claims. They hand out parts of c, which golang-jwt's
// Validator only reads.

func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) {
	return dateIf(c.has.exp, &c.exp), nil
}
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error)  { return dateIf(c.has.iat, &c.iat), nil }
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return dateIf(c.has.nbf, &c.nbf), nil }
func (c *claims) GetIssuer() (string, error)              { return c.iss, nil }
func (c *claims) GetSubject() (string, error)             { return c.sub, nil }
func (c *claims) GetAudience() (jwt.ClaimStrings, error)  { return c.aud, nil }

func dateIf(there bool, d *jwt.NumericDate) *jwt.NumericDate {
	if !there {
		return nil
	}
	return d
}

// timeless are claims that have no times, for WithoutTimeChecks.
type timeless struct{ *claims }

func (timeless) GetExpirationTime() (*jwt.NumericDate, error) { return nil, nil }
func (timeless) GetIssuedAt() (*jwt.NumericDate, error)       { return nil, nil }
func (timeless) GetNotBefore() (*jwt.NumericDate, error)      { return nil, nil }
