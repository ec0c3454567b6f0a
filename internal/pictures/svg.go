package main

import (
	"fmt"
	"html"
	"strings"
)

// svg is a picture under construction. It follows the reader's light or dark
// theme, also as an image of a page (CSS media query prefers-color-scheme).
type svg struct {
	width, height int
	title         string
	body          strings.Builder
}

const style = `
  text { font: 14px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 12px; fill: #57606a }
  .strong { font-weight: 600 }
  .mono { font-family: ui-monospace, monospace; font-size: 12px }
  .middle { text-anchor: middle }
  .end { text-anchor: end }
  .box { fill: #f6f8fa; stroke: #d0d7de }
  .line { stroke: #57606a; fill: none; stroke-width: 1.5 }
  .dash { stroke-dasharray: 4 3 }
  .head { fill: #57606a }
  .good { fill: #c7ecd0; stroke: #2da44e }
  .busy { fill: #d5e9ff; stroke: #218bff }
  .warn { fill: #fff1c2; stroke: #bf8700 }
  .bad { fill: #ffd8d3; stroke: #cf222e }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .box { fill: #151b23; stroke: #3d444d }
    .line { stroke: #9198a1 }
    .head { fill: #9198a1 }
    .good { fill: #12361f; stroke: #3fb950 }
    .busy { fill: #10294a; stroke: #58a6ff }
    .warn { fill: #3a2d0a; stroke: #d29922 }
    .bad { fill: #48191c; stroke: #f85149 }
  }
`

func (s *svg) rect(x, y, width, height int, class string) {
	fmt.Fprintf(&s.body, `<rect x="%d" y="%d" width="%d" height="%d" rx="6" class="%s"/>`+"\n", x, y, width, height, class)
}

func (s *svg) text(x, y int, class, text string) {
	fmt.Fprintf(&s.body, `<text x="%d" y="%d" class="%s">%s</text>`+"\n", x, y, class, html.EscapeString(text))
}

func (s *svg) line(class string, points ...int) {
	var path strings.Builder
	for i := 0; i+1 < len(points); i += 2 {
		fmt.Fprintf(&path, "%c%d %d", "ML"[min(i, 1)], points[i], points[i+1])
	}
	fmt.Fprintf(&s.body, `<path d="%s" class="line %s"/>`+"\n", path.String(), class)
}

// arrow is a line with a head at its end, which points to the right or down.
func (s *svg) arrow(points ...int) {
	s.line("", points...)
	x, y := points[len(points)-2], points[len(points)-1]
	if points[len(points)-3] == y { // horizontal
		fmt.Fprintf(&s.body, `<path d="M%d %dl-8 -4v8z" class="head"/>`+"\n", x, y)
		return
	}
	fmt.Fprintf(&s.body, `<path d="M%d %dl-4 -8h8z" class="head"/>`+"\n", x, y)
}

// String is the whole picture.
func (s *svg) String() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="%s">
<title>%s</title>
<style>%s</style>
%s</svg>
`, s.width, s.height, html.EscapeString(s.title), html.EscapeString(s.title), style, s.body.String())
}
