package jwksotel

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/seed-22400188/jwks"
)

// Observe reports the status of sources whenever metrics are collected:
// jwks.keyset.age, jwks.keyset.keys, jwks.keyset.state,
// jwks.refresh.consecutive_failures and jwks.lookups.throttled. [*jwks.Issuers]
// and [*jwks.Union] are sources, and jwkshttp.Clients makes one from clients.
// Between collections it does nothing.
//
// After stop, nothing is reported. It may be called more than once.
// The error says that a source is nil, or that an instrument cannot be made. A nil
// provider means the global one.
func Observe(m metric.MeterProvider, sources ...interface{ Status() []jwks.Status }) (stop func() error, err error) {
	for i, source := range sources {
		if r := reflect.ValueOf(source); source == nil || r.Kind() == reflect.Pointer && r.IsNil() {
			return nil, fmt.Errorf("jwksotel: source %d of Observe is nil", i)
		}
	}
	o := &statusObserver{sources: sources, throttled: make(map[attribute.Set]int64)}
	meter := meterOf(m)
	if err := o.makeInstruments(meter); err != nil {
		return nil, fmt.Errorf("jwksotel: %w", err)
	}
	registration, err := meter.RegisterCallback(o.observe, o.age, o.keys, o.state, o.failures, o.lookups)
	if err != nil {
		return nil, fmt.Errorf("jwksotel: %w", err)
	}
	return sync.OnceValue(func() error {
		o.stop()
		return registration.Unregister()
	}), nil
}

// statusObserver reports the status of its sources.
type statusObserver struct {
	sources []interface{ Status() []jwks.Status }

	age                   metric.Float64ObservableGauge
	keys, state, failures metric.Int64ObservableGauge
	lookups               metric.Int64ObservableCounter

	mu        sync.Mutex // collections of several readers
	stopped   bool
	last      map[string]uint64 // lookups that each client had throttled at the last collection
	throttled map[attribute.Set]int64
}

func (o *statusObserver) makeInstruments(m metric.Meter) error {
	errs := make([]error, 5)
	o.age, errs[0] = m.Float64ObservableGauge("jwks.keyset.age", metric.WithUnit("s"),
		metric.WithDescription("Time since the origin last confirmed the key set."))
	o.keys, errs[1] = m.Int64ObservableGauge("jwks.keyset.keys", metric.WithUnit("{key}"),
		metric.WithDescription("Key IDs of the key set at hand."))
	o.state, errs[2] = m.Int64ObservableGauge("jwks.keyset.state", metric.WithUnit("{state}"),
		metric.WithDescription("State of the key set: 0 empty, 1 fresh, 2 stale, 3 expired. Tokens cannot be verified in 0 and 3."))
	o.failures, errs[3] = m.Int64ObservableGauge("jwks.refresh.consecutive_failures", metric.WithUnit("{refresh}"),
		metric.WithDescription("Refreshes that failed since the last one that succeeded."))
	o.lookups, errs[4] = m.Int64ObservableCounter("jwks.lookups.throttled", metric.WithUnit("{lookup}"),
		metric.WithDescription("Lookups of unknown keys that the budget refused to refresh for."))
	return errors.Join(errs...)
}

func (o *statusObserver) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
}

// view is what is reported of the clients with one attribute.
type view struct {
	age                   float64
	fetched               bool
	keys, state, failures int64
}

// observe is called when metrics are collected.
func (o *statusObserver) observe(_ context.Context, to metric.Observer) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped {
		return nil
	}
	views := make(map[attribute.Set]*view)
	now, last := time.Now(), make(map[string]uint64)
	for i, source := range o.sources {
		for j, s := range source.Status() {
			set := attribute.NewSet(issuerOf(s.Issuer, s.Dynamic)...)
			v := views[set]
			if v == nil {
				v = new(view)
				views[set] = v
			}
			v.add(s, now)
			o.countThrottled(set, clientOf(i, j, s), s.Throttled, last)
		}
	}
	o.last = last
	for set, v := range views {
		with := metric.WithAttributeSet(set)
		if v.fetched {
			to.ObserveFloat64(o.age, v.age, with)
		}
		to.ObserveInt64(o.keys, v.keys, with)
		to.ObserveInt64(o.state, v.state, with)
		to.ObserveInt64(o.failures, v.failures, with)
	}
	for set, n := range o.throttled {
		to.ObserveInt64(o.lookups, n, metric.WithAttributeSet(set))
	}
	return nil
}

// clientOf names a client among those of a source: what came up at run time has no
// place of its own.
func clientOf(source, place int, s jwks.Status) string {
	if s.Dynamic {
		return fmt.Sprint(source, " ", s.Issuer)
	}
	return fmt.Sprint(source, " ", place)
}

// countThrottled adds what is new since the last collection: a client that made
// room for others takes its count along, and a counter must not fall.
func (o *statusObserver) countThrottled(set attribute.Set, client string, n uint64, last map[string]uint64) {
	before := o.last[client]
	if n < before { // another client of that issuer
		before = 0
	}
	last[client] = n
	o.throttled[set] += int64(n - before)
}

// add puts the worst or the sum of several clients together.
func (v *view) add(s jwks.Status, now time.Time) {
	if !s.FetchedAt.IsZero() {
		v.fetched = true
		v.age = max(v.age, now.Sub(s.FetchedAt).Seconds())
	}
	v.keys += int64(len(s.KeyIDs))
	v.state = max(v.state, int64(s.State))
	v.failures = max(v.failures, int64(s.ConsecutiveFailures))
}
