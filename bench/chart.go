package main

import (
	"fmt"
	"math"

	"github.com/seed-22400188/jwks/bench/internal/svg"
)

// verifyChart shows what each library takes on top of the signature check. A
// library that takes less has a bar to the left of the check.
func verifyChart(r *results, libs []library) string {
	const (
		width, left, right = 760, 150, 130
		top, bar, gap      = 84, 15, 16
	)
	least, most := 0.0, 1.0
	for _, b := range r.verify {
		for _, lib := range libs {
			over := b.against(lib.name, bare, difference) / 1e3
			least, most = min(least, over), max(most, over)
		}
	}
	step := niceStep((most - least) / 6)
	group := bar*len(r.verify) + gap
	height := top + group*len(libs) + 34
	scale := float64(width-left-right) / (most - least)
	zero := left - least*scale

	d := svg.New(width, height, "Time over the signature check alone",
		"Bars for each library and algorithm: how many microseconds verifying a token takes beyond the signature check.")
	d.Text(16, 28, svg.Start, "title", "Verifying a token: time over the bare signature check")
	d.Text(16, 48, svg.Start, "soft", "µs on top of what the signature itself costs; to the left is better. × is the whole verify over the bare check.")
	colours := []string{svg.First, svg.Second, svg.Third}
	for i, b := range r.verify {
		x := 16 + float64(i)*84
		d.Bar(x, 59, 12, 12, colours[i])
		d.Text(x+18, 70, svg.Start, "soft", b.title)
	}
	for n := int(math.Ceil(least / step)); float64(n)*step <= most; n++ {
		tick := float64(n) * step
		x := zero + tick*scale
		d.Line(svg.Quiet, x, top-4, x, float64(height-28))
		d.Text(x, float64(height-12), svg.Middle, "soft", fmt.Sprintf("%g µs", tick))
	}
	for row, lib := range libs {
		y := float64(top + row*group)
		class := ""
		if isOurs(lib.name) {
			class = "strong"
		}
		d.Text(left-12, y+float64(bar*len(r.verify))/2+4, svg.End, class, lib.name)
		for i, b := range r.verify {
			over := b.against(lib.name, bare, difference) / 1e3
			times := b.against(lib.name, bare, ratio)
			at := y + float64(i*bar)
			from, to, sign := zero, zero+max(over*scale, 1), "+"
			if over < 0 {
				from, to, sign = zero+min(over*scale, -1), zero, "-"
			}
			d.Bar(from, at+1, to-from, bar-2, colours[i])
			d.Text(to+6, at+12, svg.Start, "soft", fmt.Sprintf("%s%s µs, %.2f×", sign, significant(math.Abs(over)), times))
		}
	}
	return d.String()
}

// niceStep rounds to 1, 2 or 5 times a power of ten.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}
