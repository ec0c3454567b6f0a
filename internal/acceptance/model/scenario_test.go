package model

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// scenario is what one run does: plain data.
type scenario struct {
	config config
	steps  []step
}

// off is how a configuration says 0 where 0 stands for the default.
const off = -1

// none is the kid of tokens and keys that have no kid.
const none = -1

// Numbers that are not a published key: kids from junk on are in no set, and
// materials from forger on belong to nobody who publishes.
const (
	junk   = 1000
	forger = 100
)

// key is a published key, or what a token was signed with: a kid and a
// material, both by number.
type key struct{ kid, mat int }

// config is how the client and the issuer are set up. 0 is the default of
// each option.
type config struct {
	source    source
	otherHost bool  // the key set is on another host than the issuer
	initial   []key // published at the start
	seed      []key // WithKeySet

	ttl, maxStale, retention, timeout time.Duration
	minTTL                            time.Duration
	noCache                           bool
	ahead                             float64
	every                             time.Duration
	burst, keyCache, retries          int
	tokenCache                        int
	store                             storage // WithStore

	validator validator
	header    header
	headerAge time.Duration // of max-age and Expires
	path      path

	tenants tenants // of many issuers; the zero value: one client
}

// source says where the client finds its keys.
type source int

const (
	byIssuer       source = iota // discovery
	byURL                        // WithJWKSURL alone
	byURLAndIssuer               // bound
	byDiscoveryURL               // the document names the issuer
)

// validator is what an issuer puts beside its key set for conditional requests.
type validator int

const (
	noValidator   validator = iota
	trueETag                // another one for each set
	lyingETag               // the same one for ever
	trueModified            // in whole seconds
	lyingModified           // 1980 for ever
)

// header is what an issuer says about the lifetime of its key set.
type header int

const (
	noHeader header = iota
	maxAgeHeader
	expiresHeader
	noCacheHeader
	noStoreHeader
)

// path is the cache on the way.
type path int

const (
	direct   path = iota
	obeying       // as RFC 9111 says, request directives included
	stubborn      // answers from its copy until that ends, whatever it is asked
)

// storage is how the store of key sets does.
type storage int

const (
	noStore      storage = iota
	goodStore            // in memory, and with a lease for whoever asks
	failingStore         // every call is an error
	hangingStore         // no call returns before its context ends
	forgingStore         // what it returns was changed by somebody
)

// step is one thing that happens. Each takes no time but those that wait.
type step struct {
	op       op
	kid, mat int           // of the key or token
	n        int           // times; 0 is once
	every    time.Duration // between two of them
	d        time.Duration // to wait; of callers: their patience, 0 is endless
	exp      time.Duration // of a token, from the start; 0 is far off
	fault    fault
	doc      doc // that the fault is of
	issuer   int // of many
}

type op int

const (
	wait        op = iota
	join           // until no call is under way, two minutes at most
	publish        // the key, in place of another one with its kid
	remove         // every key with the kid
	spoil          // the entry with the kid: it stays, and cannot be used
	move           // the key set, to another URL
	setFault       // of the issuer or the way to it
	setHeader      // n is a header, d its age
	setValid       // n is a validator
	setPath        // n is a path
	freeze         // the process, for d; n is 1: callers wake before the network does
	verify         // a token
	keyByID        // Client.Key
	signingKeys    // Client.SigningKeys
	keyForToken    // Client.KeyForToken
	keyfunc        // golang-jwt with Client.KeyfuncCtx
	keySet         // Client.KeySet
	ready          // Client.Ready
	metadata       // Client.Metadata
	refresh        // Client.Refresh
	run            // Client.Run begins, for d
	closeAll       // Client.Close
	junkTokens     // n tokens under kids that no set has, from kid on
	decide         // of many issuers: what the TrustIssuerFunc says from now on; n is a decision
	forget         // of many issuers
)

// isLookup says that a step asks the client for a key or for the set.
func (o op) isLookup() bool { return o >= verify && o <= metadata || o == junkTokens }

// doc is one of the two documents of an issuer.
type doc int

