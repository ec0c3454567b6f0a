package show

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestForeignTextIsQuotedAndCut(t *testing.T) {
	tests := []struct{ rule, text, want string }{
		{"a short text is quoted", "k1", `"k1"`},
		{"a line break cannot break the line", "a\nb", `"a\nb"`},
		{"a quote is escaped", `a"b`, `"a\"b"`},
		{"64 bytes are shown", strings.Repeat("x", 64), `"` + strings.Repeat("x", 64) + `"`},
		{"65 are cut", strings.Repeat("x", 65), `"` + strings.Repeat("x", 61) + `…"`},
		{"a character is not cut in two", strings.Repeat("x", 60) + "éé" + "x", `"` + strings.Repeat("x", 60) + `…"`},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := Quote(tt.text); got != tt.want {
				t.Errorf("Quote(%q) = %s, want %s", tt.text, got, tt.want)
			}
		})
	}
	if got := Line("connection refused"); got != "connection refused" {
		t.Errorf("a harmless line became %s", got)
	}
	if got := Line("a\x1b[31m"); got != `"a\x1b[31m"` {
		t.Errorf("an escape sequence became %s", got)
	}
}

func TestALongURLKeepsItsEnds(t *testing.T) {
	long := "https://login.microsoftonline.example/9188040d-6c67-4c5b-b112-36a304b66dad/discovery/v2.0/keys?k=SECRET"
	got := URL(long)
	if len(got) > Limit || !strings.HasPrefix(got, "https://login.microsoftonline") || !strings.HasSuffix(got, "/v2.0/keys?…") {
		t.Errorf("got %s", got)
	}
	if got := URL("https://h/a b"); got != `https://h/a%20b` {
		t.Errorf("got %s", got)
	}
	if got := URL(""); got != `""` {
		t.Errorf("got %s", got)
	}
}

func TestWholeURLShowsNoSecret(t *testing.T) {
	tests := []struct{ rule, raw, want string }{
		{"a plain URL is shown", "https://idp.example/jwks", "https://idp.example/jwks"},
		{"a query is not", "https://idp.example/jwks?k=SECRET&x", "https://idp.example/jwks?…"},
		{"user info is not", "https://u:SECRET@idp.example/jwks", "https://idp.example/jwks"},
		{"a fragment is not", "https://idp.example/jwks#SECRET", "https://idp.example/jwks"},
		{"an empty query leaves no mark", "https://idp.example/jwks?", "https://idp.example/jwks"},
		{"an @ in a path is no user info", "https://idp.example/@t/jwks", "https://idp.example/@t/jwks"},
		{"a text that is no URL is shown", "jwks", "jwks"},
		{"its query is not", "jwks?k=SECRET", "jwks?…"},
		{"its fragment is not", "jwks#SECRET", "jwks#…"},
		{"what may be user info is not", "https://u:SECRET@idp.example:x/", "https://…"},
		{"without a scheme neither", "u:SECRET@idp.example/", "…"},
		{"nor in an opaque URL", "mailto:SECRET@idp.example", "…"},
		{"a query with an @ hides the rest", "https://[x/?k=SECRET@idp.example", "https://…"},
		{"an @ before the scheme hides everything", "SECRET@x://y", "…"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := WholeURL(tt.raw); got != tt.want {
				t.Errorf("WholeURL(%q) = %q, want %q", tt.raw, got, tt.want)
			}
		})
	}
}

// FuzzShow: whatever comes in, one line of valid UTF-8 comes out, cut to 64
// bytes before quoting, without the query of a URL.
func FuzzShow(f *testing.F) {
	f.Add("Get \"https://h/?k=")
	f.Add(strings.Repeat("\x80", 70) + "\u2028")
	f.Add("https://u:p@h/?q")
	f.Fuzz(func(t *testing.T, s string) {
		for _, got := range []string{Quote(s), QuoteURL(s), URL(s), Line(s)} {
			if strings.ContainsAny(got, "\r\n\x00\u2028") || !utf8.ValidString(got) {
				t.Fatalf("%q is shown as %q", s, got)
			}
		}
		if len(Cut(s)) > Limit || len(CutURL(s)) > Limit {
			t.Fatalf("%q is not cut", s)
		}
		if before, _, _ := strings.Cut(s, "?"); !strings.Contains(before, "S3CR3T") {
			if got := WholeURL(before + "?S3CR3T"); strings.Contains(got, "S3CR3T") {
				t.Fatalf("WholeURL shows the query: %q", got)
			}
		}
	})
}
