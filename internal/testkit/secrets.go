package testkit

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// telling is how many bytes of a secret give it away.
const telling = 16

// Secrets knows texts that nobody may show, whole or in part, in any of the
// spellings that programs write bytes in. The zero value knows none.
type Secrets struct {
	parts map[int]map[string]string // by length: a part, to the name of its secret
	short map[string]string         // whole spellings of short secrets
	first [1 << 18]uint64           // bits of hashes of what parts begin with: most texts are done with at these
}

// Add makes a text a secret, and where it is base64url what it encodes too. The
// name is for [Secrets.Find].
func (s *Secrets) Add(name, secret string) {
	s.add(name, secret)
	for segment := range strings.SplitSeq(secret, ".") {
		if decoded, err := base64.RawURLEncoding.DecodeString(segment); err == nil && len(decoded) >= telling {
			s.add(name, string(decoded))
		}
	}
}

// AddToken makes a token a secret: its text and its signature. What it says is
// none: reports and pages show claims.
func (s *Secrets) AddToken(name, token string) {
	s.add(name, token)
	s.Add("the signature of "+name, token[strings.LastIndexByte(token, '.')+1:])
}

func (s *Secrets) add(name, text string) {
	if s.parts == nil {
		s.parts, s.short = make(map[int]map[string]string), make(map[string]string)
	}
	for _, spelling := range spellings(text) {
		width := telling * max(1, len(spelling)/len(text))
		if len(spelling) < width {
			s.short[spelling] = name
		}
		for i := 0; i+width <= len(spelling); i++ {
			if s.parts[width] == nil {
				s.parts[width] = make(map[string]string)
			}
			s.parts[width][spelling[i:i+width]] = name
			word, bit := hash(spelling[i:])
			s.first[word] |= 1 << bit
		}
	}
}

// hash is where the bit of the first eight bytes of a text is.
func hash(text string) (word, bit uint64) {
	h := binary.LittleEndian.Uint64([]byte(text[:8])) * 0x9e3779b97f4a7c15 >> 40
	return h >> 6, h & 63
}

// Find returns the name of a secret that text holds a part of, and that part;
// both are "" when there is none.
func (s *Secrets) Find(text string) (name, part string) {
	for i := 0; i+telling <= len(text); i++ {
		if word, bit := hash(text[i:]); s.first[word]>>bit&1 == 0 {
			continue
		}
		for width, parts := range s.parts {
			if i+width > len(text) {
				continue
			}
			if name, ok := parts[text[i:i+width]]; ok {
				return name, text[i : i+width]
			}
		}
	}
	for short, name := range s.short {
		if strings.Contains(text, short) {
			return name, short
		}
	}
	return "", ""
}

// spellings are the ways in which programs write some bytes.
func spellings(text string) []string {
	b := []byte(text)
	quoted, _ := json.Marshal(text) // a string cannot fail
	inner := func(quoted string) string { return quoted[1 : len(quoted)-1] }
	return []string{
		text,
		inner(strconv.Quote(text)),
		inner(strconv.QuoteToASCII(text)),
		inner(string(quoted)),
		url.QueryEscape(text),
		url.PathEscape(text),
		base64.RawStdEncoding.EncodeToString(b),
		base64.RawURLEncoding.EncodeToString(b),
		hex.EncodeToString(b),
		strings.ToUpper(hex.EncodeToString(b)),
		inner(fmt.Sprintf("[% x]", b)),
		inner(fmt.Sprint(b)), // [97 98]
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte{"), "}"),
	}
}

// Prints is a value under every verb of fmt, and as JSON.
func Prints(v any) string {
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%T", "%p"} {
		fmt.Fprintf(&out, verb+"\n", v)
	}
	if b, err := json.Marshal(v); err == nil {
		out.Write(b)
	}
	return out.String()
}
