// Package conformance holds the module's library to what others wrote down:
// the Wycheproof test vectors, the examples of the RFCs, and the verdicts of
// three other libraries on the same tokens. It has tests only, and is a module
// of its own because they need modules that a user of the library does not.
package conformance

//go:generate go test -run ^TestDifferential$ -update .
