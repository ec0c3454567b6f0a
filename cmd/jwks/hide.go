package main

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"sync"
)

// hider keeps tokens and signatures out of what the program writes. Nothing
// writes one on purpose; this is for tokens in the wrong place, such as the value
// of a flag that an error quotes, or a token inside another's claims.
type hider struct {
	mu     sync.Mutex
	tokens []string
}

// hidden stands where a token was.
const hidden = "(a token, not shown)"

// add hides a token, whatever its form, and longer parts of it.
func (h *hider) add(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tokens = append(h.tokens, token)
}

// addFrom hides all that look like tokens in the words of a command line.
func (h *hider) addFrom(words ...string) {
	for _, word := range words {
		for _, found := range tokenLike.FindAllString(word, -1) {
			if isToken(found) {
				h.add(strings.TrimLeft(found, "-"))
			}
		}
	}
}

var (
	// tokenLike is the form of a token, and of some host names.
	tokenLike = regexp.MustCompile(`[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{8,}`)
	// partLike is the form of a part of a token that is long enough to be told
	// from other words.
	partLike = regexp.MustCompile(`[A-Za-z0-9_.-]{20,}`)
)

// clean returns text without tokens, and without parts of those that are known:
// texts are cut.
func (h *hider) clean(text string) string {
	text = tokenLike.ReplaceAllStringFunc(text, func(found string) string {
		if isToken(found) {
			return hidden
		}
		return found
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.tokens) == 0 {
		return text
	}
	return partLike.ReplaceAllStringFunc(text, h.cleanPart)
}

func (h *hider) cleanPart(part string) string {
	for _, token := range h.tokens {
		signature := token[strings.LastIndexByte(token, '.')+1:]
		switch {
		case strings.Contains(token, part):
			return hidden
		case len(signature) >= 16 && strings.Contains(part, signature):
			return strings.ReplaceAll(part, signature, hidden)
		}
	}
	return part
}

// isToken tells a token from a host name. In a flag there are dashes before it.
func isToken(text string) bool { return isHeader(strings.TrimLeft(firstSegment(text), "-")) }

// isHeader says whether a text is the header of a token, as opposed to the
// first label of a host name.
func isHeader(text string) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	var header map[string]any
	return err == nil && json.Unmarshal(b, &header) == nil
}

// writer cleans what is written to w. Each Write must be a whole text.
func (h *hider) writer(w io.Writer) io.Writer { return hidingWriter{h, w} }

type hidingWriter struct {
	hider *hider
	w     io.Writer
}

func (w hidingWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(w.w, w.hider.clean(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
