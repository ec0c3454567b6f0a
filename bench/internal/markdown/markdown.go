// Package markdown writes the tables of this module's reports.
package markdown

import (
	"fmt"
	"strconv"
	"strings"
)

// Number writes a whole number with commas between the thousands.
func Number[T int | float64](v T) string {
	digits := strconv.FormatFloat(float64(v), 'f', 0, 64)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Table writes a table. The first columns, so many of them, are text; the
// others are figures.
func Table(text int, head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	rule := make([]string, len(head))
	for i := range rule {
		if rule[i] = "---:"; i < text {
			rule[i] = "---"
		}
	}
	line(rule)
	for _, cells := range rows {
		line(cells)
	}
	return b.String()
}
