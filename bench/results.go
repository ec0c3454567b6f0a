package main

// results is everything measured.
type results struct {
	contest   contest
	setSize   int // keys of the large set
	tokenSize int // bytes of a token as RS256
	workers   int
	faults    []string // bad tokens that a verifier accepts
	verify    []board  // one for each algorithm
	again     board
	lookup    []board // by size of the set
	atSize    []board // whole verify, by size of the set
	parse     board
	reread    board
	unknown   board
	unknowns  map[string]float64 // requests to the issuer for 1,000 forged tokens
}

// board is one comparison.
type board struct {
	title string
	rows  []row
}

// row is one contestant's.
type row struct {
	name     string
	serial   []sample
	parallel []sample
}

// row finds a contestant; nil if it did not take part.
func (b *board) row(name string) *row {
	for i := range b.rows {
		if b.rows[i].name == name {
			return &b.rows[i]
		}
	}
	return nil
}

// against compares two contestants' serial time round by round and takes the
// median.
func (b *board) against(name, other string, compare func(a, b float64) float64) float64 {
	a, o := b.row(name), b.row(other)
	if a == nil || o == nil {
		return 0
	}
	return median(paired(a.serial, o.serial, compare))
}

// contend measures and makes a board.
func contend(c contest, title string, contestants []contestant, workers int) (board, error) {
	b := board{title: title}
	serial, parallel, err := c.run(workers, contestants)
	if err != nil {
		return b, err
	}
	for i, one := range contestants {
		b.rows = append(b.rows, row{one.name, serial[i], parallel[i]})
	}
	return b, nil
}
