// Package interop holds no code for users: its tests run the library against
// issuers and clients that others wrote. Issuers hand out real tokens that the
// library verifies; clients verify tokens of the fake issuer of package
// jwkstest, which shows that it is like a real one.
//
// The tests start each part on a free loopback port and stop it by its process
// ID. A part that is not installed skips its tests with a message that says how
// to get it; `make interop` installs those of npm, and fails when fewer than
// eight parts ran. RESULTS.md is what the last run saw.
package interop