const (
	both doc = iota
	discovery
	keysDoc
)

// fault is what goes wrong at an issuer or on the way to it.
type fault int

const (
	healthy     fault = iota
	refused           // no connection
	hangs             // no answer
	status500         // with a max-age that must mean nothing
	status429         //
	status404         //
	status403         //
	retryAfter        // 503, with Retry-After of d
	htmlPage          // 200 and a page
	truncated         // 200 and half a document
	emptySet          // 200 and no keys
	foreign           // discovery: of another issuer, whose keys are the forger's
	noURL             // discovery: without jwks_uri
	slow              // answers after d with what is published then
	slowBody          // answers after d with what was published before
	elsewhere         // discovery: only at RFC 8414's place, the other one says 404
	badGateway        // discovery: only at RFC 8414's place, the other one shows a page
	faultsCount       // how many there are
)

var names = map[reflect.Type][]string{
	reflect.TypeFor[source]():    {"byIssuer", "byURL", "byURLAndIssuer", "byDiscoveryURL"},
	reflect.TypeFor[validator](): {"noValidator", "trueETag", "lyingETag", "trueModified", "lyingModified"},
	reflect.TypeFor[header]():    {"noHeader", "maxAgeHeader", "expiresHeader", "noCacheHeader", "noStoreHeader"},
	reflect.TypeFor[path]():      {"direct", "obeying", "stubborn"},
	reflect.TypeFor[storage]():   {"noStore", "goodStore", "failingStore", "hangingStore", "forgingStore"},
	reflect.TypeFor[doc]():       {"both", "discovery", "keysDoc"},
	reflect.TypeFor[op](): {"wait", "join", "publish", "remove", "spoil", "move", "setFault", "setHeader", "setValid", "setPath", "freeze",
		"verify", "keyByID", "signingKeys", "keyForToken", "keyfunc", "keySet", "ready", "metadata", "refresh", "run", "closeAll", "junkTokens", "decide", "forget"},
	reflect.TypeFor[fault](): {"healthy", "refused", "hangs", "status500", "status429", "status404", "status403", "retryAfter", "htmlPage", "truncated", "emptySet",
		"foreign", "noURL", "slow", "slowBody", "elsewhere", "badGateway"},
}

// literal writes a scenario as Go source, for a named test.
func (s scenario) literal() string {
	var b strings.Builder
	fmt.Fprintf(&b, "scenario{\n\tconfig: %s,\n\tsteps: []step{\n", literalOf(reflect.ValueOf(s.config), true))
	for _, step := range s.steps {
		fmt.Fprintf(&b, "\t\t%s,\n", literalOf(reflect.ValueOf(step), false))
	}
	b.WriteString("\t},\n}")
	return b.String()
}

// literalOf writes a struct without its zero fields, or a value in one.
func literalOf(v reflect.Value, typed bool) string {
	if all, ok := names[v.Type()]; ok {
		return all[v.Int()]
	}
	switch v.Kind() {
	case reflect.Struct:
		var fields []string
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name == "op" || !v.Field(i).IsZero() {
				fields = append(fields, v.Type().Field(i).Name+": "+literalOf(v.Field(i), true))
			}
		}
		name := ""
		if typed {
			name = v.Type().Name()
		}
		return name + "{" + strings.Join(fields, ", ") + "}"
	case reflect.Slice:
		var elements []string
		for i := range v.Len() {
			elements = append(elements, literalOf(v.Index(i), false))
		}
		return "[]" + v.Type().Elem().Name() + "{" + strings.Join(elements, ", ") + "}"
	case reflect.Int64:
		return durationLiteral(time.Duration(v.Int()))
	default:
		return fmt.Sprint(v)
	}
}

func durationLiteral(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "Hour"}, {time.Minute, "Minute"}, {time.Second, "Second"}, {time.Millisecond, "Millisecond"}} {
		if d%unit.of == 0 && d != 0 {
			return fmt.Sprintf("%d * time.%s", d/unit.of, unit.name)
		}
	}
	return fmt.Sprint(int64(d))
}
