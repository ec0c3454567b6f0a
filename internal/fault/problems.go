package fault

import "strings"

// Problems collects what fails, to be told in one error.
type Problems struct {
	Texts   []string // a line each, with foreign parts quoted
	Reasons []error
}

// Add notes one problem and the reasons that an error about it matches.
func (p *Problems) Add(text string, reasons ...error) {
	p.Texts = append(p.Texts, text)
	p.Reasons = append(p.Reasons, reasons...)
}

// Empty says that nothing was added.
func (p *Problems) Empty() bool { return p.Texts == nil }

// Text tells everything in one line.
func (p *Problems) Text() string { return strings.Join(p.Texts, "; ") }
