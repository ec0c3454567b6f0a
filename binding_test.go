package jwks

import (
	"errors"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

const (
	tenantA = "aaaaaaaa-0000-4000-8000-00000000000a"
	tenantB = "bbbbbbbb-0000-4000-8000-00000000000b"
	entra   = "https://login.example/{tenantid}/v2.0"
	entraA  = "https://login.example/" + tenantA + "/v2.0"
	entraB  = "https://login.example/" + tenantB + "/v2.0"
)

func tenantSet(ids ...string) map[string]bool {
	set := make(map[string]bool)
	for _, id := range ids {
		set[id] = true
	}
	return set
}

func TestBindingAccepts(t *testing.T) {
	const upper = "AAAAAAAA-0000-4000-8000-00000000000A"
	tests := []struct {
		name     string
		b        *binding
		iss, tid string
		want     bool
	}{
		{"no binding accepts all", nil, "https://anyone.example", "", true},
		{"no binding accepts none", nil, "", "", true},
		{"the issuer", newBinding(entraA, nil), entraA, "", true},
		{"its tid does not matter", newBinding(entraA, nil), entraA, tenantB, true},
		{"another issuer", newBinding(entraA, nil), entraB, tenantB, false},
		{"no issuer", newBinding(entraA, nil), "", "", false},
		{"a slash more", newBinding("https://a.example", nil), "https://a.example/", "", false},
		{"another case", newBinding("https://a.example", nil), "https://A.example", "", false},

		{"any tenant", newBinding(entra, nil), entraA, tenantA, true},
		{"in upper case, as long as both agree", newBinding(entra, nil), fill(entra, upper), upper, true},
		{"iss and tid in different case", newBinding(entra, nil), entraA, upper, false},
		{"of another tenant than tid", newBinding(entra, nil), entraA, tenantB, false},
		{"tid is missing", newBinding(entra, nil), entraA, "", false},
		{"tid is no GUID", newBinding(entra, nil), fill(entra, "common"), "common", false},
		{"tid is nearly a GUID", newBinding(entra, nil), fill(entra, tenantA[:35]+"g"), tenantA[:35] + "g", false},
		{"the template itself", newBinding(entra, nil), entra, "{tenantid}", false},
		{"the template and a tenant", newBinding(entra, nil), entra, tenantA, false},
		{"no issuer under a template", newBinding(entra, nil), "", tenantA, false},

		{"a tenant on the list", newBinding(entra, tenantSet(tenantA)), entraA, tenantA, true},
		{"the list does not mind the case", newBinding(entra, tenantSet(tenantA)), fill(entra, upper), upper, true},
		{"a tenant that is not on it", newBinding(entra, tenantSet(tenantA)), entraB, tenantB, false},

		{"a key of one tenant", mustForKey(newBinding(entra, nil), entraA), entraA, tenantA, true},
		{"serves that tenant only", mustForKey(newBinding(entra, nil), entraA), entraB, tenantB, false},
		{"and the tid must agree", mustForKey(newBinding(entra, nil), entraA), entraA, tenantB, false},
		{"and the tenant be allowed", mustForKey(newBinding(entra, tenantSet(tenantB)), entraA), entraA, tenantA, false},
	}
	for _, test := range tests {
		if got := test.b.accepts(test.iss, test.tid); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		err := test.b.check(test.iss, test.tid)
		if (err == nil) != test.want {
			t.Errorf("%s: check says %v", test.name, err)
		}
		if err != nil && (!errors.Is(err, ErrTokenInvalid) || !errors.Is(err, jwt.ErrTokenInvalidIssuer) || errors.Is(err, ErrUnavailable)) {
			t.Errorf("%s: %v", test.name, err)
		}
		if missing := errors.Is(err, jwt.ErrTokenRequiredClaimMissing); missing != (err != nil && test.iss == "") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func mustForKey(b *binding, own string) *binding {
	bound, err := b.forKey(own)
	if err != nil {
		panic(err)
	}
	return bound
}

// The three ways a key's own issuer can fit the client's, and those it cannot.
func TestBindingOfAKeyThatNamesItsIssuer(t *testing.T) {
	tests := []struct {
		name, client, own string
		want              string // the issuer that the key is bound to; "-" when it is unusable
	}{
		{"none", entraA, "", entraA},
		{"the client's", entraA, entraA, entraA},
		{"a template that the client's issuer fits", entraA, entra, entraA},
		{"the client's template", entra, entra, entra},
		{"an issuer that fits the client's template", entra, entraA, entraA},
		{"another tenant than the client's", entraA, entraB, "-"},
		{"a template that the client's does not fit", "https://sts.example/" + tenantA + "/", entra, "-"},
		{"another template", entra, "https://sts.example/{tenantid}/", "-"},
		{"what does not fit the client's template", entra, "https://login.example/common/v2.0", "-"},
		{"what has more than the template", entra, entraA + "/", "-"},
		{"another host", entra, "https://evil.example/" + tenantA + "/v2.0", "-"},
		{"a client without an issuer takes no notice", "", entraA, ""},
	}
	for _, test := range tests {
		b, err := newBinding(test.client, nil).forKey(test.own)
		switch {
		case test.want == "-":
			if err == nil {
				t.Errorf("%s: usable", test.name)
			}
		case err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want == "" && b != nil, test.want != "" && b.issuer != test.want:
			t.Errorf("%s: bound to %+v, want %s", test.name, b, test.want)
		}
	}
}

func TestFits(t *testing.T) {
	tests := []struct {
		template, issuer string
		want             bool
	}{
		{entra, entraA, true},
		{"https://a.example/{tenantid}", "https://a.example/" + tenantA, true},
		{"{tenantid}", tenantA, true},
		{"https://{tenantid}.example/{tenantid}", "https://" + tenantA + ".example/" + tenantA, true},
		{"https://{tenantid}.example/{tenantid}", "https://" + tenantA + ".example/" + tenantB, false},
		{entra, entra, false},
		{entraA, entraA, false}, // no template
		{entra, "https://login.example//v2.0", false},
		{entra, "https://login.example/" + tenantA, false},
		{entra, "https://login.example/" + tenantA + "/v2.0/x", false},
		{entra, "https://login.example/" + tenantA + tenantB + "/v2.0", false},
		{entra, "https://login.example/x/../" + tenantA + "/v2.0", false},
		{entra, "", false},
	}
	for _, test := range tests {
		if got := fits(test.template, test.issuer); got != test.want {
			t.Errorf("fits(%q, %q) = %v", test.template, test.issuer, got)
		}
	}
}

func TestIsGUID(t *testing.T) {
	for s, want := range map[string]bool{
		tenantA:                                   true,
		"9188040D-6C67-4c5b-b112-36a304b66dad":    true,
		"00000000-0000-0000-0000-000000000000":    true,
		"{9188040d-6c67-4c5b-b112-36a304b66dad}":  false,
		"9188040d6c674c5bb11236a304b66dad":        false,
		"9188040d-6c67-4c5b-b112-36a304b66da":     false,
		"9188040d-6c67-4c5b-b112-36a304b66dad0":   false,
		"9188040d-6c67-4c5b-b112_36a304b66dad":    false,
		"9188040d-6c67-4c5b-b112-36a304b66dag":    false,
		"9188040d-6c67-4c5b-b112-36a304b66da\xff": false,
		"":       false,
		"common": false,
	} {
		if got := isGUID(s); got != want {
			t.Errorf("isGUID(%q) = %v", s, got)
		}
	}
}
