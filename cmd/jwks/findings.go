package main

import (
	"slices"
	"time"
)

// level is how bad a finding is.
type level string

// Levels, as -json prints them.
const (
	levelOK    level = "ok"
	levelInfo  level = "info"
	levelWarn  level = "warn"
	levelError level = "error"
)

func (l level) colour() string {
	switch l {
	case levelError:
		return red
	case levelWarn:
		return yellow
	case levelOK:
		return green
	}
	return bold
}

// finding is one thing that a doctor says about an issuer.
type finding struct {
	Level  level  `json:"level"`
	Name   string `json:"name"` // a heading of docs/doctor.md
	Text   string `json:"text"`
	Advice string `json:"advice"` // "" where all is well
}

// rule judges one thing. It is a pure function of what was observed; without
// something to judge it returns a finding without a level, which is left out.
type rule struct {
	name  string
	judge func(o *observations) finding
}

// rules in the order of the report.
var rules = []rule{
	{"discovery", judgeDiscovery},
	{"issuer", judgeIssuer},
	{"key_set", judgeKeySet},
	{"private_keys", judgePrivateKeys},
	{"weak_keys", judgeWeakKeys},
	{"unusable_keys", judgeUnusableKeys},
	{"missing_kids", judgeMissingKids},
	{"duplicate_kids", judgeDuplicateKids},
	{"spare_key", judgeSpareKey},
	{"replicas", judgeReplicas},
	{"caching", judgeCaching},
	{"validators", judgeValidators},
	{"content_type", judgeContentType},
	{"compression", judgeCompression},
	{"size", judgeSize},
	{"redirects", judgeRedirects},
	{"latency", judgeLatency},
	{"clock", judgeClock},
	{"https", judgeHTTPS},
	{"certificate", judgeCertificate},
}

// examine judges everything.
func examine(o *observations) []finding {
	findings := []finding{}
	for _, r := range rules {
		if f := r.judge(o); f.Level != "" {
			f.Name = r.name
			findings = append(findings, f)
		}
	}
	return findings
}

func ok(text string) finding { return finding{Level: levelOK, Text: text} }

func found(l level, text, advice string) finding {
	return finding{Level: l, Text: text, Advice: advice}
}

// none is for a rule that has nothing to judge.
var none finding

// answers are all that came for the key set.
func (o *observations) answers() []*answer {
	list := []*answer{o.keys, o.again, o.same, o.made}
	return slices.DeleteFunc(list, func(a *answer) bool { return a == nil })
}

// exchanges are those of all documents.
func (o *observations) exchanges() []exchange {
	var list []exchange
	for _, p := range o.places {
		list = append(list, p.exchanges...)
	}
	for _, a := range o.answers() {
		list = append(list, a.exchanges...)
	}
	return list
}

// Limits of the findings.
const (
	maxKeptByCaches = time.Hour
	maxClockOff     = 30 * time.Second
	slow            = time.Second
	tooSlow         = 5 * time.Second // what a client of the library waits for one request
	large           = 64 << 10
	worthPacking    = 8 << 10
	certificateEnds = 14 * 24 * time.Hour
)
