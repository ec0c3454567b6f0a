package show

import (
	"strings"
	"testing"
)

func TestDiffers_NeverTheSame(t *testing.T) {
	long := "https://login.example/" + strings.Repeat("tenant/", 12)
	huge := "https://login.example/" + strings.Repeat("tenant/", 90)
	for _, test := range []struct {
		rule, got string
		want      []string
		has       string
	}{
		{"short texts", "a", []string{"b"}, `is "a", want "b"`},
		{"several", "a", []string{"b", "c"}, `is "a", want one of ["b" "c"]`},
		{"a slash at the end of a long one", long, []string{strings.TrimSuffix(long, "/")}, "slash at the end"},
		{"the scheme", "http://idp.example", []string{"https://idp.example"}, "in the scheme"},
		{"case", "https://IDP.example", []string{"https://idp.example"}, "lower case"},
		{"white space", "https://idp.example ", []string{"https://idp.example"}, "white space"},
		{"the last letters of long ones", long + "a", []string{long + "b"}, `tenant/a", want "` + long + `b"`},
		{"the middle of long ones", long + "a" + long, []string{long + "b" + long}, "tenant/a"},
		{"longer than what is shown of our own", huge + "a", []string{huge + "b"}, `tenant/b"`},
		{"characters of several bytes", strings.Repeat("é", 60) + "a", []string{strings.Repeat("é", 60) + "b"}, `éa"`},
		{"the nearest of several", long + "a", []string{"x", long + "b", "y"}, `tenant/a"`},
		{"the overlooked one of several", "https://idp.example/", []string{"https://idp.example/x", "https://idp.example"}, "slash at the end"},
	} {
		got := Differs(test.got, test.want...)
		if !strings.Contains(got, test.has) {
			t.Errorf("%s: %s lacks %s", test.rule, got, test.has)
		}
		if is, want, ok := strings.Cut(got, ", want "); !ok || strings.TrimPrefix(is, "is ") == want || len(is) > 90 {
			t.Errorf("%s: %s", test.rule, got)
		}
	}
	for n := range 200 { // whatever the length and the place of the difference
		a, b := strings.Repeat("x", n)+"a"+strings.Repeat("y", 200-n), strings.Repeat("x", n)+"b"+strings.Repeat("y", 200-n)
		if got := Differs(a, b); !strings.Contains(got, "xa") && n > 0 && !strings.Contains(got, `"a`) {
			t.Errorf("at %d: %s", n, got)
		}
	}
	if nearest, hint := Overlooked("https://a/", []string{"x", "https://a"}); nearest != "https://a" || !strings.Contains(hint, "slash") {
		t.Error(nearest, hint)
	}
}
