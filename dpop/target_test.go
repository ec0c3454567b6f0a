package dpop

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestNormalize_RFC3986(t *testing.T) {
	for raw, want := range map[string]string{
		"https://a.example":                     "https://a.example/",
		"HTTPS://A.Example:443/x":               "https://a.example/x",
		"http://a.example:443/x":                "http://a.example:443/x",
		"http://a.example:80":                   "http://a.example/",
		"https://[2001:DB8::1]:443/":            "https://[2001:db8::1]/",
		"https://[2001:db8::1]:8443/":           "https://[2001:db8::1]:8443/",
		"https://a.example/%7euser/%c3%a4":      "https://a.example/~user/%C3%A4",
		"https://a.example/ä":                   "https://a.example/%C3%A4",
		"https://a.example/a%2fb":               "https://a.example/a%2Fb", // not a slash
		"https://a.example/a/./b/../c":          "https://a.example/a/c",
		"https://a.example/../../c":             "https://a.example/c",
		"https://a.example/a/..":                "https://a.example/",
		"https://a.example/a/.":                 "https://a.example/a/",
		"https://a.example//a//":                "https://a.example//a//",
		"https://a.example/.well-known/x?q#f":   "https://a.example/.well-known/x",
		"https://a.example?q":                   "https://a.example/",
		"https://a.example/a;b=c/d,e!f":         "https://a.example/a;b=c/d,e!f",
		"https://user:pw@a.example/":            "",
		"a.example/x":                           "",
		"/x":                                    "",
		"":                                      "",
		"https:///x":                            "",
		"mailto:a@a.example":                    "",
		"https://a.example/%zz":                 "",
		"https://a.example/\x00":                "",
		"https://" + strings.Repeat("%", 3):     "",
		"https://a.example:port/":               "",
		"https://:a:/":                          "", // url.Parse takes a name with a colon
		"https://[a.example]/":                  "",
		"https://[fe80::1%25eth0]/":             "",
		"https://[::ffff:192.0.2.1]/":           "https://[::ffff:192.0.2.1]/",
		"https://a.example/%2E%2e/%2e/b/%2E%2E": "https://a.example/",
	} {
		if got, ok := normalize(raw); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", raw, got, ok, want)
		}
	}
}

// What is normal stays as it is, and a URL is the same as its normal form.
func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"https://a.example/%7e/../x", "HTTP://[::1]:80/a%2f", "https://a.example//./..//", "https://a.example/%2e%2e/%252e", "A://:A:", "https://[::1%25eth0]/", "https://[a]/"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once, ok := normalize(raw)
		if !ok {
			return
		}
		twice, ok := normalize(once)
		if !ok || twice != once {
			t.Errorf("%q is %q, and that is %q", raw, once, twice)
		}
		if same, ok := sameTarget(raw, once); !same || !ok {
			t.Errorf("%q is not the same as %q", raw, once)
		}
		_, rest, _ := strings.Cut(once, "://")
		_, path, _ := strings.Cut(rest, "/")
		if path = "/" + path; strings.ContainsAny(path, "?#") || strings.Contains(path, "/../") || strings.Contains(path, "/./") {
			t.Errorf("%q is %q", raw, once)
		}
	})
}

// No text of a proof makes the reader panic, and whoever reads it without the
// memory of keys comes to the same.
func FuzzOpen(f *testing.F) {
	header := "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19" // RFC 9449 section 4.1
	f.Add(header + ".e30.AAAA")
	f.Add(header)
	f.Add(header + ".")
	f.Add("e30.e30.AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		first, err := New()
		if err != nil {
			t.Fatal(err)
		}
		a, problemA := first.open(text)
		if problemA == "" {
			first.remember(a)
		}
		b, problemB := first.open(text)
		if problemA != problemB || problemA == "" && (a.signed != b.signed || string(a.signature) != string(b.signature) || a.payload != b.payload || a.key.jkt != b.key.jkt) {
			t.Errorf("%q: %q and with the key remembered %q", text, problemA, problemB)
		}
		if problemA == "" {
			readClaims(a.payload)
		}
	})
}

// The example of RFC 9449 section 7.1 has this key and this thumbprint.
func TestOpen_ReadsTheRFCsKey(t *testing.T) {
	const header = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	p, problem := c.open(header + ".e30.AAAA")
	if problem != "" || p.key.jkt != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("%q %+v", problem, p.key)
	}
	if !isHash("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo", "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU") {
		t.Error("the hash of the example's token is another one")
	}
}

func TestRequestTarget_OfRequests(t *testing.T) {
	r := httptest.NewRequest("GET", "https://api.example/a%2Fb?q", nil)
	if got := requestTarget(r); got != "https://api.example/a%2Fb" {
		t.Error(got)
	}
}
