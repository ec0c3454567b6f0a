package jwks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-22400188/jwks/internal/freshness"
	"github.com/seed-22400188/jwks/internal/jwk"
	"github.com/seed-22400188/jwks/internal/jws"
)

// Freshness must not depend on the wall clock: a jump of it, by NTP or by an
// operator, neither expires keys nor keeps them. Every moment of the policy is
// taken from clock.now, and that from the monotonic clock.
func TestClient_ClockIsMonotonic(t *testing.T) {
	client, err := NewClient(WithIssuer("https://issuer.example"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := client.cache.clock
	if c.epoch == c.epoch.Round(0) { // Round strips the monotonic reading
		t.Fatal("the epoch has no monotonic reading")
	}
	// What now would say if the wall clock alone counted: the epoch's wall
	// clock reading is moved, and the answer stays.
	before := c.now()
	wall := c.epoch.Round(0).Add(-1000 * time.Hour)
	if time.Since(wall) < 999*time.Hour {
		t.Fatal("without a monotonic reading the wall clock would count")
	}
	if after := c.now(); after < before || after.Sub(before) > time.Hour {
		t.Errorf("now went from %v to %v", before, after)
	}
}

// ed25519Set is a set of n keys whose kids begin so.
func ed25519Set(t *testing.T, n int, prefix string) *KeySet {
	t.Helper()
	entries := make([]string, n)
	for i := range entries {
		entries[i] = fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":"%s-%d","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, prefix, i)
	}
	set, err := ParseKeySet([]byte(`{"keys":[` + strings.Join(entries, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// However fast an issuer rotates, what is retained stays bounded, and what has
// ended is let go.
func TestRetain_IsBounded(t *testing.T) {
	const minute = freshness.Moment(time.Minute)
	s := &snapshot{loaded: loaded{set: ed25519Set(t, 300, "first")}}
	for i := range 10 {
		next := ed25519Set(t, 300, fmt.Sprint("set-", i))
		s = &snapshot{loaded: loaded{set: next}, retained: retain(s, next, freshness.Moment(i)*minute, time.Hour)}
		n := 0
		for _, r := range s.retained {
			n += len(r.keys.keys)
		}
		if want := min(300*(i+1), 900); n != want {
			t.Errorf("after %d rotations %d keys, want %d", i+1, n, want)
		}
	}
	if _, v := s.byKeyID("set-8-0", 10*minute); v != chosen {
		t.Error("the key that left last was not retained")
	}
	next := ed25519Set(t, 1, "last")
	if kept := retain(s, next, 100*minute, time.Hour); len(kept) != 1 {
		t.Errorf("%d generations are kept past their end", len(kept)-1)
	}
}

// Status converts the policy's states by number.
func TestState_IsThePolicys(t *testing.T) {
	for public, internal := range map[State]freshness.State{
		StateEmpty:   freshness.Empty,
		StateFresh:   freshness.Fresh,
		StateStale:   freshness.Stale,
		StateExpired: freshness.Expired,
	} {
		if State(internal) != public {
			t.Errorf("%v has the number of %v", public, State(internal))
		}
	}
}

// TestCall_ResultFirst: who waits gets the result of a call that is done, also
// where its context, or what it waits for besides, ends at the same time.
func TestCall_ResultFirst(t *testing.T) {
	over := make(chan struct{})
	close(over)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	ended, under := call[int]{done: over}, call[int]{done: make(chan struct{})}
	for range 100 { // select takes any that is ready
		if done, err := ended.wait(gone, over); !done || err != nil {
			t.Fatalf("a call that is done: %v, %v", done, err)
		}
	}
	if done, err := under.wait(t.Context(), over); done || err != nil {
		t.Errorf("early: %v, %v", done, err)
	}
	if done, err := under.wait(gone, nil); done || !errors.Is(err, context.Canceled) {
		t.Errorf("gone: %v, %v", done, err)
	}
}

// keysOf makes a set of keys without material, each of "kid alg x5t x5t#S256",
// where "-" is nothing and the last two may be left out.
func keysOf(texts ...string) *KeySet {
	set := new(KeySet)
	for _, text := range texts {
		part := append(strings.Split(strings.ReplaceAll(text, "-", ""), " "), "", "")
		thumbprints := &jwk.Thumbprints{X5t: part[2], X5tS256: part[3]}
		k := &Key{parsed: &jwk.Key{ID: part[0], Thumbprints: thumbprints}, allows: jws.SetOf(part[1:2])}
		k.alone[0] = k
		set.insert(k)
	}
	return set
}

// placesOf says where keys are: the index of the list, and the place in it.
func placesOf(keys []*Key, lists ...*KeySet) string {
	var places []string
	for _, k := range keys {
		for i, list := range lists {
			if at := slices.Index(list.keys, k); at >= 0 {
				places = append(places, fmt.Sprint(i, ".", at))
			}
		}
	}
	return strings.Join(places, " ")
}

// The set comes first, then the keys that left it, the newest first, each until
// its end. But the kid of a key that left is worth more than a key without one.
func TestSnapshot_Choice(t *testing.T) {
	set := keysOf("a ES256", "b ES384 tb", "c ES256", "c ES256", "- ES256", "- ES512")
	newer, older := keysOf("x ES256 tx", "again ES256", "b ES256 tb"), keysOf("x ES384 to", "y ES256 ty sy", "y ES256", "a ES256 ta", "w ES384", "r RS512")
	s := &snapshot{loaded: loaded{set: set}, retained: []retained{{newer, 20}, {older, 10}}}
	with := func(alg, kid string, thumbprints ...string) *wanted {
		thumbprints = append(thumbprints, "", "")
		return &wanted{header: Header{Algorithm: alg, KeyID: kid, X5t: thumbprints[0], X5tS256: thumbprints[1]}}
	}
	first := func(kid string) *wanted { return &wanted{header: Header{KeyID: kid}, any: true} }
	for _, test := range []struct {
		name   string
		wanted *wanted
		now    freshness.Moment
		want   string
		ends   verdict
	}{
		{"in the set", with("ES256", "a"), 0, "0.0", chosen},
		{"twice in the set", with("ES256", "c"), 0, "0.2 0.3", chosen},
		{"in the set, for another algorithm", with("ES256", "b"), 0, "", wrongAlg},
		{"in the set, with another thumbprint", with("ES384", "b", "other"), 0, "", missing},
		{"in the set, and what left has the thumbprint too", with("ES384", "", "tb"), 0, "0.1", chosen},
		{"in the set, and what left allows the algorithm", with("ES256", "", "tb"), 0, "", wrongAlg},
		{"left, and keys without a kid are there", with("ES256", "y"), 0, "2.1 2.2", chosen},
		{"left in two sets", with("ES256", "x"), 0, "1.0", chosen},
		{"left in two sets, for the algorithm of the older", with("ES384", "x"), 0, "", wrongAlg},
		{"left in two sets, and the newer has ended", with("ES384", "x"), 20, "", missing},
		{"left lately, to its end", with("ES256", "again"), 19, "1.1", chosen},
		{"left lately, at its end", with("ES256", "again"), 20, "0.4", chosen},
		{"left before, to its end", with("ES256", "y"), 9, "2.1 2.2", chosen},
		{"left before, at its end", with("ES256", "y"), 10, "0.4", chosen},
		{"left, by x5t", with("ES256", "", "ty"), 0, "2.1", chosen},
		{"left, by x5t#S256", with("ES256", "", "", "sy"), 0, "2.1", chosen},
		{"left, by an x5t that it has not and no other can have", with("ES384", "", "other"), 0, "2.4", chosen},
		{"never there, by an x5t that some cannot be compared with", with("ES256", "", "other"), 0, "0.0 0.2 0.3 0.4", chosen},
		{"never there, and keys without a kid are", with("ES512", "z"), 0, "0.5", chosen},
		{"never there, and none is for the algorithm", with("RS256", "z"), 0, "", missing},
		{"no name, where only one that left allows the algorithm", with("ES384", ""), 0, "0.1", chosen},
		{"no name, and only one that left is for the algorithm", with("RS512", ""), 0, "", missing},
		{"the first of a kid", first("c"), 0, "0.2 0.3", chosen},
		{"the first of a kid in the set, whatever left", first("a"), 0, "0.0", chosen},
		{"the first of a kid that left", first("x"), 0, "1.0", chosen},
		{"the first of several with a kid that left", first("y"), 9, "2.1 2.2", chosen},
		{"the first of a kid whose time has ended", first("y"), 10, "", missing},
		{"the first of a kid that was never there", first("z"), 0, "", missing},
		{"no key at all", &wanted{set: true}, 0, "", chosen},
		{"the discovery document, with none", &wanted{set: true, document: true}, 0, "", missing},
	} {
		keys, v := s.choose(test.wanted, test.now)
		if got := placesOf(keys, set, newer, older); got != test.want || v != test.ends {
			t.Errorf("%s: keys %q and verdict %d, want %q and %d", test.name, got, v, test.want, test.ends)
		}
	}
	s.retained = s.retained[:1]
	if keys, _ := s.choose(with("ES256", "x"), 0); placesOf(keys, set, newer) != "1.0" {
		t.Error("left, and nothing else did: not found")
	}
	s.metadata = new(Metadata)
	if _, v := s.choose(&wanted{set: true, document: true}, 0); v != chosen {
		t.Errorf("the discovery document: verdict %d", v)
	}
}

// The policy remembers a lookup by what decides its answer: two that may be
// answered differently have two names, and two with one name one answer.
func TestWanted_Name(t *testing.T) {
	all := Header{Algorithm: "ES256", KeyID: "k", X5t: "t", X5tS256: "s"}
	for _, test := range []struct {
		name   string
		wanted wanted
		want   freshness.Name
	}{
		{"a kid goes first", wanted{header: all}, freshness.Name{Kind: freshness.KeyID, Text: "k"}},
		{"then x5t#S256", wanted{header: Header{Algorithm: "ES256", X5t: "t", X5tS256: "s"}}, freshness.Name{Kind: freshness.X5tS256, Text: "s"}},
		{"then x5t", wanted{header: Header{Algorithm: "ES256", X5t: "t"}}, freshness.Name{Kind: freshness.X5t, Text: "t"}},
		{"else the algorithm", wanted{header: Header{Algorithm: "ES256"}}, freshness.Name{Kind: freshness.Algorithm, Text: "ES256"}},
		{"all unknown algorithms are one", wanted{header: Header{Algorithm: "forged"}}, freshness.Name{Kind: freshness.Algorithm}},
		{"whatever has an empty kid", wanted{any: true}, freshness.Name{Kind: freshness.KeyID}},
		{"a replacement of a kid's key", wanted{header: all, replacement: true}, freshness.Name{Kind: freshness.Replacement, Text: "ES256 k"}},
		{"of that of an x5t#S256", wanted{header: Header{Algorithm: "ES256", X5t: "t", X5tS256: "s"}, replacement: true}, freshness.Name{Kind: freshness.Replacement, Text: "ES256 s"}},
		{"of that of an x5t", wanted{header: Header{Algorithm: "ES256", X5t: "t"}, replacement: true}, freshness.Name{Kind: freshness.Replacement, Text: "ES256 t"}},
		{"of an algorithm's", wanted{header: Header{Algorithm: "ES256"}, replacement: true}, freshness.Name{Kind: freshness.Replacement, Text: "ES256 "}},
	} {
		if got := test.wanted.name(); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestRetain_WhatLeftTheSet(t *testing.T) {
	const now = 100
	old := &snapshot{loaded: loaded{set: keysOf("a ES256", "b ES256", "- ES256")}, retained: []retained{
		{keysOf("c ES256", "d ES256"), now + 1},
		{keysOf("ended ES256"), now},
	}}
	// texts lists what is retained and until when.
	texts := func(kept []retained) string {
		var all []string
		for _, r := range kept {
			all = append(all, fmt.Sprint(r.keys.ids(), " until ", int64(r.until)))
		}
		return strings.Join(all, ", ")
	}
	skips := keysOf("a ES256")
	skips.skipped = []SkippedKey{{KeyID: "b", Err: errors.New("broken")}}
	for _, test := range []struct {
		name string
		set  *KeySet
		d    time.Duration
		want string
	}{
		{"nothing without retention", keysOf("z ES256"), 0, ""},
		{"what left now, and what had left before", keysOf("z ES256"), 50, "[a b] until 150, [c d] until 101"},
		{"for as little as a nanosecond", keysOf("z ES256"), 1, "[a b] until 101, [c d] until 101"},
		{"not what is still there", keysOf("b ES256"), 50, "[a] until 150, [c d] until 101"},
		{"nor what is there twice", keysOf("b ES256", "b ES384"), 50, "[a] until 150, [c d] until 101"},
		{"not what has come back", keysOf("a ES256", "b ES256", "c ES256"), 50, "[d] until 101"},
		{"no list without a key", keysOf("a ES256", "b ES256", "c ES256", "d ES256"), 50, ""},
		{"not what is there and not usable", skips, 50, "[c d] until 101"},
	} {
		if got := texts(retain(old, test.set, now, test.d)); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	full := &snapshot{loaded: loaded{set: ed25519Set(t, maxKeys, "full")}, retained: []retained{{keysOf("c ES256"), now + 1}}}
	if kept := retain(full, keysOf("z ES256"), now, 50); len(kept) != 1 || len(kept[0].keys.keys) != maxKeys {
		t.Errorf("of a full set and a key %d lists are retained", len(kept))
	}
}

// Kids with more keys than a token is tried with are told, the first four by name.
func TestKeySet_Untried(t *testing.T) {
	of := func(n int, kids string) (texts []string) {
		for _, kid := range strings.Fields(kids) {
			texts = append(texts, slices.Repeat([]string{kid + " ES256"}, n)...)
		}
		return texts
	}
	const each = `: 5 keys share it, and a token is tried with 4`
	for _, test := range []struct {
		set  *KeySet
		want string
	}{
		{keysOf(of(4, "a b c d e f")...), ""},
		{keysOf(slices.Concat(of(1, "a"), of(5, "b"))...), `kid "b"` + each},
		{keysOf(of(5, "a b c d")...), `kid "a"` + each + `; "b"` + each + `; "c"` + each + `; "d"` + each},
		{keysOf(of(5, "a b c d e")...), `kid "a"` + each + `; "b"` + each + `; "c"` + each + `; "d"` + each + "; and 1 more"},
	} {
		got := ""
		if err := test.set.untried(); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

// The discovery document of a refresh that failed after it is kept for the next one,
// once, unless it is known already.
func TestCache_KeepsDocument(t *testing.T) {
	document := &loaded{document: document{metadata: new(Metadata)}}
	for _, test := range []struct {
		name    string
		loaded  *loaded
		reused  *Metadata
		current *snapshot
		opts    []ClientOption
		kept    bool
	}{
		{name: "a document", loaded: document, kept: true},
		{name: "that of the set", loaded: document, current: &snapshot{loaded: loaded{document: document.document}}},
		{name: "another than that of the set", loaded: document, current: &snapshot{loaded: loaded{set: keysOf("a ES256")}}, kept: true},
		{name: "no document", loaded: new(loaded)},
		{name: "nothing", loaded: nil},
		{name: "one that was used again", loaded: document, reused: document.metadata},
		{name: "one after another that was used again", loaded: document, reused: new(Metadata), kept: true},
		{name: "without a cache", loaded: document, opts: []ClientOption{WithoutCache()}},
	} {
		client, err := NewClient(append(test.opts, WithIssuer("https://a.example"))...)
		if err != nil {
			t.Fatal(err)
		}
		c := &client.cache
		c.current.Store(test.current)
		if c.keepDocumentLocked(&flight{reused: test.reused}, test.loaded); (c.kept != nil) != test.kept || test.kept && c.kept != test.loaded {
			t.Errorf("%s: kept %+v", test.name, c.kept)
		}
		_ = client.Close()
	}
}

// What an event tells of a refresh: kids that came and went, and those whose keys
// are others.
func TestChanges_ByKeyID(t *testing.T) {
	read := func(entries ...string) *snapshot {
		set, err := ParseKeySet([]byte(`{"keys":[` + strings.Join(entries, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		return &snapshot{loaded: loaded{set: set}}
	}
	entry := func(kid string, key int) string {
		x := []string{"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw", "_FHNjmIYoaONpH7QAjDwWAgW7RO6MwOsXeuRFUiQgCU"}[key]
		return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}`, kid, x)
	}
	last := read(entry("stays", 0), entry("goes", 0), entry("goes", 1), entry("is replaced", 0), entry("grows", 0))
	next := read(entry("stays", 0), entry("is replaced", 1), entry("grows", 0), entry("grows", 1), entry("comes", 0), entry("comes", 1))
	for _, test := range []struct {
		name       string
		last, next *snapshot
		want       string
	}{
		{"the first set", nil, next, "[stays is replaced grows comes] [] []"},
		{"the same", last, last, "[] [] []"},
		{"another", last, next, "[comes] [goes] [is replaced grows]"},
		{"and back", next, last, "[goes] [comes] [is replaced grows]"},
	} {
		added, removed, changed := changes(test.last, test.next)
		if got := fmt.Sprint(added, removed, changed); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// An entry that is not used is told when it comes, or for another reason than
// before; and one that nobody should see apart from the others.
func TestNewlySkipped_ToldOnce(t *testing.T) {
	entry := func(kid string, err error) SkippedKey { return SkippedKey{KeyID: kid, Err: err} }
	with := func(entries ...SkippedKey) *snapshot {
		return &snapshot{loaded: loaded{set: &KeySet{skipped: entries}}}
	}
	leaked, short, long := fmt.Errorf("d is there: %w", jwk.ErrSecret), errors.New("too short"), errors.New("too long")
	last := with(entry("a", short), entry("b", leaked))
	for _, test := range []struct {
		name          string
		last          *snapshot
		secret, other string
	}{
		{"the first set tells all", nil, "[b d]", "[a c]"},
		{"what was told is not told again", last, "[d]", "[c]"},
		{"another reason is told", with(entry("a", long), entry("b", short)), "[b d]", "[a c]"},
		{"another kid is told", with(entry("", short), entry("", leaked)), "[b d]", "[a c]"},
	} {
		secret, others := newlySkipped(test.last, with(entry("a", short), entry("b", leaked), entry("c", long), entry("d", leaked)))
		for _, list := range []struct {
			got  []SkippedKey
			want string
		}{{secret, test.secret}, {others, test.other}} {
			kids := []string{}
			for _, e := range list.got {
				kids = append(kids, e.KeyID)
			}
			if fmt.Sprint(kids) != list.want {
				t.Errorf("%s: %v, want %s", test.name, kids, list.want)
			}
		}
	}
}

func TestFailureLog_Worth(t *testing.T) {
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	tests := []struct {
		rule          string
		every         time.Duration // between failures
		count         int
		logged, after []int // the numbers of the failures that are worth a line; then, in a second spell
	}{
		{"each doubling", time.Second, 100, []int{1, 2, 4, 8, 16, 32, 64}, []int{1, 2, 4, 8, 16, 32, 64}},
		{"and never silent for longer than ten minutes", 4 * time.Minute, 9, []int{1, 2, 4, 6, 8}, []int{1, 2, 4, 6, 8}},
		{"each one that comes every ten minutes", 11 * time.Minute, 4, []int{1, 2, 3, 4}, []int{1, 2, 3, 4}},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			var l failureLog
			for spell, want := range [][]int{tt.logged, tt.after} {
				var logged []int
				for n := 1; n <= tt.count; n++ {
					now := time.Duration(spell*tt.count+n) * tt.every
					if l.worth(n, at(now), at(now+tt.every)) {
						logged = append(logged, n)
					}
				}
				if !slices.Equal(logged, want) {
					t.Errorf("spell %d: lines for the failures %v, want %v", spell+1, logged, want)
				}
			}
		})
	}
}
