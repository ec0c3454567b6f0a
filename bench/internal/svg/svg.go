// Package svg draws the charts of this module: text, lines and bars in a
// palette that reads on light and on dark pages, whatever shows them.
package svg

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Colours that tell series apart, in the light and in the dark. The first is
// for what the chart is about.
const (
	First  = "first"
	Second = "second"
	Third  = "third"
	Quiet  = "quiet" // lines of the grid
)

// style names every colour twice, without variables, which some renderers do
// not know. It paints its own background: a page may be dark where the system
// is light, and the text must not vanish there.
const style = `
text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 13px; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.soft { fill: #59636e; font-size: 12px; }
.strong { font-weight: 600; }
.paper { fill: #ffffff; }
.fill.first { fill: #0969da; }
.fill.second { fill: #bc4c00; }
.fill.third { fill: #1a7f37; }
.line { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
.line.first { stroke: #0969da; }
.line.second { stroke: #bc4c00; }
.line.third { stroke: #1a7f37; }
.line.quiet { stroke: #d8dee4; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .soft { fill: #9198a1; }
  .paper { fill: #0d1117; }
  .fill.first { fill: #4493f8; }
  .fill.second { fill: #f0883e; }
  .fill.third { fill: #3fb950; }
  .line.first { stroke: #4493f8; }
  .line.second { stroke: #f0883e; }
  .line.third { stroke: #3fb950; }
  .line.quiet { stroke: #30363d; }
}
`

// Drawing is a picture under way.
type Drawing struct {
	width, height int
	body          strings.Builder
}

// New begins a picture. The title and the description are for those who cannot
// see it.
func New(width, height int, title, description string) *Drawing {
	d := &Drawing{width: width, height: height}
	fmt.Fprintf(&d.body, "<title>%s</title>\n<desc>%s</desc>\n<style>%s</style>\n", escape(title), escape(description), style)
	fmt.Fprintf(&d.body, `<rect class="paper" width="%d" height="%d" rx="6"/>`+"\n", width, height)
	return d
}

// Text anchors.
const (
	Start  = "start"
	Middle = "middle"
	End    = "end"
)

// Text writes one line. The class is "title", "soft", "strong" or "".
func (d *Drawing) Text(x, y float64, anchor, class, text string) {
	fmt.Fprintf(&d.body, `<text x="%s" y="%s" text-anchor="%s" class="%s">%s</text>`+"\n", coordinate(x), coordinate(y), anchor, escape(class), escape(text))
}

// Bar fills a rectangle.
func (d *Drawing) Bar(x, y, width, height float64, colour string) {
	fmt.Fprintf(&d.body, `<rect class="fill %s" x="%s" y="%s" width="%s" height="%s" rx="2"/>`+"\n",
		colour, coordinate(x), coordinate(y), coordinate(max(width, 0)), coordinate(height))
}

// Line joins points, given as x and y in turn.
func (d *Drawing) Line(colour string, points ...float64) {
	var list strings.Builder
	for i := 0; i+1 < len(points); i += 2 {
		fmt.Fprintf(&list, "%s,%s ", coordinate(points[i]), coordinate(points[i+1]))
	}
	fmt.Fprintf(&d.body, `<polyline class="line %s" points="%s"/>`+"\n", colour, strings.TrimSpace(list.String()))
}

// String is the finished picture.
func (d *Drawing) String() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" role="img" width="%d" height="%d" viewBox="0 0 %d %d">`+"\n",
		d.width, d.height, d.width, d.height) + d.body.String() + "</svg>\n"
}

// coordinate writes a tenth of a pixel, without zeros that say nothing.
func coordinate(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
