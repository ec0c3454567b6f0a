package main

import (
	"strings"
	"testing"
	"time"
)

func TestWords_Spans(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0:                       "0 s",
		100 * time.Microsecond:  "under 1 ms",
		84 * time.Millisecond:   "84 ms",
		1500 * time.Millisecond: "1.5 s",
		time.Second:             "1 s",
		30 * time.Second:        "30 s",
		89 * time.Second:        "89 s",
		-3 * time.Minute:        "3 min",
		59 * time.Minute:        "59 min",
		time.Hour:               "1 h",
		35 * time.Hour:          "35 h",
		36 * time.Hour:          "2 days",
		7 * day:                 "7 days",
		90 * day:                "3 months",
		2 * 365 * day:           "2 years",
		7*365*day + 2*day:       "7 years",
		100 * 365 * day:         "99 years",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for _, test := range []struct {
		name string
		d    time.Duration
		want string
	}{
		{"exp", time.Hour, "expires in 1 h"}, {"exp", -time.Hour, "expired 1 h ago"}, {"exp", 0, "expired now"},
		{"nbf", time.Minute, "not valid yet, but in 60 s"}, {"nbf", -time.Minute, "60 s ago"},
		{"iat", time.Hour, "in 1 h, which is in the future"}, {"auth_time", -time.Hour, "1 h ago"},
	} {
		if got := timeWords(test.name, moment0.Add(test.d), moment0); got != test.want {
			t.Errorf("%s %v: %q, want %q", test.name, test.d, got, test.want)
		}
	}
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1234: "1.2 KB", 2 << 20: "2.1 MB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestWords_Nearest(t *testing.T) {
	known := []string{"verify", "inspect", "keys", "doctor", "watch", "serve", "help", "version", "completion"}
	for name, want := range map[string]string{
		"verfy": "verify", "evrify": "verify", "docter": "doctor", "key": "keys", "wacth": "watch", "server": "serve",
		"versoin": "version", "inspekt": "inspect", "xyzzy": "", "": "", "something-else": "",
	} {
		if got := nearest(name, known); got != want {
			t.Errorf("%q is near %q, want %q", name, got, want)
		}
	}
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "axc", 1}, {"ab", "abc", 1}} {
		if got := edits(test.a, test.b); got != test.want {
			t.Errorf("%q to %q takes %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func TestWords_ClaimTimes(t *testing.T) {
	for text, ok := range map[string]bool{"1": true, "1795785730.5": true, "0": true, "253402300799": true,
		"253402300800": false, "-1": false, "null": false, `"1"`: false, "true": false, "1e300": false, "[]": false} {
		if _, got := timeClaim("exp", []byte(text)); got != ok {
			t.Errorf("exp %s is a time: %v, want %v", text, got, ok)
		}
	}
	if _, got := timeClaim("level", []byte("1")); got {
		t.Error("level is a time")
	}
}

func TestColour_OnlyWhereWanted(t *testing.T) {
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, test := range []struct {
		getenv func(string) string
		system string
		want   bool
	}{
		{env(), "linux", true},
		{env("NO_COLOR", "1"), "linux", false},
		{env("NO_COLOR", ""), "linux", true},
		{env("TERM", "dumb"), "linux", false},
		{env(), "windows", false},
		{env("WT_SESSION", "x"), "windows", true},
		{env("WT_SESSION", "x", "NO_COLOR", "1"), "windows", false},
	} {
		if got := wantsColour(test.getenv, test.system); got != test.want {
			t.Errorf("%+v: %v", test, got)
		}
	}
	p := newProgram(strings.NewReader(""), nil, nil, env())
	if got := p.paint(red, "x"); got != "x" {
		t.Errorf("%q", got)
	}
	if p.colour = true; p.paint(red, "x") != "\x1b[31mx\x1b[0m" || p.paint(red, "") != "" {
		t.Errorf("%q", p.paint(red, "x"))
	}
}

func TestHider_HidesTokensAlone(t *testing.T) {
	const token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLWEtdG9rZW4"
	h := &hider{}
	for text, want := range map[string]string{
		"a " + token + " b":          "a " + hidden + " b",
		"-" + token:                  hidden,
		`"x=` + token + `"`:          `"x=` + hidden + `"`,
		"https://a.example/" + token: "https://a.example/" + hidden,
		"login.microsoftonline.com":  "login.microsoftonline.com",
		"keycloak-production.identity-services.example-company": "keycloak-production.identity-services.example-company",
		"eyewear-company.identity.example-of-a-host-name":       "eyewear-company.identity.example-of-a-host-name",
		"a kid, and nothing else":                               "a kid, and nothing else",
	} {
		if got := h.clean(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	h.addFrom("verify", "-aud", token, "plain.example.com")
	for _, part := range []string{token[30:], token[len(token)-24:], "x" + token[len(token)-27:] + "y"} {
		if got := h.clean("a " + part + "…"); strings.Contains(got, token[len(token)-20:]) {
			t.Errorf("%q becomes %q", part, got)
		}
	}
	if got := h.clean("issuer https://login.example.com/tenants/plain.example.com"); strings.Contains(got, hidden) {
		t.Error(got)
	}
}

// FuzzHider: no token that was named is ever in what is written.
func FuzzHider(f *testing.F) {
	f.Add("before ", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLWEtdG9rZW4", " after")
	f.Add("a.b", "opaque-token-of-20-chars", ".c")
	f.Fuzz(func(t *testing.T, before, token, after string) {
		if len(token) < 20 || partLike.FindString(token) != token || strings.Contains(hidden, token) {
			return
		}
		h := &hider{}
		h.add(token)
		if got := h.clean(before + " " + token + " " + after); strings.Contains(got, " "+token+" ") {
			t.Errorf("%q", got)
		}
	})
}
