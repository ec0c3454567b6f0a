package tenants

import (
	"time"

	"github.com/seed-22400188/jwks/internal/freshness"
)

// Departure is what is remembered of an issuer whose client had to leave, so
// that however often it comes back its documents are fetched no more often than
// they would have been.
type Departure struct {
	FreeAt  freshness.Moment // until then, the set that left would have served
	RetryAt freshness.Moment // the end of its backoff
	Budget  freshness.Bucket // of its refreshes for keys
	Settled bool             // a token of it verified
}

// Return says whether the issuer may be fetched from anew, and charges that to
// its budget while the old set would have served; else, how long until it may.
func (d *Departure) Return(now freshness.Moment) (wait time.Duration, ok bool) {
	switch {
	case now < d.RetryAt:
		return d.RetryAt.Sub(now), false
	case now >= d.FreeAt:
		return 0, true
	case d.Budget.Available(now):
		d.Budget.Charge(now)
		return 0, true
	}
	wait = d.FreeAt.Sub(now)
	if next := d.Budget.Next(now); next > 0 {
		wait = min(wait, next)
	}
	return wait, false
}

// NewcomerBudget is the budget for issuers that are new, or whose return is not
// known: as many as may be kept, but at least 100, and a tenth more each
// second, so that a cold start of all of them passes.
func NewcomerBudget(size int) freshness.Bucket {
	burst := max(100, size)
	return freshness.NewBucket(max(10*time.Second/time.Duration(burst), 1), burst)
}

// ScannerBudget is the budget where anybody is trusted: forged tokens must not
// turn the service into a scanner.
func ScannerBudget() freshness.Bucket { return freshness.NewBucket(time.Second, 10) }

// memory is how many departures are remembered beside size settled members: as
// many as the budget for newcomers lets come and go in a quarter of an hour.
func memory(size int) int { return max(10_000, 100*min(size, 10_000)) }
