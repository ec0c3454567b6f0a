package fault

import "errors"

// Errors of code that is not ours (a key source, a check, an HTTP client) may
// match both classes or neither. A caller's switch must not depend on the order
// of its cases, so each such error goes through here on its way into a chain.

// Within returns err for the chain of an error of class: as it is, or, where it
// matches the other class as well, an error that has its text and matches
// nothing.
func Within(class, err error) error {
	other := ErrTokenInvalid
	if class == ErrTokenInvalid {
		other = ErrUnavailable
	}
	if errors.Is(err, other) {
		return errors.New(err.Error())
	}
	return err
}

// Sort tells the class of an error: the one that it matches, [ErrUnavailable]
// if it matches both, and otherwise if it matches neither. cause is err for the
// chain of an error of that class.
func Sort(err, otherwise error) (class, cause error) {
	switch {
	case errors.Is(err, ErrUnavailable):
		class = ErrUnavailable
	case errors.Is(err, ErrTokenInvalid):
		class = ErrTokenInvalid
	default:
		class = otherwise
	}
	return class, Within(class, err)
}

// HasOneClass says that err matches one of the two classes and not the other.
func HasOneClass(err error) bool {
	return errors.Is(err, ErrTokenInvalid) != errors.Is(err, ErrUnavailable)
}
