package binding

import (
	"strconv"
	"strings"
	"testing"
)

func TestTemplates_Find(t *testing.T) {
	const twice = "https://t.example/{tenantid}/x/{tenantid}"
	all := []string{entra, "https://login.example/{tenantid}/", "{tenantid}", twice, "https://b.example/v2.0/{tenantid}", "https://c.example/{tenantid}/v2.0"}
	var index Templates[string]
	for _, template := range all {
		index.Add(template, template)
	}
	allows := func(_, tenant string) bool { return tenant != tenantB }
	upper := strings.ToUpper(tenantA)
	for issuer, want := range map[string]string{
		entraA:                                   entra,
		Fill(entra, upper):                       entra,
		"https://login.example/" + tenantA + "/": "https://login.example/{tenantid}/",
		tenantA:                                  "{tenantid}",
		Fill(twice, tenantA):                     twice,
		"https://b.example/v2.0/" + tenantA:      "https://b.example/v2.0/{tenantid}",
		"https://c.example/" + tenantA + "/v2.0": "https://c.example/{tenantid}/v2.0",

		entraB:                  "", // not allowed
		entra:                   "", // itself: no tenant
		entraA + "/":            "",
		"x" + entraA:            "",
		entraA[:len(entraA)-1]:  "",
		"https://login.example": "",
		"":                      "",
		"https://t.example/" + tenantA + "/x/" + upper:    "", // not the same tenant
		"https://login.example/" + tenantA[:35] + "/v2.0": "",
	} {
		if got := index.Find(issuer, allows); got != want {
			t.Errorf("%q: %q, want %q", issuer, got, want)
		}
	}
	var none Templates[string]
	if got := none.Find(entraA, allows); got != "" {
		t.Errorf("an empty index finds %q", got)
	}
}

// What a token says does not decide what the search costs: nothing is
// allocated, however many GUIDs overlap in the issuer.
func TestTemplates_FindAllocatesNothing(t *testing.T) {
	var index Templates[string]
	for i := range 300 {
		index.Add("https://h"+strconv.Itoa(i)+".example/{tenantid}/v2.0", "x")
	}
	index.Add("{tenantid}/{tenantid}", "x")
	overlapping := strings.Repeat("11111111-1111-1111-1111-", 700) // every 5 bytes another GUID begins, or nearly
	guids := strings.Repeat(tenantA, 450)
	for _, issuer := range []string{overlapping, guids, "https://h7.example/" + guids, "https://h7.example/" + tenantA + "/v2.0"} {
		if n := testing.AllocsPerRun(10, func() { index.Find(issuer, func(string, string) bool { return true }) }); n != 0 {
			t.Errorf("%.40q: %v allocations", issuer, n)
		}
	}
}
