package model

// pendingRules are checked like the others, and what breaks them is counted and
// logged, but fails no test: the library does not follow them yet. Each has the
// sentence of the documentation that it waits for. Whoever makes the library
// follow one takes it out of here.
var pendingRules = map[string]string{
	// The copy at hand is believed when it should be doubted.
	"hourly-unconditional":         "at least once an hour a refresh is unconditional",
	"doubt-conditional":            "a refresh for an unknown key, a bad signature and Refresh is unconditional",
	"weak-last-modified":           "Last-Modified is a validator only beside a Date at least a second later",
	"refresh-believes-validators":  "Refresh returns what the issuer publishes, whatever its validators say",
	"removed-too-long-validators":  "behind validators that lie a removed key serves for one hour plus one TTL",
	"recovers-never-validators":    "the same: a new key is found in the end",
	"without-cache-conditional":    "without cache a lookup asks unconditionally",
	"without-cache-cached":         "without cache a lookup asks past caches on the way",
	"without-cache-joined":         "without cache a lookup that joined an older fetch asks once more",
	"age-asked":                    "a refresh for age says max-age=TTL",
	"aged-answer-taken":            "an answer older than the TTL is asked for again past all caches",
	"copy-trusted-too-long":        "a copy older than the TTL is trusted while it lives, within bounds",
	"removed-too-long-copies":      "a cache on the way does not stretch the TTL",
	"fresh-waits-by-age":           "a set is fresh for the TTL less the age of its answer",
	"status-expiry-by-age":         "the same, in the status",
	"status-fetched-at":            "the same, counted from the origin",
	"frozen-refresh-excuses":       "a refresh beyond its own deadline excuses nothing",
	"old-failure-refuses":          "the same, for a key that was replaced",
	"published-refused-validators": "a key is found whatever the validators say",
	"keys-without-kid-validators":  "the same, without kids",
	"old-failure-excuses":          "a failure excuses for its backoff and one fetch deadline",
	"retention-revives":            "neither a seed nor a set past the end of stale is retained",
	"retry-after-lost":             "a failing Refresh does not shorten a Retry-After",
	// A key that is there is not found.
	"late-key-refused":     "a kid is remembered as missing for a second at first",
	"keys-without-kid":     "issuers without kids rotate too",
	"landed-key-not-tried": "looking again tries the set at hand first",
	"gave-up-untold":       "a context that ends while looking again is ErrUnavailable",
	// One pays for another; the network; people are left guessing.
	"secret-leaks":            "configured headers go to configured hosts only",
	"attempt-cut-by-deadline": "a refresh has as many times the time-out as there are documents",
	"fresh-waits-by-header":   "headers bring the next refresh forward and do not shorten the TTL",
	"status-expiry-by-header": "the same, in the status",
	"refresh-by-header":       "the same: the refresh does begin",
	"recovers-late-by-header": "the same, in the end",
	"stale-refused-by-age":    "the same, of copies",
	"stale-refused-by-header": "the same, when it fails",
	"tenant-requests":         "forged tokens do not have a tenant's documents fetched again",
	"tenant-pushed-out":       "names without a verified token push nobody out",
	"tenant-decision-waits":   "a decision that outlives its deadline gives its slot back",
	"tenant-offboarded":       "a tenant that the function refuses is trusted for one decision TTL",
	"recovered-untold":        "the first success after failures is told",
	"end-untold":              "the end of stale is told",
}
