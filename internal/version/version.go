// Package version holds the version of this library, in one place: the
// User-Agent, the command and the release check read it here.
package version

// Number is the version that is released next, or was released last: the
// semantic version without a leading v. CHANGELOG.md has a section for it.
const Number = "0.1.0"
