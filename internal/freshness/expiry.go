package freshness

// AnnounceExpiry says that the set has expired, once in a spell: a spell lasts
// until the next success. A cache that never had a set does not expire, nor does
// one that keeps none.
func (p *Policy) AnnounceExpiry(now Moment) bool {
	if p.expiryAnnounced || p.facts.state(now) != Expired {
		return false
	}
	p.expiryAnnounced = true
	return true
}
