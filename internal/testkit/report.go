package testkit

import (
	"errors"
	"strings"
	"testing"

	"github.com/seed-22400188/jwks"
)

// CheckReport checks what holds for every report of [jwks.Verifier.Explain]:
// verdicts and errors belong together, and no step shows the token.
func CheckReport(tb testing.TB, r *jwks.Report, token string) {
	tb.Helper()
	if (r.Token != nil) != (r.Err == nil) {
		tb.Errorf("token %v with error %v", r.Token, r.Err)
	}
	bad := 0
	for _, s := range r.Steps {
		failed := s.Verdict == jwks.StepFailed || s.Verdict == jwks.StepUndecided
		if failed != (s.Err != nil) {
			tb.Errorf("%s is %s with error %v", s.Name, s.Verdict, s.Err)
		}
		if failed {
			bad++
			CheckVerifyError(tb, s.Err, token)
			if (s.Verdict == jwks.StepUndecided) != errors.Is(s.Err, jwks.ErrUnavailable) {
				tb.Errorf("%s is %s with error %v", s.Name, s.Verdict, s.Err)
			}
		}
		if strings.ContainsAny(s.Detail, "\r\n") || len(s.Detail) > 2100 {
			tb.Errorf("%s is told in more than a line: %q", s.Name, s.Detail)
		}
	}
	if (bad > 0) != (r.Err != nil) {
		tb.Errorf("%d steps failed with error %v", bad, r.Err)
	}
}
