package main

import (
	"fmt"
	"math"
	"time"

	"github.com/seed-22400188/jwks/bench/internal/markdown"
	"github.com/seed-22400188/jwks/bench/internal/svg"
)

// plot is one panel: requests per second over time.
type plot struct {
	title    string
	from, to time.Duration
	zero     time.Duration // what the axis counts from
	curves   []curve
}

type curve struct {
	name   string
	colour string
	series *series
}

// plots runs the scenarios that the chart shows, once more.
func plots(n int) []plot {
	observe := func(f fleet, i *issuer) *series {
		simulate(f, i, seed)
		return &i.seen
	}
	without := func(f fleet, i *issuer) *series {
		f.policy = inStep(f.policy)
		return observe(f, i)
	}
	quiet := func() *issuer { return &issuer{} }
	start := started(n, 90*time.Minute)
	now, nowIssuer := rotating(n, 0)
	ahead, aheadIssuer := rotating(n, 15*time.Minute)
	down := func(capacity int) (fleet, *issuer) { return failing(n, capacity) }
	limit := capacityFor(n)
	return []plot{
		{
			"All start within a second", 0, start.horizon, 0,
			[]curve{{"without jitter", svg.Second, without(start, quiet())}, {"with jitter", svg.First, observe(start, quiet())}},
		},
		{
			"A key rotates at 0", rotates - time.Minute, rotates + 2*time.Minute, rotates,
			[]curve{
				{"signs at once", svg.First, observe(now, nowIssuer)},
				{"published 15 min ahead", svg.Third, shifted(observe(ahead, aheadIssuer), 15*time.Minute)},
			},
		},
		{
			"The issuer is down from 0 to 30 min", downFrom - 10*time.Minute, downTo + 30*time.Minute, downFrom,
			[]curve{{"without jitter", svg.Second, without(down(0))}, {"with jitter", svg.First, observe(down(0))}},
		},
		{
			fmt.Sprintf("The same; after it the issuer serves at most %s/s", markdown.Number(limit)), downFrom - 10*time.Minute, downTo + 30*time.Minute, downFrom,
			[]curve{{"without jitter", svg.Second, without(down(limit))}, {"with jitter", svg.First, observe(down(limit))}},
		},
	}
}

// shifted moves a series back, so that two can be laid over each other.
func shifted(s *series, by time.Duration) *series {
	return &series{s.between(by, time.Duration(len(s.perSecond))*time.Second)}
}

// draw makes the chart of all panels.
func draw(n int, plots []plot) string {
	const (
		width, left, right = 760, 64, 32
		top, panel, gap    = 64, 132, 66
	)
	height := top + len(plots)*(panel+gap)
	d := svg.New(width, height, "What a fleet costs its issuer",
		"Requests per second over time, on a logarithmic scale, for a common start, a rotation, and an outage with its recovery.")
	d.Text(16, 28, svg.Start, "title", fmt.Sprintf("What %s replicas cost their issuer", markdown.Number(n)))
	d.Text(16, 48, svg.Start, "soft", "requests per second, on a logarithmic scale: the busiest second of each pixel")
	most := 10.0
	for _, p := range plots {
		for _, c := range p.curves {
			most = max(most, float64(c.series.peak(p.from, p.to)))
		}
	}
	decades := math.Ceil(math.Log10(most))
	for i, p := range plots {
		y := float64(top + i*(panel+gap) + 24)
		d.Text(left, y-10, svg.Start, "strong", p.title)
		level := func(v float64) float64 { return y + panel*(1-math.Log10(max(v, 1))/decades) }
		for decade := range int(decades) + 1 {
			v := math.Pow(10, float64(decade))
			d.Line(svg.Quiet, left, level(v), width-right, level(v))
			d.Text(left-8, level(v)+4, svg.End, "soft", markdown.Number(v))
		}
		scale := float64(width-left-right) / (p.to - p.from).Seconds()
		place := func(at time.Duration) float64 { return left + (at-p.from).Seconds()*scale }
		step := 10 * time.Minute
		if p.to-p.from < 10*time.Minute {
			step = 30 * time.Second
		}
		for at := p.zero; at <= p.to; at += step {
			d.Text(place(at), y+panel+16, svg.Middle, "soft", clock(at-p.zero))
		}
		for at := p.zero - step; at >= p.from; at -= step {
			d.Text(place(at), y+panel+16, svg.Middle, "soft", clock(at-p.zero))
		}
		for _, c := range p.curves {
			d.Line(c.colour, c.points(p, place, level)...)
		}
		at := float64(width - right)
		for j := len(p.curves) - 1; j >= 0; j-- { // from the right, above the panel
			c := p.curves[j]
			d.Text(at, y-10, svg.End, "soft", c.name)
			at -= float64(len(c.name))*6.8 + 18 // about the width of the text
			d.Bar(at, y-20, 12, 12, c.colour)
			at -= 16
		}
	}
	return d.String()
}

// points are the busiest second of each pixel.
func (c *curve) points(p plot, place func(time.Duration) float64, level func(float64) float64) []float64 {
	var out []float64
	column, most := math.Inf(-1), 0
	flush := func() {
		if !math.IsInf(column, -1) {
			out = append(out, column, level(float64(most)))
		}
	}
	for at := p.from; at < p.to; at += time.Second {
		if x := math.Floor(place(at)); x != column {
			flush()
			column, most = x, 0
		}
		most = max(most, c.series.total(at, at+time.Second))
	}
	flush()
	return out
}

// clock writes a moment on an axis.
func clock(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}
