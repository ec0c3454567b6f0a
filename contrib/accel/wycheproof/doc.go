// Package wycheproof runs project Wycheproof's signature vectors
// (github.com/c2sp/wycheproof) through contrib/accel. It is a module of its own
// because the vectors need a newer Go than the accelerator does.
//
//	go test -v .
package wycheproof
