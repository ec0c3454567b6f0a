package claims

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The short way may only be taken where golang-jwt's validator finds nothing,
// whatever the claims and the rules, and is always taken there with the rules of
// nearly all programs.
func TestPolicy_AgreesWithTheValidator(t *testing.T) {
	const now = 1767225600
	random := rand.New(rand.NewPCG(7, 519))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	// Times lie where the decision turns: leeways of 0, 30 and 31 seconds.
	moment := func() time.Time {
		seconds := []int64{0, now - 31, now - 30, now - 29, now - 1, now, now + 1, now + 29, now + 30, now + 31, maxNumericDate}
		return time.Unix(seconds[random.IntN(len(seconds))], int64(random.IntN(3)-1)).UTC()
	}
	fast, agreed := 0, 0
	for range 200_000 {
		rules := Rules{
			Leeway:   []time.Duration{0, 30 * time.Second, 31 * time.Second, 1<<63 - 1}[random.IntN(4)],
			NoExpiry: random.IntN(4) == 0,
			NoTimes:  random.IntN(8) == 0,
			Now:      func() time.Time { return time.Unix(now, 0) },
		}
		if random.IntN(3) > 0 {
			rules.AnyAudience = []string{pick("api", "a", "b"), pick("api", "b", "c")}
		}
		if random.IntN(4) == 0 {
			rules.AllAudiences = []string{"api", pick("a", "b")}
		}
		c := &Set{hasExpiry: random.IntN(8) > 0, hasNotBefore: random.IntN(2) > 0, hasIssuedAt: random.IntN(2) > 0}
		c.ExpiresAt.Time, c.NotBefore.Time, c.IssuedAt.Time = moment(), moment(), moment()
		for range random.IntN(4) {
			c.Audience = append(c.Audience, pick("api", "a", "b", "c", ""))
		}
		p := NewPolicy(rules)
		var found problems
		p.validateStandard(c, &found)
		short := p.standardHolds(c)
		if short {
			fast++
		}
		err := p.validator.Validate(c)
		if rules.NoTimes {
			err = p.validator.Validate(timeless{c})
		}
		if err == nil {
			agreed++
		}
		if short && err != nil {
			t.Fatalf("the short way accepts, the validator says %v\nclaims %+v\nrules %+v", err, c, rules)
		}
		if usual := !rules.NoTimes && c.hasExpiry && rules.AllAudiences == nil; usual && err == nil && !short {
			t.Fatalf("the short way is not taken\nclaims %+v\nrules %+v", c, rules)
		}
		if (found.err() == nil) != (err == nil) {
			t.Fatalf("%v, the validator says %v\nclaims %+v\nrules %+v", found.err(), err, c, rules)
		}
	}
	if fast < 1000 || fast >= agreed {
		t.Errorf("%d of %d acceptable ones went the short way: the test shows little", fast, agreed)
	}
}

// refused is the text of what a policy has against a payload, "" for nothing.
func refused(t *testing.T, rules Rules, payload, typ string) string {
	t.Helper()
	var s Set
	if err := s.Read(payload, rules.Required); err != nil {
		t.Fatal(err)
	}
	err := NewPolicy(rules).Validate(&s, typ, nil)
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "jwks: token invalid: ")
}

func TestPolicy_Parties(t *testing.T) {
	for payload, want := range map[string]string{
		`{"azp":"web"}`: "",
		`{"azp":"app"}`: "",
		`{"azp":"cli"}`: `azp is "cli", want one of ["web" "app"]`,
		`{"azp":""}`:    `azp is "", want one of ["web" "app"]`,
		`{"azp":1}`:     "azp is not a string",
		`{"azp":null}`:  "token is missing required claim: azp claim is required",
		`{}`:            "token is missing required claim: azp claim is required",
	} {
		if got := refused(t, Rules{NoTimes: true, Parties: []string{"web", "app"}}, payload, ""); got != want {
			t.Errorf("%s: %s, want %s", payload, got, want)
		}
	}
}

// RFC 9068 section 2.2: an audience that is empty says as little as none.
func TestPolicy_AccessTokenAudience(t *testing.T) {
	for aud, missing := range map[string]bool{`"a"`: false, `["","a"]`: false, `[]`: true, `""`: true, `["",""]`: true, "null": true} {
		payload := `{"iss":"i","exp":1,"sub":"s","client_id":"c","iat":1,"jti":"j","aud":` + aud + `}`
		want := ""
		if missing {
			want = "token is missing required claim: aud claim is required"
		}
		if got := refused(t, Rules{NoTimes: true, AccessToken: true}, payload, "at+jwt"); got != want {
			t.Errorf("%s: %s, want %s", aud, got, want)
		}
	}
}

// RFC 7515 section 4.1.9: media types compare without regard to case, and
// "application/" may be left out where no other slash follows.
func TestPolicy_Types(t *testing.T) {
	for typ, want := range map[string]bool{
		"jwt": true, "JWT": true, "application/jwt": true, "Application/JWT": true, "at+jwt": true,
		"": false, "jwts": false, "application/": false, "text/jwt": false, "application/application/jwt": false, "application/jwt/": false, "/jwt": false, "application": false,
	} {
		if got := refused(t, Rules{NoTimes: true, Types: []string{"jwt", "at+jwt"}}, "{}", typ); (got == "") != want {
			t.Errorf("%q: %s", typ, got)
		}
	}
	for typ, want := range map[string]string{"application/a": "a", "APPLICATION/A": "A", "application/a/b": "application/a/b", "text/a": "text/a", "a": "a", "": ""} {
		if got := BareType(typ); got != want {
			t.Errorf("%q: %q, want %q", typ, got, want)
		}
	}
}

// An error stays on its line, whatever the name of a required claim.
func TestPolicy_OddNameIsQuoted(t *testing.T) {
	for name, want := range map[string]string{"e-mail": "e-mail", "a\nb": `"a\nb"`, `say "x"`: `"say \"x\""`} {
		if got := refused(t, Rules{NoTimes: true, Required: []string{name}}, "{}", ""); got != "token is missing required claim: "+want+" claim is required" {
			t.Errorf("%q: %s", name, got)
		}
	}
}
