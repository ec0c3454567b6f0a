package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-22400188/jwks"
	"github.com/seed-22400188/jwks/internal/show"
)

// The events of jwks watch.
const (
	eventKeys      = "keys"
	eventAdded     = "added"
	eventRemoved   = "removed"
	eventChanged   = "changed"
	eventFailed    = "failed"
	eventExpired   = "expired"
	eventRecovered = "recovered"
)

var watchEvents = []string{eventKeys, eventAdded, eventRemoved, eventChanged, eventFailed, eventExpired, eventRecovered}

func watchCommand() *command {
	return &command{
		name:    "watch",
		args:    "[-every D] [-exit-on EVENT,...] [flags] ISSUER...",
		summary: "print a line whenever an issuer's keys change, or it fails",
		details: `Asks each issuer for its keys again and again, and prints a line for each change:

  keys       the keys at the start
  added, removed, changed
             the kids of keys that were added, removed or replaced
  failed     the first failed refresh of an outage, why it failed, and until when a
             service can use the keys that it has
  expired    a service has no usable keys left: it answers 503 from now on
  recovered  the first refresh that succeeded after failures

It ends with Ctrl-C, or with status 1 after an event of -exit-on, which is useful
for cron: jwks watch -exit-on removed,failed ISSUER || alert
`,
		prepare: func(f *flags) runner {
			var w watcher
			w.exitOn.split = true
			w.output(f, true)
			w.network(f)
			f.DurationVar(&w.every, "every", time.Minute, "ask every `duration`, at least 1s")
			f.Var(&w.exitOn, "exit-on", "end with status 1 after one of these `events`")
			return w.run
		},
	}
}

// watcher is one run of jwks watch.
type watcher struct {
	common
	every  time.Duration
	exitOn list

	mu     sync.Mutex
	p      *program
	end    context.CancelFunc
	status int
	over   bool // no more lines
}

// watchLine is what -json prints on each line.
type watchLine struct {
	Time   time.Time  `json:"time"`
	Issuer string     `json:"issuer"`
	Event  string     `json:"event"`
	Kids   []string   `json:"kids"`
	Error  string     `json:"error"`
	Until  *time.Time `json:"until"` // the keys at hand serve until then
}

func (w *watcher) run(ctx context.Context, p *program, issuers []string) (int, error) {
	if err := w.checkWatcher(issuers); err != nil {
		return exitUsage, err
	}
	rec, err := w.recorder()
	if err != nil {
		return exitUsage, err
	}
	clients := make([]*jwks.Client, len(issuers))
	for i, issuer := range issuers {
		follow := &follower{issuer: issuer, tell: w.tell}
		opts := append(w.options(rec.base), issuerOptions(issuer)...)
		if clients[i], err = jwks.NewClient(append(opts, jwks.WithObserver(follow.observe))...); err != nil {
			return exitUsage, oneLine(err)
		}
		defer clients[i].Close()
	}
	ctx, cancel := w.limit(ctx)
	defer cancel()
	w.p, w.end = p, cancel
	var all sync.WaitGroup
	for _, client := range clients {
		all.Go(func() { askEvery(ctx, client, w.every) })
	}
	all.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true // closing a client ends its fetch, which is not a failure
	return w.status, nil
}

func (w *watcher) checkWatcher(issuers []string) error {
	if len(issuers) == 0 {
		return usagef("want an issuer to watch")
	}
	if w.every < time.Second {
		return usagef("-every %v: want at least 1s", w.every)
	}
	for _, event := range w.exitOn.values {
		if !slices.Contains(watchEvents, event) {
			return usagef("-exit-on %s: want some of %s", quote(event), strings.Join(watchEvents, ", "))
		}
	}
	for i, issuer := range issuers {
		if _, err := w.namedURL(issuer); err != nil {
			return err
		}
		if slices.Contains(issuers[:i], issuer) {
			return usagef("%s is named twice", quote(issuer))
		}
	}
	return w.check()
}

// askEvery refreshes until ctx ends. What comes of it is for the observer.
func askEvery(ctx context.Context, client *jwks.Client, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		_, _ = client.Refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// tell prints a line. It ends the program after a line that was waited for, and
// when nobody reads any more.
func (w *watcher) tell(line watchLine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	line.Time = w.p.now().UTC().Truncate(time.Millisecond)
	line.Issuer = show.WholeURL(line.Issuer)
	var err error
	if w.json {
		if line.Kids == nil {
			line.Kids = []string{}
		}
		err = w.p.printJSON(line, true)
	} else {
		_, err = w.p.stdout.Write([]byte(line.text(w.p)))
	}
	if slices.Contains(w.exitOn.values, line.Event) {
		w.status = exitRefused
	}
	if err != nil || w.status != 0 {
		w.over = true
		w.end()
	}
}

// text is the line for people.
func (l *watchLine) text(p *program) string {
	colour := ""
	switch l.Event {
	case eventFailed, eventExpired, eventRemoved:
		colour = red
	case eventAdded, eventRecovered:
		colour = green
	case eventChanged:
		colour = yellow
	}
	event := l.Event
	if colour != "" {
		event = p.paint(colour, event)
	}
	text := stamp(l.Time) + "  " + show.Place(l.Issuer) + "  " + event
	for _, kid := range l.Kids {
		text += " " + quote(kid)
	}
	if l.Error != "" {
		text += "  " + l.Error
	}
	if l.Until != nil {
		text += "  (serves until " + stamp(*l.Until) + ")"
	}
	return text + "\n"
}

// follower turns the events of one client into lines. Its client calls it in
// order, one event at a time.
type follower struct {
	issuer  string
	tell    func(watchLine)
	known   bool // there was a set
	failing bool
}

func (f *follower) observe(e jwks.Event) {
	line := func(event string, kids []string) watchLine {
		return watchLine{Issuer: f.issuer, Event: event, Kids: kids}
	}
	switch e.Kind {
	case jwks.EventRefreshed:
		f.refreshed(e, line)
	case jwks.EventRecovered:
		f.failing = false
		f.tell(line(eventRecovered, nil))
	case jwks.EventRefreshFailed:
		if f.failing { // a line a change
			return
		}
		f.failing = true
		failed := line(eventFailed, nil)
		if e.Err != nil {
			failed.Error = inFlags(strings.TrimPrefix(e.Err.Error(), "jwks: "))
		}
		failed.Until = whenSet(e.Until)
		f.tell(failed)
	case jwks.EventExpired:
		f.tell(line(eventExpired, nil))
	}
}

func (f *follower) refreshed(e jwks.Event, line func(string, []string) watchLine) {
	if !f.known {
		f.known = true
		f.tell(line(eventKeys, e.Added))
		return
	}
	for _, change := range []struct {
		event string
		kids  []string
	}{{eventAdded, e.Added}, {eventRemoved, e.Removed}, {eventChanged, e.Changed}} {
		if len(change.kids) > 0 {
			f.tell(line(change.event, change.kids))
		}
	}
}

func whenSet(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}
