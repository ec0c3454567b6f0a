package interop

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// keyID reads the kid of a token's header.
func keyID(t *testing.T, token string) string {
	t.Helper()
	header, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	var h struct {
		KeyID string `json:"kid"`
	}
	if err := json.Unmarshal(text, &h); err != nil || h.KeyID == "" {
		t.Fatalf("the token's header has no kid: %v", err)
	}
	return h.KeyID
}

// forged is the token with another signature of the same length and form.
func forged(token string) string {
	at := strings.LastIndex(token, ".") + 10
	other := byte('A')
	if token[at] == other {
		other = 'B'
	}
	return token[:at] + string(other) + token[at+1:]
}
