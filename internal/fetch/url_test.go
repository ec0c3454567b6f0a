package fetch

import (
	"strings"
	"testing"
)

func TestCheckURL(t *testing.T) {
	const (
		plain    = "expected scheme https: http is for loopback hosts only"
		odd      = "it contains a space, a backslash, or a character that cannot be printed"
		noHost   = "it has no host"
		badHost  = "its host contains a character that no host name has"
		notValid = "it is not a valid URL"
		userInfo = "it contains user info"
	)
	tests := []struct {
		raw       string
		allowHTTP bool
		err       string // "" when it passes
	}{
		// https goes anywhere.
		{raw: "https://idp.example"},
		{raw: "https://idp.example/"},
		{raw: "https://idp.example/jwks?a=b&c=%20#", err: "fragment"},
		{raw: "https://idp.example/jwks?a=b&c=%20"},
		{raw: "https://idp.example:8443/jwks"},
		{raw: "https://idp.example:/jwks"},
		{raw: "https://idp.example./jwks"},
		{raw: "https://idp_1.internal/jwks"},
		{raw: "https://aZ-zA09.example/jwks"},
		{raw: "https://b\u00fccher.example/jwks"},
		{raw: "https://10.0.0.1/jwks"},
		{raw: "https://[2001:db8::1]:443/jwks"},
		{raw: "HTTPS://IDP.EXAMPLE/"},
		{raw: "https://idp.example/@tenant:x/a%5Cb"},

		// http is for loopback.
		{raw: "http://localhost/jwks"},
		{raw: "http://LOCALHOST:8080/jwks"},
		{raw: "http://localhost./jwks"},
		{raw: "http://idp.localhost:8080/jwks"},
		{raw: "http://127.0.0.1:8080/jwks"},
		{raw: "http://127.255.0.9/jwks"},
		{raw: "http://[::1]:8080/jwks"},
		{raw: "http://[::ffff:127.0.0.1]/jwks"},
		{raw: "http://idp.example/jwks", err: plain},
		{raw: "http://localhost.example/", err: plain},
		{raw: "http://notlocalhost/", err: plain},
		{raw: "http://128.0.0.1/", err: plain},
		{raw: "http://127.1/", err: plain},
		{raw: "http://0177.0.0.1/", err: plain},
		{raw: "http://0.0.0.0/", err: plain},
		{raw: "http://[::]/", err: plain},
		{raw: "http://[::2]/", err: plain},
		{raw: "http://10.0.0.1/", err: plain},
		{raw: "http://idp.example/jwks", allowHTTP: true},
		{raw: "http://keycloak:8080/jwks", allowHTTP: true},

		// Anything else is refused, whether http is allowed or not.
		{raw: "", err: "it is empty"},
		{raw: "idp.example/jwks", err: "it is not absolute"},
		{raw: "/jwks", err: "it is not absolute"},
		{raw: "//idp.example/jwks", err: "it is not absolute"},
		{raw: "jwks", err: "it is not absolute"},
		{raw: "ftp://idp.example/jwks", allowHTTP: true, err: `expected scheme https, not "ftp"`},
		{raw: "file:///etc/passwd", allowHTTP: true, err: `expected scheme https, not "file"`},
		{raw: "localhost:8080/jwks", allowHTTP: true, err: `expected scheme https, not "localhost"`},
		{raw: "https:idp.example/jwks", err: noHost},
		{raw: "https:/idp.example/jwks", err: noHost},
		{raw: "https:///jwks", err: noHost},
		{raw: "https://", err: noHost},
		{raw: "https:", err: noHost},
		{raw: "https://:443/jwks", err: noHost},
		{raw: "https://./jwks", err: noHost},
		{raw: "https://?a=b", err: noHost},
		{raw: "https://u:SECRET@idp.example/", err: userInfo},
		{raw: "https://SECRET@idp.example/", err: userInfo},
		{raw: "https://@idp.example/", err: userInfo},
		{raw: "https://idp.example/#SECRET", err: "it has a fragment"},
		{raw: "https://idp.example/ x", err: odd},
		{raw: " https://idp.example/", err: odd},
		{raw: "https://idp.example/\n", err: odd},
		{raw: "https://idp.example/\x00", err: odd},
		{raw: "https://idp.example/\u00a0", err: odd},
		{raw: "https://idp.example/\u202e", err: odd},
		{raw: "https://idp.example/\u2028", err: odd},
		{raw: "https://idp.example/\xff", err: odd},
		{raw: `https://idp.example\@evil.example/`, err: odd},
		{raw: `https:\\idp.example/`, err: odd},
		{raw: "https://idp.example:0/", err: "its port is not between"},
		{raw: "https://idp.example:65536/", err: "its port is not between"},
		{raw: "https://idp.example:99999999999999999999/", err: "its port is not between"},
		{raw: "https://idp.example:https/", err: notValid},
		{raw: "https://idp.example/%zz", err: notValid},
		{raw: "https://u:SECRET@idp.example:x/", err: notValid},
		{raw: "https://[idp.example]/", err: "IPv6"}, // or notValid, as newer versions of net/url see it
		{raw: "https://[::1/", err: notValid},
		{raw: "https://idp%2eexample/", err: notValid},
		{raw: "https://a,b/", err: badHost},
		{raw: `https://a"b/`, err: badHost},
		{raw: "https://a*b/", err: badHost},
		{raw: "https://a%E2%80%AEb/", err: badHost},
		{raw: "https://idp.example/" + strings.Repeat("a", maxURL), err: "the limit is 2048"},
	}
	for _, tt := range tests {
		t.Run(tt.raw[:min(len(tt.raw), 80)], func(t *testing.T) {
			u, err := CheckURL(tt.raw, tt.allowHTTP)
			if tt.err == "" {
				if err != nil || u.Host == "" {
					t.Fatalf("%v, %v", u, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("%s passes", u)
			}
			s := err.Error()
			if !strings.Contains(s, tt.err) && !(tt.err == "IPv6" && strings.Contains(s, notValid)) {
				t.Errorf("error %q, want %q", s, tt.err)
			}
			if !strings.HasPrefix(s, `URL "`) || strings.Contains(s, "SECRET") || strings.ContainsAny(s, "\r\n\x00") || len(s) > 250 {
				t.Errorf("error %q", s)
			}
		})
	}
	t.Run("a URL of exactly the limit passes", func(t *testing.T) {
		raw := "https://idp.example/"
		if _, err := CheckURL(raw+strings.Repeat("a", maxURL-len(raw)), false); err != nil {
			t.Error(err)
		}
	})
}

// An error about a URL of the configuration shows it whole, but for what may be
// secret.
func TestCheckOwnURL(t *testing.T) {
	if err := CheckOwnURL("https://idp.example/jwks", false); err != nil {
		t.Error(err)
	}
	path := "/" + strings.Repeat("p", 200)
	err := CheckOwnURL("http://idp.example"+path+"?k=SECRET", false)
	if err == nil || !strings.HasPrefix(err.Error(), `URL "http://idp.example`+path+`?…": expected scheme https`) {
		t.Error(err)
	}
}
