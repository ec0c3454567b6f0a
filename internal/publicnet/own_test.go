package publicnet

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
)

// Whatever another package made of http.DefaultTransport, the guard dials by
// itself.
func TestOwnTransport_WhateverTheDefaultIs(t *testing.T) {
	old := http.DefaultTransport
	defer func() { http.DefaultTransport = old }()
	careless := old.(*http.Transport).Clone()
	careless.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	for name, rt := range map[string]http.RoundTripper{
		"nil":           nil,
		"wrapped":       roundTrip(func(*http.Request) (*http.Response, error) { t.Error("used"); return nil, errNobody }),
		"careless":      careless,
		"as it is born": old,
	} {
		http.DefaultTransport = rt
		for _, c := range []*http.Client{Client(nil), Client(&http.Client{}), New(nil), New(&tls.Config{ServerName: "mine"})} {
			own := c.Transport.(roundTripper).base.(*http.Transport)
			if own.Proxy != nil || !own.DisableKeepAlives || own.TLSClientConfig != nil && own.TLSClientConfig.InsecureSkipVerify {
				t.Errorf("%s: %+v", name, own)
			}
			if _, err := own.DialContext(t.Context(), "tcp", "127.0.0.1:9"); !errors.Is(err, ErrNotPublic) {
				t.Errorf("%s: dialled loopback: %v", name, err)
			}
		}
	}
	if got := New(&tls.Config{ServerName: "mine"}).Transport.(roundTripper).base.(*http.Transport); got.TLSClientConfig.ServerName != "mine" {
		t.Error("the settings of TLS are lost")
	}
}

// A name that does not exist is not a resolver that could not tell.
func TestIsNotFound_IsNotUndecided(t *testing.T) {
	missing := &net.DNSError{Err: "no such host", Name: "a.example", IsNotFound: true}
	for _, test := range []struct {
		name string
		err  error
		want bool
	}{
		{"of a lookup", missing, true},
		{"of a dialer", fmt.Errorf("x: %w", &net.OpError{Op: "dial", Net: "tcp", Err: missing}), true},
		{"a slow resolver", &net.DNSError{Err: "i/o timeout", Name: "a.example", IsTimeout: true}, false},
		{"one that fails", &net.DNSError{Err: "server misbehaving", Name: "a.example", IsTemporary: true}, false},
		{"a refusal", refusal("x"), false},
		{"nothing", nil, false},
	} {
		if got := IsNotFound(test.err); got != test.want {
			t.Errorf("%s: %t", test.name, got)
		}
	}
	// Through a guarded dialer of the user's own.
	synctest.Test(t, func(t *testing.T) {
		d := &dialer{}
		c := WithLookup(&http.Client{Transport: &http.Transport{DialContext: d.dial}}, names(nil))
		if _, err := c.Get("https://missing.example/"); !IsNotFound(err) || len(d.dialled) > 0 {
			t.Errorf("%v, dialled %v", err, d.dialled)
		}
	})
}

// The copy of a transport that speaks HTTP/2 speaks it as well: a plain copy
// offers it to servers and does not understand their answer.
func TestClient_KeepsHTTP2(t *testing.T) {
	used := &http.Transport{}
	_, _ = used.RoundTrip(&http.Request{}) // sets HTTP/2 up
	own := Client(&http.Client{Transport: used}).Transport.(roundTripper).base.(*http.Transport)
	if !own.ForceAttemptHTTP2 || own.TLSNextProto != nil {
		t.Error("HTTP/2 is offered and not spoken")
	}
}
