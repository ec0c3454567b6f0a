package binding

import (
	"slices"
	"testing"
)

const (
	tenantOne     = "11111111-1111-4111-8111-11111111aaaa"
	tenantTwo     = "22222222-2222-4222-8222-22222222bbbb"
	namesTemplate = "https://login.example/{tenantid}/v2.0"
)

func TestBinding_Names(t *testing.T) {
	exact := New("https://a.example", nil, "a")
	some := New(namesTemplate, map[string]bool{tenantOne: true}, "login")
	anyTenant := New(namesTemplate, nil)
	key, err := some.ForKey(Fill(namesTemplate, tenantOne))
	if err != nil {
		t.Fatal(err)
	}
	if key.Root() != some || some.Root() != some || (*Binding)(nil).Root() != nil {
		t.Error("roots")
	}
	for _, test := range []struct {
		b                       *Binding
		iss, tid, issuer, under string
	}{
		{nil, "https://a.example", "", "", ""},
		{exact, "https://a.example", "", "https://a.example", ""},
		{exact, "a", "", "https://a.example", ""},
		{exact, "https://b.example", tenantOne, "https://a.example", ""},
		{some, Fill(namesTemplate, tenantOne), tenantOne, Fill(namesTemplate, tenantOne), namesTemplate},
		{some, "login", tenantOne, Fill(namesTemplate, tenantOne), namesTemplate},
		{some, Fill(namesTemplate, tenantOne), tenantTwo, "", namesTemplate},
		{some, Fill(namesTemplate, tenantTwo), tenantTwo, "", namesTemplate},
		{some, namesTemplate, "{tenantid}", "", namesTemplate},
		{key, Fill(namesTemplate, tenantOne), tenantOne, Fill(namesTemplate, tenantOne), namesTemplate},
		{key, Fill(namesTemplate, tenantTwo), tenantTwo, "", namesTemplate},
		{anyTenant, Fill(namesTemplate, tenantTwo), tenantTwo, Fill(namesTemplate, tenantTwo), namesTemplate},
	} {
		if issuer, under := test.b.Governs(test.iss, test.tid); issuer != test.issuer || under != test.under {
			t.Errorf("%s with tid %s under %s: %q, %q, want %q, %q", test.iss, test.tid, test.b.Issuer(), issuer, under, test.issuer, test.under)
		}
	}
	for _, test := range []struct {
		b          *Binding
		name, want string // "": never
		yields     bool
	}{
		{nil, "x", "", true},
		{exact, "https://a.example", "https://a.example", true},
		{exact, "a", "https://a.example", true},
		{exact, "https://a.example/", "", false},
		{some, namesTemplate, namesTemplate, false},
		{some, "login", namesTemplate, true},
		{some, Fill(namesTemplate, tenantOne), Fill(namesTemplate, tenantOne), true},
		{some, Fill(namesTemplate, tenantTwo), "", false},
		{anyTenant, Fill(namesTemplate, tenantTwo), Fill(namesTemplate, tenantTwo), true},
		{anyTenant, "https://login.example/common/v2.0", "", false},
	} {
		name, ok := test.b.Named(test.name)
		if ok != (test.want != "") || ok && name != test.want || test.b.Yields(test.name) != test.yields {
			t.Errorf("%s of %s: %q, %t, yields %t", test.name, test.b.Issuer(), name, ok, test.b.Yields(test.name))
		}
	}
	if got := exact.Parts(); !slices.Equal(got, []string{"https://a.example"}) {
		t.Errorf("parts %q", got)
	}
	ids := []string{tenantTwo, tenantOne, tenantB, tenantA}
	var sorted []string
	for _, id := range ids {
		sorted = append(sorted, Fill(namesTemplate, id))
	}
	slices.Sort(sorted)
	for range 20 { // a map has its order by chance
		if got := New(namesTemplate, tenantSet(ids...)).Parts(); !slices.Equal(got, sorted) {
			t.Fatalf("parts %q, want them in order", got)
		}
	}
	if got := some.Parts(); !slices.Equal(got, []string{Fill(namesTemplate, tenantOne)}) || anyTenant.Parts() != nil {
		t.Errorf("parts %q", got)
	}
}
