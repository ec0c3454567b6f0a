package binding

import (
	"errors"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/seed-22400188/jwks/internal/fault"
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

func TestAccepts(t *testing.T) {
	const upper = "AAAAAAAA-0000-4000-8000-00000000000A"
	tests := []struct {
		name     string
		b        *Binding
		iss, tid string
		want     bool
	}{
		{"no binding accepts all", nil, "https://anyone.example", "", true},
		{"no binding accepts none", nil, "", "", true},
		{"the issuer", New(entraA, nil), entraA, "", true},
		{"its tid does not matter", New(entraA, nil), entraA, tenantB, true},
		{"another issuer", New(entraA, nil), entraB, tenantB, false},
		{"no issuer", New(entraA, nil), "", "", false},
		{"a slash more", New("https://a.example", nil), "https://a.example/", "", false},
		{"another case", New("https://a.example", nil), "https://A.example", "", false},

		{"an alias", New("https://a.example", nil, "a", "urn:a"), "urn:a", "", true},
		{"the issuer beside its aliases", New("https://a.example", nil, "a"), "https://a.example", "", true},
		{"an alias in another case", New("https://a.example", nil, "a"), "A", "", false},
		{"no issuer beside aliases", New("https://a.example", nil, "a"), "", "", false},
		{"a template's alias", New(entra, tenantSet(tenantA), "v1"), "v1", tenantA, true},
		{"for a tenant that is not on the list", New(entra, tenantSet(tenantA), "v1"), "v1", tenantB, false},
		{"without a tenant", New(entra, nil, "v1"), "v1", "", false},
		{"an alias and the key of one tenant", mustForKey(New(entra, nil, "v1"), entraA), "v1", tenantA, true},
		{"and that of another", mustForKey(New(entra, nil, "v1"), entraA), "v1", tenantB, false},

		{"any tenant", New(entra, nil), entraA, tenantA, true},
		{"in upper case, as long as both agree", New(entra, nil), Fill(entra, upper), upper, true},
		{"iss and tid in different case", New(entra, nil), entraA, upper, false},
		{"of another tenant than tid", New(entra, nil), entraA, tenantB, false},
		{"tid is missing", New(entra, nil), entraA, "", false},
		{"tid is not a GUID", New(entra, nil), Fill(entra, "common"), "common", false},
		{"tid is nearly a GUID", New(entra, nil), Fill(entra, tenantA[:35]+"g"), tenantA[:35] + "g", false},
		{"without what comes before the tenant", New(entra, nil), tenantA + "/v2.0", tenantA, false},
		{"without the tenant", New(entra, nil), Fill(entra, ""), tenantA, false},
		{"the template itself", New(entra, nil), entra, "{tenantid}", false},
		{"the template and a tenant", New(entra, nil), entra, tenantA, false},
		{"no issuer under a template", New(entra, nil), "", tenantA, false},

		{"a tenant on the list", New(entra, tenantSet(tenantA)), entraA, tenantA, true},
		{"the list does not mind the case", New(entra, tenantSet(tenantA)), Fill(entra, upper), upper, true},
		{"a tenant that is not on it", New(entra, tenantSet(tenantA)), entraB, tenantB, false},

		{"a key of one tenant", mustForKey(New(entra, nil), entraA), entraA, tenantA, true},
		{"serves that tenant only", mustForKey(New(entra, nil), entraA), entraB, tenantB, false},
		{"and the tid must agree", mustForKey(New(entra, nil), entraA), entraA, tenantB, false},
		{"and the tenant be allowed", mustForKey(New(entra, tenantSet(tenantB)), entraA), entraA, tenantA, false},
	}
	for _, test := range tests {
		if got := test.b.Accepts(test.iss, test.tid); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		err := test.b.Check(test.iss, test.tid)
		if (err == nil) != test.want {
			t.Errorf("%s: check says %v", test.name, err)
		}
		if err != nil && (!errors.Is(err, fault.ErrTokenInvalid) || !errors.Is(err, jwt.ErrTokenInvalidIssuer) || errors.Is(err, fault.ErrUnavailable)) {
			t.Errorf("%s: %v", test.name, err)
		}
		if missing := errors.Is(err, jwt.ErrTokenRequiredClaimMissing); missing != (err != nil && test.iss == "") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// The error names what a token could have had: of a template's tenants the
// option that lists them.
func TestCheck_Texts(t *testing.T) {
	for _, tt := range []struct {
		b        *Binding
		iss, tid string
		want     string
	}{
		{New("https://a.example", nil), "https://b.example", tenantA, `iss is "https://b.example", want "https://a.example"`},
		{New("https://a.example", nil), "", "", `iss claim is missing, want "https://a.example"`},
		{New(entra, nil), "https://b.example", tenantA, `iss "https://b.example" with tid "` + tenantA + `" is not of a tenant allowed for "` + entra + `": see WithTenants`},
		{mustForKey(New(entra, nil), entraA), entraB, tenantB, `iss "` + entraB + `" with tid "` + tenantB + `" is not of a tenant allowed for "` + entraA + `": see WithTenants`},
	} {
		err := tt.b.Check(tt.iss, tt.tid)
		if text, ok := fault.Text(err); !ok || text != tt.want {
			t.Errorf("%s under %s: %v, want %s", tt.iss, tt.b.Issuer(), err, tt.want)
		}
	}
}

func mustForKey(b *Binding, issuer string) *Binding {
	bound, err := b.ForKey(issuer)
	if err != nil {
		panic(err)
	}
	return bound
}

// The three ways in which an issuer that a key names can fit the client's.
func TestForKey(t *testing.T) {
	tests := []struct {
		name, client, named string
		want                string // the issuer that the key is bound to; "-" when it is unusable
	}{
		{"none", entraA, "", entraA},
		{"the client's", entraA, entraA, entraA},
		{"a template that the client's issuer fits", entraA, entra, entraA},
		{"the client's template", entra, entra, entra},
		{"an issuer that fits the client's template", entra, entraA, entraA},
		{"another tenant than the client's", entraA, entraB, "-"},
		{"a template that the client's does not fit", "https://sts.example/" + tenantA + "/", entra, "-"},
		{"another template", entra, "https://sts.example/{tenantid}/", "-"},
		{"an issuer that does not fit the client's template", entra, "https://login.example/common/v2.0", "-"},
		{"an issuer with more than the template", entra, entraA + "/", "-"},
		{"another host", entra, "https://evil.example/" + tenantA + "/v2.0", "-"},
		{"a client without an issuer does not care", "", entraA, ""},
	}
	for _, test := range tests {
		b, err := New(test.client, nil).ForKey(test.named)
		switch {
		case test.want == "-":
			if err == nil {
				t.Errorf("%s: usable", test.name)
			}
		case err != nil:
			t.Errorf("%s: %v", test.name, err)
		case b.Issuer() != test.want, test.want == "" && b != nil:
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
		{entraA, entraA, false}, // not a template
		{entra, "https://login.example//v2.0", false},
		{entra, "https://login.example/" + tenantA, false},
		{entra, "https://login.example/" + tenantA + "/v2.0/x", false},
		{entra, "https://login.example/" + tenantA + tenantB + "/v2.0", false},
		{entra, "https://login.example/x/../" + tenantA + "/v2.0", false},
		{entra, "", false},
	}
	for _, test := range tests {
		if got := Fits(test.template, test.issuer); got != test.want {
			t.Errorf("Fits(%q, %q) = %v", test.template, test.issuer, got)
		}
	}
}

func TestIsGUID(t *testing.T) {
	for s, want := range map[string]bool{
		tenantA:                                   true,
		"9188040D-6C67-4c5b-b112-36a304b66dad":    true,
		"00000000-0000-0000-0000-000000000000":    true,
		"ffffffff-ffff-ffff-ffff-ffffffffffff":    true,
		"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF":    true,
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
		if got := IsGUID(s); got != want {
			t.Errorf("IsGUID(%q) = %v", s, got)
		}
	}
}
