package storelink

import "time"

// Call is a kind of call of a store.
type Call uint8

// The kinds.
const (
	Load Call = 1 << iota
	Save
	Lease
)

// health is what is known of a store. A spell of failing is told once: it lasts
// until every kind of call that failed has worked again. The zero value knows
// nothing bad.
type health struct {
	failing    Call // the kinds that failed last time
	badRecords bool // what it returned last was not a record to be trusted
}

// failed notes a call that failed. It reports whether that begins a spell.
func (h *health) failed(c Call) (tell bool) {
	tell = h.failing == 0
	h.failing |= c
	return tell
}

// worked notes a call that did not fail.
func (h *health) worked(c Call) { h.failing &^= c }

// badRecord notes that a record was refused, and goodRecord that one was not. A
// refusal reports whether it begins a spell.
func (h *health) badRecord() (tell bool) {
	tell, h.badRecords = !h.badRecords, true
	return tell
}

// goodRecord notes a record that could be trusted. One that is newer than
// anything of ours was saved by another replica: so whatever failed here works.
func (h *health) goodRecord(newer bool) {
	if h.badRecords = false; newer {
		h.failing = 0
	}
}

// isFailing says that the last call of a kind failed.
func (h *health) isFailing(c Call) bool { return h.failing&c != 0 }

// rolledBack says that a record is so much older than one that was there before
// that replicas which fetched at the same time do not explain it.
func rolledBack(fetchedAt, newest time.Time) bool { return newest.Sub(fetchedAt) > time.Minute }
