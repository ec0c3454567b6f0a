package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// badTokens are six tokens that every verifier must refuse, or its speed means
// nothing.
func badTokens(s *signer, issuer string) map[string]string {
	altered := func(name string, value any) string {
		c := claims(issuer)
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return s.token(c)
	}
	good := s.token(claims(issuer))
	return map[string]string{
		"expired an hour ago":        altered("exp", time.Now().Add(-time.Hour).Unix()),
		"of another issuer":          altered("iss", "https://issuer.example.net"),
		"for another audience":       altered("aud", []string{"https://invoices.example.com"}),
		"not valid before next hour": altered("nbf", time.Now().Add(time.Hour).Unix()),
		"without exp":                altered("exp", nil),
		"with a flipped signature":   flipped(good),
	}
}

// flipped changes one character in the middle of the signature.
func flipped(token string) string {
	at := strings.LastIndexByte(token, '.') + 40
	other := byte('A')
	if token[at] == other {
		other = 'B'
	}
	return token[:at] + string(other) + token[at+1:]
}

// admit lets a verifier in if it accepts the good token. It returns a line for
// each bad one that it accepts as well.
func admit(v verifier, name string, s *signer, issuer, good string) (faults []string, err error) {
	got, err := v.verify(context.Background(), good)
	if err != nil {
		return nil, fmt.Errorf("%s refuses the good %s token: %w", name, s.alg, err)
	}
	if got != subject {
		return nil, fmt.Errorf("%s reads the subject %q, want %q", name, got, subject)
	}
	for what, token := range badTokens(s, issuer) {
		if _, err := v.verify(context.Background(), token); err == nil {
			faults = append(faults, name+" accepts a token "+what)
		}
	}
	return faults, nil
}
