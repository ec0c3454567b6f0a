package jwks

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRewriteLocal_KeepsPathAndQuery(t *testing.T) {
	tests := []struct{ place, says, want string }{
		{"http://localhost/d", "https://sso.example/a/b?c=d", "http://localhost/a/b?c=d"},
		{"http://localhost:8080/d", "https://sso.example:8443/a", "http://localhost:8080/a"},
		{"https://keycloak/d", "http://localhost:8080/a", "https://keycloak/a"},
		{"http://keycloak.:80/d", "http://localhost/a", "http://keycloak.:80/a"},
		{"http://idp.localhost/d", "http://localhost/a", "http://idp.localhost/a"},
		{"http://127.0.0.9/d", "http://localhost/a", "http://127.0.0.9/a"},
		{"http://[::1]:80/d", "http://localhost/a", "http://[::1]:80/a"},
		{"http://10.0.0.1/d", "http://localhost/a", "http://10.0.0.1/a"},
		{"http://172.31.0.1/d", "http://localhost/a", "http://172.31.0.1/a"},
		{"http://192.168.1.1/d", "http://localhost/a", "http://192.168.1.1/a"},
		{"http://[fd00::1]/d", "http://localhost/a", "http://[fd00::1]/a"},
		{"http://localhost:8080/d", "http://localhost:9090/a", "http://localhost:8080/a"},
		{"http://localhost/d", "http://sso.example/a%2Fb?q=%20#frag", "http://localhost/a%2Fb?q=%20"},
		{"http://localhost/d", "https://u:p@sso.example/a", "http://localhost/a"},
		{"http://localhost/d", "https://sso.example", "http://localhost"},
		// Not rewritten:
		{"http://localhost/d", "http://LOCALHOST/a", "http://LOCALHOST/a"},
		{"http://localhost/d", "https://localhost/a", "https://localhost/a"},
		{"https://sso.example/d", "http://localhost/a", "http://localhost/a"},
		{"https://8.8.8.8/d", "http://localhost/a", "http://localhost/a"},
		{"http://172.32.0.1/d", "http://localhost/a", "http://localhost/a"},
		{"http://notlocalhost.example/d", "http://localhost/a", "http://localhost/a"},
		{"http://localhost/d", "/a", "/a"},
		{"http://localhost/d", "jwks.json", "jwks.json"},
		{"http://localhost/d", "mailto:a@b", "mailto:a@b"},
		{"http://localhost/d", "http://bad host/", "http://bad host/"},
		{"http://localhost/d", "", ""},
	}
	for _, test := range tests {
		if got := rewriteLocal(test.says, test.place, ""); got != test.want {
			t.Errorf("rewriteLocal(%q, %q) = %q, want %q", test.says, test.place, got, test.want)
		}
	}
}

// Whatever the document, reading it ends in metadata with both members or in
// an error of the right class that quotes little; and encoding/json agrees.
func FuzzParseMetadata(f *testing.F) {
	for _, seed := range []string{
		`{"issuer":"https://a.example","jwks_uri":"https://a.example/k"}`,
		`{"issuer":"https://a.example","jwks_url":"https:\/\/a.example/k","id_token_signing_alg_values_supported":["RS256",1]}`,
		`{"issuer":null,"jwks_uri":"\ud800"}`, `{"issuer":"a","jwks_uri":"b","x":[33e333331]}`, `null`, `[]`, "\xef\xbb\xbf{}", `{"issuer":"a","issuer":"b"}`, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		m, err := parseMetadata(document)
		if err != nil {
			if m != nil || !errors.Is(err, ErrInvalidMetadata) || !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrTokenInvalid) {
				t.Errorf("%v with %v", m, err)
			}
			if text := err.Error(); !utf8.ValidString(text) || strings.ContainsAny(text, "\n\r") || len(text) > 400 {
				t.Errorf("error %q", text)
			}
			return
		}
		var oracle map[string]any
		if err := json.Unmarshal(document, &oracle); err != nil && !tooLarge(err) {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		uri := oracle["jwks_uri"]
		if uri == nil {
			uri = oracle["jwks_url"]
		}
		if oracle["issuer"] != m.Issuer || uri != m.JWKSURI || m.Issuer == "" || m.JWKSURI == "" || string(m.Raw) != string(document) {
			t.Errorf("%+v, want %v and %v", m, oracle["issuer"], uri)
		}
	})
}
