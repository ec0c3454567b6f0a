package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-22400188/jwks/internal/show"
)

// quote shows foreign text: on one line, quoted and cut.
func quote(s string) string { return show.Quote(s) }

// span writes a duration as people say it: "84 ms", "3 min", "7 years".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	d = d.Abs()
	of := func(unit time.Duration, one, many string) string {
		n := int64((d + unit/2) / unit)
		if n == 1 {
			return "1 " + one
		}
		return strconv.FormatInt(n, 10) + " " + many
	}
	switch {
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return "under 1 ms"
	case d < time.Second:
		return of(time.Millisecond, "ms", "ms")
	case d < 10*time.Second && d%time.Second != 0:
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	case d < 90*time.Second:
		return of(time.Second, "s", "s")
	case d < 59*time.Minute+30*time.Second:
		return of(time.Minute, "min", "min")
	case d < 36*time.Hour:
		return of(time.Hour, "h", "h")
	case d < 60*day:
		return of(day, "day", "days")
	case d < 2*365*day:
		return of(30*day, "month", "months")
	default:
		n := int64((d + 2*day) / (365*day + day/4)) // leap days do not make a year shorter
		if n == 1 {
			return "1 year"
		}
		return strconv.FormatInt(n, 10) + " years"
	}
}

// relative says where a moment is from now.
func relative(t, now time.Time) string {
	switch d := t.Sub(now); {
	case d.Abs() < time.Second:
		return "now"
	case d < 0:
		return span(d) + " ago"
	default:
		return "in " + span(d)
	}
}

// sizeText writes a size: "812 bytes", "1.2 KB".
func sizeText(n int64) string {
	switch {
	case n == 1:
		return "1 byte"
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1000*1000:
		return fmt.Sprintf("%.1f KB", float64(n)/1000)
	default:
		return fmt.Sprintf("%.1f MB", float64(n)/1000/1000)
	}
}

// stamp writes a moment.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// printable makes a text fit for one line of a terminal: whatever could move the
// cursor or turn the text around is escaped.
func printable(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// cut shortens a text to about limit bytes.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// column lays rows out in columns, two spaces apart; the last one is free.
func column(rows [][]string, indent string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := indent
		for i, cell := range row {
			line += cell
			if i < len(row)-1 {
				line += strings.Repeat(" ", widths[i]-width(cell)+2)
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

func width(s string) int { return len([]rune(s)) }

// Colours of a terminal, by the numbers of ECMA-48.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
)

// paint colours a text where the program may.
func (p *program) paint(colour, text string) string {
	if !p.colour || text == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
