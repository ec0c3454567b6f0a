package model

// pendingRules are checked like the others, and what breaks them is counted and
// logged, but fails no test: the library does not follow them yet, or the rule
// does not know all that is allowed. Each has the sentence of the documentation
// that it waits for, or what the rule lacks. Whoever mends either takes it out of
// here.
var pendingRules = map[string]string{}
