package accel

// The comb of Lim and Lee multiplies a point that is known beforehand by a
// scalar (C. H. Lim, P. J. Lee: More Flexible Exponentiation with Precomputation,
// CRYPTO '94; Guide to Elliptic Curve Cryptography, algorithm 3.44).
//
// The bits of the scalar are laid out in rows, one for each tooth of the comb,
// least significant row first. A column then has one bit of each row, and these
// bits, read as a number, choose an entry of a table of the sums of
//
//	P, 2^columns P, 2^(2 columns) P, ...
//
// The scalar times P is the sum of the columns' entries, each doubled as often
// as its place says. All columns together take as many doublings as there are
// columns, not as there are bits.
//
// Entry 0 is the neutral element. The additions of both curves' packages are
// complete (right for equal, opposite and neutral points too), so no case needs
// care here.

// scalarBits is the length of the scalars of both curves, at most.
const scalarBits = 256

// combColumns is the number of columns of a comb.
func combColumns(teeth int) int { return (scalarBits + teeth - 1) / teeth }

// combEntry is the number of the table's entry for a column of a scalar, which
// is little-endian.
func combEntry(scalar *[scalarBits / 8]byte, teeth, columns, column int) int {
	entry := 0
	for bit := (teeth-1)*columns + column; bit >= 0; bit -= columns {
		entry <<= 1
		if bit < scalarBits { // the last row may be shorter
			entry |= int(scalar[bit/8]>>(bit%8)) & 1
		}
	}
	return entry
}
