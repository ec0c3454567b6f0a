package publicnet

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestIsPublic(t *testing.T) {
	tests := []struct {
		kind  string
		want  bool
		addrs string
	}{
		{"public IPv4", true, "1.1.1.1 8.8.8.8 93.184.215.14 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 168.63.129.15 169.253.255.255 169.255.0.0 " +
			"172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255"},
		{"public IPv6", true, "2606:4700:4700::1111 2001:4860:4860::8888 2a00:1450::1 2400::1"},
		{"IPv4-mapped public", true, "::ffff:8.8.8.8"},
		{"NAT64 of a public one", true, "64:ff9b::808:808"},
		{"6to4 of a public one", true, "2002:808:808::1"},

		{"unspecified", false, "0.0.0.0 ::"},
		{"this network", false, "0.0.0.1 0.255.255.255"},
		{"loopback", false, "127.0.0.1 127.255.255.254 ::1"},
		{"private", false, "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255 fc00::1 fd12::1 fdff::1"},
		{"link-local", false, "169.254.0.1 169.254.255.255 fe80::1 febf::1"},
		{"site-local", false, "fec0::1"},
		{"shared address space", false, "100.64.0.0 100.127.255.255"},
		{"metadata", false, "169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254 fd20:ce::254 fe80::a9fe:a9fe"},
		{"multicast", false, "224.0.0.1 239.255.255.255 ff02::1 ff05::2 ff0e::1"},
		{"reserved and broadcast", false, "240.0.0.1 255.255.255.255"},
		{"protocol assignments", false, "192.0.0.1 192.88.99.1 2001::1 2001:1ff::1"},
		{"documentation", false, "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1"},
		{"benchmarking", false, "198.18.0.1 198.19.255.255 2001:2::1"},
		{"IPv4-mapped", false, "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0"},
		{"IPv4-compatible and -translated", false, "::127.0.0.1 ::8.8.8.8 ::ffff:0:127.0.0.1 ::ffff:0:8.8.8.8"},
		{"NAT64", false, "64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::808:808 64:ff9b::e000:1"},
		{"6to4", false, "2002:7f00:1::1 2002:a00:1:: 2002:a9fe:a9fe:: 2002:c0a8:1::"},
		{"Teredo, ORCHID", false, "2001:0:4136:e378::1 2001:10::1 2001:20::1"},
		{"discard only, segment routing, not assigned", false, "100::1 100:0:0:1::1 5f00::1 4000::1 8000::1 e000::1"},
		{"with a zone", false, "fe80::1%eth0 2606:4700::1%eth0"},
	}
	for _, test := range tests {
		for addr := range strings.FieldsSeq(test.addrs) {
			if got := IsPublic(netip.MustParseAddr(addr)); got != test.want {
				t.Errorf("%s %s: %v", test.kind, addr, got)
			}
		}
	}
	if IsPublic(netip.Addr{}) {
		t.Error("no address at all is public")
	}
}

// Whatever IPv4 address is embedded, the answer is that for itself.
func TestEmbeddedIPv4IsJudgedAsIPv4(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			v4 := netip.AddrFrom4([4]byte{byte(a), byte(b), 7, 7})
			want := IsPublic(v4)
			mapped := netip.AddrFrom16(v4.As16())
			n64 := nat64.Addr().As16()
			copy(n64[12:], v4.AsSlice())
			six := sixTo4.Addr().As16()
			copy(six[2:], v4.AsSlice())
			for _, e := range []netip.Addr{mapped, netip.AddrFrom16(n64), netip.AddrFrom16(six)} {
				if IsPublic(e) != want {
					t.Fatalf("%v: %v, and %v: %v", v4, want, e, !want)
				}
			}
		}
	}
}

func TestCheckURL(t *testing.T) {
	good := []string{
		"https://issuer.example", "https://issuer.example/", "https://issuer.example:443/a/b", "https://ISSUER.EXAMPLE./x?y=z",
		"https://8.8.8.8/", "https://[2606:4700::1]:443", "https://xn--bcher-kva.example", "https://a.b.c.d.e.f.example", "https://1.example", "https://local.example",
	}
	bad := []string{
		"http://issuer.example", "HTTP://issuer.example", "ftp://issuer.example", "//issuer.example", "issuer.example", "",
		"https://u@issuer.example", "https://:p@issuer.example",
		"https://issuer.example:", "https://issuer.example:80", "https://issuer.example:0443", "https://issuer.example:4430",
		"https://", "https:///x", "https://.", "https://issuer", "https://issuer.", "https://localhost", "https://LocalHost.", "https://a.localhost",
		"https://a.local", "https://a.INTERNAL", "https://a.home.arpa", "https://a.localdomain", "https://a.lan", "https://a.intranet", "https://a.corp", "https://a.home",
		"https://127.0.0.1", "https://127.0.0.1.", "https://127.1", "https://1", "https://2130706433", "https://0x7f.0.0.1", "https://127.0.0.0x1", "https://a.0x1", "https://0177.0.0.01",
		"https://10.0.0.1:443", "https://[::1]", "https://[::ffff:10.0.0.1]", "https://[fe80::1%25eth0]",
		"https://bücher.example", "https://１２７.０.０.１", "https://foo.ｌocal",
	}
	check := func(raw string) error {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return CheckURL(u)
	}
	for _, raw := range good {
		if err := check(raw); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
	for _, raw := range bad {
		if err := check(raw); !errors.Is(err, ErrNotPublic) {
			t.Errorf("%s: %v", raw, err)
		} else if raw != "" && strings.Contains(err.Error(), raw) {
			t.Errorf("%v quotes the URL", err)
		}
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{"https://issuer.example", "https://127.0.0.1", "https://[::1]:443/", "https://0x7f.1", "https://a@b.example:8443?x#y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil || CheckURL(u) != nil {
			return
		}
		host := strings.TrimSuffix(u.Hostname(), ".")
		if a, err := netip.ParseAddr(host); err == nil && !IsPublic(a) {
			t.Errorf("%q leads to %v", raw, a)
		}
		if u.Scheme != "https" || u.User != nil || !strings.ContainsAny(host, ".:") || strings.EqualFold(host, "localhost") {
			t.Errorf("%q is accepted", raw)
		}
	})
}
