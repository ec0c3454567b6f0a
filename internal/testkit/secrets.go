package testkit

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// gram is how many characters of a secret give it away.
const gram = 16

// Secrets knows texts that nobody may show, whole or in part, in any of the
// spellings that programs write bytes in.
type Secrets struct {
	grams map[string]string // a part, to the name of its secret
	short map[string]string // whole spellings shorter than a part
}

// Add makes a text a secret, and where it is base64url what it encodes too. The
// name is for [Secrets.Find].
func (s *Secrets) Add(name, secret string) {
	if s.grams == nil {
		s.grams, s.short = make(map[string]string), make(map[string]string)
	}
	texts := []string{secret}
	for segment := range strings.SplitSeq(secret, ".") {
		if decoded, err := base64.RawURLEncoding.DecodeString(segment); err == nil && len(decoded) >= gram {
			texts = append(texts, string(decoded))
		}
	}
	for _, text := range texts {
		for _, spelling := range spellings(text) {
			if len(spelling) < gram {
				s.short[spelling] = name
			}
			for i := 0; i+gram <= len(spelling); i++ {
				s.grams[spelling[i:i+gram]] = name
			}
		}
	}
}

// AddToken makes a token a secret: its text and its signature. What it says is
// none: reports and pages show claims.
func (s *Secrets) AddToken(name, token string) {
	if s.grams == nil {
		s.grams, s.short = make(map[string]string), make(map[string]string)
	}
	s.Add(name+"'s signature", token[strings.LastIndexByte(token, '.')+1:])
	for _, spelling := range spellings(token) {
		for i := 0; i+gram <= len(spelling); i++ {
			s.grams[spelling[i:i+gram]] = name
		}
	}
}

// Find returns the name of a secret that text holds a part of, and that part;
// both are "" when there is none.
func (s *Secrets) Find(text string) (name, part string) {
	for i := 0; i+gram <= len(text); i++ {
		if name, ok := s.grams[text[i:i+gram]]; ok {
			return name, text[i : i+gram]
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
