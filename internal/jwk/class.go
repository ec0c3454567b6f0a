package jwk

import (
	"errors"
	"fmt"
)

// Classes of refusals, which [errors.Is] tells apart, for reports to the owner
// of a key set. An entry that is refused for another reason is of none of them.
var (
	ErrSecret  = errors.New("private or symmetric material is published")
	ErrWeak    = errors.New("the key is weak")
	ErrPurpose = errors.New("the key is for another purpose")
)

// refusal is a reason of a class.
type refusal struct {
	text  string
	class error
}

func (e *refusal) Error() string { return e.text }
func (e *refusal) Unwrap() error { return e.class }

func refuse(class error, format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), class}
}
