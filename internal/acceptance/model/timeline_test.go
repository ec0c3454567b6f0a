package model

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// timeline writes down what happened, in order: for people who look into a
// scenario that breaks a rule.
func (tr *trace) timeline() string {
	type line struct {
		at   time.Duration
		text string
	}
	var lines []line
	add := func(at time.Duration, format string, args ...any) {
		lines = append(lines, line{at, fmt.Sprintf(format, args...)})
	}
	for _, d := range tr.site.history {
		add(d.since, "published   %v", d.entries)
	}
	for _, q := range tr.requests {
		result := fmt.Sprint(q.err)
		if q.answer != nil {
			result = fmt.Sprintf("%d, age %v", q.answer.status, q.answer.age)
		}
		add(q.start, "request     %s [%s] %q %q, until %v: %s", q.url, q.cacheControl, q.ifNoneMatch, q.ifModifiedSince, q.end, result)
	}
	for _, c := range tr.calls {
		add(c.start, "call        %v", c)
	}
	for _, e := range tr.events {
		add(e.at, "event       %v, after %v, %v; next %v", e.event.Kind, e.event.Duration, e.event.Err, e.status.NextAttempt.Format("02 15:04:05.000"))
	}
	for _, f := range tr.freezes {
		add(f[0], "frozen      until %v", f[1])
	}
	for _, r := range tr.runs {
		add(r.start, "run         until %v: %v", r.end, r.err)
	}
	add(tr.healed, "healed")
	add(tr.closed, "closed")
	sort.SliceStable(lines, func(i, j int) bool { return lines[i].at < lines[j].at })
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%-18v %s\n", l.at, l.text)
	}
	return b.String()
}
