package wellknown

import (
	"slices"
	"strings"
	"testing"
)

func TestPlaces_Order(t *testing.T) {
	tests := []struct {
		issuer, path string
		want         []string
	}{
		{"https://a.example", "", []string{
			"https://a.example/.well-known/openid-configuration",
			"https://a.example/.well-known/oauth-authorization-server"}},
		{"https://a.example///", "", []string{
			"https://a.example/.well-known/openid-configuration",
			"https://a.example/.well-known/oauth-authorization-server"}},
		{"http://localhost:8080/realms/x/", "", []string{
			"http://localhost:8080/realms/x/.well-known/openid-configuration",
			"http://localhost:8080/.well-known/oauth-authorization-server/realms/x",
			"http://localhost:8080/.well-known/openid-configuration/realms/x"}},
		{"https://login.example/{tenantid}/v2.0", "", []string{
			"https://login.example/common/v2.0/.well-known/openid-configuration",
			"https://login.example/{tenantid}/v2.0/.well-known/openid-configuration",
			"https://login.example/.well-known/oauth-authorization-server/common/v2.0",
			"https://login.example/.well-known/openid-configuration/common/v2.0",
			"https://login.example/.well-known/oauth-authorization-server/{tenantid}/v2.0",
			"https://login.example/.well-known/openid-configuration/{tenantid}/v2.0"}},
		{"https://a.example/x/", "/config", []string{"https://a.example/x/config"}},
		{"https://login.example/{tenantid}", "/config", []string{
			"https://login.example/common/config", "https://login.example/{tenantid}/config"}},
	}
	for _, test := range tests {
		if got := Places(test.issuer, test.path); !slices.Equal(got, test.want) {
			t.Errorf("%s %s:\n%s\nwant\n%s", test.issuer, test.path, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}
