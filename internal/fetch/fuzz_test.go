package fetch

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-22400188/jwks/internal/show"
)

// FuzzCheckURL: what passes is an absolute URL that net/http asks the checked
// host for, and checking it again changes nothing; what fails is reported in
// one short line; and neither shows user info, query or fragment.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		"https://idp.example/jwks?a=b", "http://localhost:8080/", "http://[::1]/", "https://u:p@h/", "https:h", "//h", "https://h\\@x/",
		"https://%61/", "https://b\u00fccher.example:/", "http://127.0.0.1.nip.io/", "https://h/#", "https://[::1%25eth0]:0/", "https://h:65536",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, raw string, allowHTTP bool) {
		u, err := CheckURL(raw, allowHTTP)
		if err != nil {
			s := err.Error()
			// 64 bytes of URL, each at most \U0010ffff long, and the reason.
			if strings.ContainsAny(s, "\r\n\x00\u2028") || !utf8.ValidString(s) || len(s) > 500 {
				t.Fatalf("error %q", s)
			}
			return
		}
		if u.Scheme != "https" && (u.Scheme != "http" || !allowHTTP && !isLoopback(u.Hostname())) {
			t.Fatalf("scheme of %q", raw)
		}
		if u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" || len(raw) > maxURL || strings.ContainsAny(raw, " \\#\t\r\n") {
			t.Fatalf("%q passes as %+v", raw, u)
		}
		if shown := show.WholeURL(raw); strings.ContainsAny(shown, "#\n ") || u.RawQuery != "" && !strings.HasSuffix(shown, "?…") {
			t.Fatalf("%q is shown as %q", raw, shown)
		}
		// A URL that passed may grow by escapes; what is not too long by that
		// passes again and names the same host.
		if again := u.String(); len(again) <= maxURL {
			v, err := CheckURL(again, allowHTTP)
			if err != nil || hostPort(v) != hostPort(u) || v.Scheme != u.Scheme {
				t.Fatalf("%q passes, but %q is %v, %v", raw, again, v, err)
			}
		}
		// With http allowed it passes as well.
		if _, err := CheckURL(raw, true); err != nil {
			t.Fatalf("%q passes only where http is not allowed: %v", raw, err)
		}
	})
}

// FuzzRedirect: wherever a server points, no request is made that CheckURL
// would refuse, that has lost TLS, or that brings the configured header to
// another host; and there are at most four.
func FuzzRedirect(f *testing.F) {
	for _, seed := range []string{"/2", "//b.example/", "http://a.example/", "https://a.example:443/2", "https://u:p@a.example/", `\\b.example`, "?k=v", "#f", "https:", "/\\b", ""} {
		f.Add(seed, "/3", false, false)
		f.Add("https://a.example/"+seed, seed, true, true)
	}
	f.Fuzz(func(t *testing.T, first, second string, keyed, allowHTTP bool) {
		n := 0
		cfg := Config{MaxSize: 10, AllowHTTP: allowHTTP}
		if keyed {
			cfg.Header = http.Header{"X-Key": {"k"}}
		}
		cfg.Client = client(func(r *http.Request) (*http.Response, error) {
			n++
			if _, err := CheckURL(r.URL.String(), allowHTTP); err != nil {
				t.Errorf("request for %s: %v", r.URL, err)
			}
			if r.URL.Scheme != "https" {
				t.Errorf("request for %s", r.URL)
			}
			if sent := r.Header.Get("X-Key") != ""; sent != (keyed && hostPort(r.URL) == "a.example") {
				t.Errorf("request for %s with the configured header: %t", r.URL, sent)
			}
			return answer(302, text(""), "Location", []string{first, second}[n%2]), nil
		})
		_, err := New(cfg).Get(t.Context(), Request{URL: "https://a.example/"})
		if e := mustFail(t, err); n > 1+maxRedirects || e.URL != "https://a.example/" {
			t.Errorf("%d requests: %v", n, err)
		}
	})
}

// FuzzText: neither the query nor the password of a URL in a foreign text is
// shown.
func FuzzText(f *testing.F) {
	f.Add("Get \"https://h/?k=", "\": EOF")
	f.Add(strings.Repeat("\x80", 70), "\u2028")
	f.Add("https://", "@h/")
	f.Fuzz(func(t *testing.T, before, after string) {
		// A URL whose secret parts hold one known word, inside of any text.
		const secret = "S3CR3T"
		if strings.Contains(before+after, secret) {
			return
		}
		for _, u := range []string{"https://h/p?k=" + secret, "http://u:" + secret + "@h/", (&url.URL{Scheme: "https", Host: "h", User: url.UserPassword(secret, before), RawQuery: secret}).String()} {
			if got := redact(before + " " + u + " " + after); strings.Contains(got, secret) {
				t.Fatalf("redact shows the secret of %q: %q", u, got)
			}
		}
	})
}
