package testkit

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
)

// PayloadPlus is an ordinary payload with more JSON after its last claim.
func PayloadPlus(more string) string {
	return strings.TrimSuffix(Payload(nil), "}") + more + "}"
}

// PayloadJSON is an ordinary payload with the JSON of some claims replaced.
func PayloadJSON(claims map[string]string) string {
	all := map[string]any{}
	for name, text := range claims {
		all[name] = json.RawMessage(text)
	}
	return Payload(all)
}

// Segment encodes a text as a segment of a token.
func Segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// Payload is the payload of an ordinary token: for [Issuer] and [Audience], from
// [Now] for an hour. claims replace and add members; a nil one removes a member.
func Payload(claims map[string]any) string {
	all := map[string]any{"iss": Issuer, "sub": "user", "aud": Audience, "iat": Now, "exp": Now + 3600}
	for name, value := range claims {
		if value == nil {
			delete(all, name)
		} else {
			all[name] = value
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// JSONNull is a claim that is present and null.
var JSONNull = json.RawMessage("null")

// Quote writes a text as a JSON string.
func Quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// JSONNumber is a number with exactly these digits.
func JSONNumber(text string) json.RawMessage { return json.RawMessage(text) }

// Base64URLAlphabet is that of RFC 4648 section 5, in order.
const Base64URLAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// PadMod3 appends spaces until the length modulo 3 is rest. With 1, base64 has
// four unused bits. With 0 it is whole quads, and a line break after them lets
// encoding/base64 fill the buffer that the length asks for.
func PadMod3(json string, rest int) string {
	for len(json)%3 != rest {
		json += " "
	}
	return json
}

// Mutate changes one place of a token, or combines it with one of others.
func Mutate(r *rand.Rand, token string, others []string) string {
	at := r.IntN(len(token) + 1)
	characters := Base64URLAlphabet + "..==+/ \r\n\t\x00é\xff"
	c := string(characters[r.IntN(len(characters))])
	switch r.IntN(10) {
	case 0, 1: // a bit
		if at < len(token) {
			return token[:at] + string([]byte{token[at] ^ 1<<r.IntN(8)}) + token[at+1:]
		}
	case 2, 3: // a character for another
		if at < len(token) {
			return token[:at] + c + token[at+1:]
		}
	case 4: // a character more
		return token[:at] + c + token[at:]
	case 5: // a character less
		if at < len(token) {
			return token[:at] + token[at+1:]
		}
	case 6: // cut
		return token[:at]
	case 7: // a character at the end
		return token + c
	case 8: // a segment of another token
		a, b := strings.Split(token, "."), strings.Split(others[r.IntN(len(others))], ".")
		i := r.IntN(min(len(a), len(b)))
		a[i] = b[i]
		return strings.Join(a, ".")
	case 9: // the last character before a dot: the bits that encode nothing
		if dot := strings.IndexByte(token[at:], '.'); dot > 0 {
			return token[:at+dot-1] + c + token[at+dot:]
		}
	}
	return token + c
}

// ManyMembers is about n bytes of short JSON members, each after a comma.
func ManyMembers(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(`,"` + strconv.FormatInt(int64(i), 36) + `":0`)
	}
	return b.String()
}
