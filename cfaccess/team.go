package cfaccess

import "strings"

const domain = ".cloudflareaccess.com"

// checkTeam accepts one DNS label in lower case (RFC 1035 section 2.3.1, RFC
// 1123 section 2.1), and so nothing that could bend the URL it becomes part of.
func checkTeam(team string) error {
	if isLabel(team) {
		return nil
	}
	hint := ""
	if name := strings.TrimPrefix(strings.TrimSuffix(strings.TrimRight(strings.ToLower(team), "/"), domain), "https://"); name != team && isLabel(name) {
		hint = ", such as " + name
	}
	const most = 64
	shown, cut := team, ""
	if len(shown) > most {
		shown, cut = shown[:most], "…"
	}
	return configError("New: %+q%s is no team name: want one DNS label of a-z, 0-9 and inner hyphens%s", shown, cut, hint)
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-')
	})
}
