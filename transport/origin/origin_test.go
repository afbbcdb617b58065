package origin

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func request(host, page string, headers ...string) *http.Request {
	r := httptest.NewRequest("GET", "/ws", nil)
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 8080}))
	r.Host = host
	if page != "" {
		r.Header.Set("Origin", page)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestCheck(t *testing.T) {
	own, err := os.Hostname()
	if err != nil {
		t.Skip(err)
	}
	short, _, _ := strings.Cut(own, ".")
	for _, c := range []struct {
		page, host     string
		origins, hosts []string
		refused        string
	}{
		{"", "localhost:8080", nil, nil, ""},
		{"", "LOCALHOST.:8080", nil, nil, ""},
		{"", "127.0.0.1:8080", nil, nil, ""},
		{"", "[::1]:8080", nil, nil, ""},
		{"", "192.0.2.7", nil, nil, ""},
		{"", own, nil, nil, ""},
		{"", strings.ToUpper(short) + ".local:8080", nil, nil, ""},
		{"", "", nil, nil, ""},
		{"http://evil.example", "", nil, nil, "origins"},
		// A foreign name that resolves to this machine.
		{"", "evil.example:8080", nil, nil, `hosts = ["evil.example"]`},
		{"http://evil.example:8080", "evil.example:8080", nil, nil, `hosts = ["evil.example"]`},
		{"", "203.0.113.9", nil, nil, `hosts = ["203.0.113.9"]`},
		{"", "localhost.evil.example", nil, nil, `hosts = `},
		{"", short + ".evil.example", nil, nil, `hosts = `},
		{"", "evil.example", nil, []string{"gw.example"}, `hosts = `},
		{"", "gw.example", nil, []string{"gw.example"}, ""},
		{"", "GW.example.:8080", nil, []string{"gw.Example."}, ""},
		{"", "a.gw.example", nil, []string{"*.gw.example"}, ""},
		{"", "xn--bcher-kva.example", nil, []string{"Bücher.example"}, ""},
		{"", "[2001:db8::1]:80", nil, []string{"2001:DB8:0::1"}, ""},
		{"http://gw.example:8080", "gw.example:8080", nil, []string{"gw.example"}, ""},
		{"https://gw.example", "gw.example", nil, []string{"gw.example"}, ""},
		{"https://gw.example", "gw.example:443", nil, []string{"gw.example"}, ""},
		// Pages of the listener itself, by any name of the machine.
		{"http://localhost:8080", "localhost:8080", nil, nil, ""},
		{"http://localhost:8080", "127.0.0.1:8080", nil, nil, ""},
		{"http://192.0.2.7:8080", "192.0.2.7:8080", nil, nil, ""},
		{"http://[::1]:8080", "[::1]:8080", nil, nil, ""},
		{"http://localhost:3000", "localhost:8080", nil, nil, `origins = ["http://localhost:3000"]`},
		{"http://evil.example", "localhost", nil, nil, `origins = ["http://evil.example"]`},
		{"null", "localhost", nil, nil, `origin "null"`},
		{"http://%zz", "localhost", nil, nil, "names no web page"},
		{"data:text/html,a", "localhost", nil, nil, "names no web page"},
		{"null", "localhost", []string{"*"}, nil, ""},
		{"http://evil.example", "evil.example", []string{"*"}, nil, ""},
		// Configured pages.
		{"http://a.good.example", "localhost", []string{"*.good.example"}, nil, ""},
		{"http://good.example", "localhost", []string{"*.good.example"}, nil, "origins"},
		{"http://a.good.example", "localhost", []string{"https://*.good.example"}, nil, "origins"},
		{"https://A.good.example", "localhost", []string{"https://*.good.example"}, nil, ""},
		{"https://app.example", "app.example", []string{"app.example"}, nil, ""},
		{"https://app.example", "localhost", []string{"https://APP.example:443"}, nil, ""},
		{"https://app.example", "localhost", []string{"app.example:443"}, nil, ""},
		{"https://app.example:8443", "localhost", []string{"app.example"}, nil, "origins"},
		{"https://app.example:8443", "localhost", []string{"app.example:8443"}, nil, ""},
		{"http://localhost:3000", "localhost:8080", []string{"http://localhost:*"}, nil, ""},
		{"http://localhost", "localhost:8080", []string{"http://localhost:*"}, nil, ""},
		{"https://xn--bcher-kva.example", "localhost", []string{"https://bücher.example"}, nil, ""},
		{"https://a.xn--bcher-kva.example", "localhost", []string{"https://*.BÜCHER.example"}, nil, ""},
		{"http://[2001:db8::1]:8080", "localhost", []string{"http://[2001:DB8:0:0::1]:8080"}, nil, ""},
		{"chrome-extension://abcdef", "localhost", []string{"chrome-extension://abcdef"}, nil, ""},
		{"https://app.example", "localhost", []string{"*://app.example"}, nil, ""},
		// A pattern for all pages of a scheme does not add a name of the machine.
		{"http://evil.example", "evil.example", []string{"https://*"}, nil, "hosts"},
	} {
		t.Run(c.page+" to "+c.host, func(t *testing.T) {
			p, err := NewPolicy(c.origins, c.hosts)
			if err != nil {
				t.Fatal(err)
			}
			headers := [][]string{nil}
			if c.refused != "" { // no header that a page sets makes a check pass
				headers = append(headers, []string{"X-Forwarded-For", "192.0.2.1"}, []string{"Forwarded", "for=192.0.2.1;host=localhost"},
					[]string{"X-Forwarded-Host", "localhost"}, []string{"X-Real-Ip", "127.0.0.1"}, []string{"Via", "1.1 proxy"})
			}
			for _, with := range headers {
				err = p.Check(request(c.host, c.page, with...))
				if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
					t.Errorf("with %v: error is %v, want %q", with, err, c.refused)
				}
			}
		})
	}
}

func TestNames(t *testing.T) {
	var p *Policy
	for host, ok := range map[string]bool{"gw.example": true, "a.wild.example": true, "a.b.wild.example": false, "wild.example": false} {
		if err := p.Check(request(host, ""), "GW.example", "*.wild.example"); (err == nil) != ok {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// TestNeverMatches checks that a pattern that can match no Origin of a browser is an error with a remedy.
func TestNeverMatches(t *testing.T) {
	for text, remedy := range map[string]string{
		"https://app.example.com/":     `write "app.example.com"`,
		"app.example.com/":             `write "app.example.com"`,
		"https://app.example.com/page": `remove "/page"`,
		"app.example.com?a":            `remove "?a"`,
		"null":                         "http://",
		"NULL":                         "http://",
		"file://":                      "null, not file://",
		"file:///home/pi/page.html":    "null, not file://",
		"ws://app.example.com":         "http:// in place of ws://",
		"wss://app.example.com":        "https:// in place of wss://",
		"://app.example.com":           "scheme is missing",
		"ht tp://app.example.com":      "not a scheme",
		"http://user@app.example.com":  `remove "user@"`,
		"app.example.com:":             "not a port",
		"app.example.com:http":         "not a port",
		"app.example.com:080":          "not a port",
		"app.example.com:70000":        "not a port",
		"::1":                          "[::1]",
		"http://[::1":                  "not an IPv6 address",
		"http://[fe80::1%25eth0]":      "not an IPv6 address",
		"[a":                           "not an IPv6 address",
		"192.168.1":                    "not an IPv4 address",
		"192.168.001.5":                "not an IPv4 address",
		"a..example.com":               "component",
		".example.com":                 "component",
		"":                             "component",
		"app example.com":              "host name",
		"app[12].example.com":          "host name",
		"b*ü.example.com":              "browsers send it encoded",
	} {
		if _, err := NewPolicy([]string{text}, nil); err == nil || !strings.Contains(err.Error(), remedy) || !strings.Contains(err.Error(), "origin ") {
			t.Errorf("%q: %v, want %q", text, err, remedy)
		}
	}
	for _, text := range []string{"http://gw.example", "gw.example:8080", "gw.example/", "", "a b", "[::1]:80", "::1%eth0"} {
		if _, err := NewPolicy(nil, []string{text}); err == nil || !strings.Contains(err.Error(), "host ") {
			t.Errorf("host %q: %v", text, err)
		}
	}
}

func TestClient(t *testing.T) {
	for _, c := range []struct{ remote, header, value, want string }{
		{"127.0.0.1:4711", "X-Forwarded-For", "192.0.2.1", "192.0.2.1"},
		{"127.0.0.1:4711", "X-Forwarded-For", "203.0.113.5, 192.0.2.1", "192.0.2.1"},
		{"127.0.0.1:4711", "X-Forwarded-For", "203.0.113.5, 192.0.2.1, 10.1.2.3", "192.0.2.1"},
		{"10.9.9.9:1", "X-Forwarded-For", "10.1.2.3", "10.1.2.3"},
		{"[::ffff:127.0.0.1]:1", "X-Forwarded-For", "192.0.2.1:99", "192.0.2.1:99"},
		{"127.0.0.1:4711", "Forwarded", `for="[2001:db8::1]:4711";proto=https`, "[2001:db8::1]:4711"},
		{"127.0.0.1:4711", "Forwarded", `For=192.0.2.1, by=10.0.0.1;for=10.0.0.2`, "192.0.2.1"},
		{"127.0.0.1:4711", "Forwarded", `for=_hidden`, ""},
		{"127.0.0.1:4711", "Forwarded", `for=203.0.113.5, for="192.0.2.1";by="a,for=203.0.113.6;for=203.0.113.7"`, "192.0.2.1"},
		{"127.0.0.1:4711", "Forwarded", `for=203.0.113.5;ext="\", for=192.0.2.9, for=10.0.0.1"`, "203.0.113.5"},
		{"127.0.0.1:4711", "Forwarded", `for=192.0.2.1;ext="unfinished, for=203.0.113.6`, "192.0.2.1"},
		{"127.0.0.1:4711", "Forwarded", `by=10.0.0.1;proto=http ; FOR = 192.0.2.1`, ""},
		{"127.0.0.1:4711", "Forwarded", `by=10.0.0.1;proto=http ; FOR=192.0.2.1`, "192.0.2.1"},
		{"127.0.0.1:4711", "Forwarded", `for=192.0.2.1, for=unknown, for=10.0.0.1`, "10.0.0.1"},
		{"127.0.0.1:4711", "Forwarded", ``, ""},
		{"127.0.0.1:4711", "Forwarded", strings.Repeat(",", 1000), ""},
		{"127.0.0.1:4711", "X-Forwarded-For", strings.Repeat("10.0.0.1,", 30) + "10.0.0.1", "10.0.0.1"},
		{"127.0.0.1:4711", "X-Forwarded-For", "2001:db8::7", "2001:db8::7"},
		{"127.0.0.1:4711", "X-Forwarded-For", "[2001:db8::7]:99", "[2001:db8::7]:99"},
		{"127.0.0.1:4711", "X-Forwarded-For", "fe80::1%eth0", ""},
		{"127.0.0.1:4711", "X-Forwarded-For", "192.0.2.1:99999999", "192.0.2.1"},
		{"127.0.0.1:4711", "X-Forwarded-For", "010.0.0.1", ""},
		{"127.0.0.1:4711", "X-Forwarded-For", "", ""},
		{"[fd00::7]:1", "X-Forwarded-For", "192.0.2.1, fd00::8", "192.0.2.1"},
		{"@", "X-Forwarded-For", "192.0.2.1", "192.0.2.1"},
		{"", "Forwarded", "for=192.0.2.1", "192.0.2.1"},
		{"127.0.0.1:4711", "X-Forwarded-For", "unknown", ""},
		{"127.0.0.1:4711", "X-Forwarded-For", "\x1b[31mred", ""},
		{"127.0.0.1:4711", "X-Other", "192.0.2.1", ""},
		{"192.0.2.9:4711", "X-Forwarded-For", "192.0.2.1", ""},
	} {
		p, err := ParseProxies([]string{"127.0.0.1", "10.0.0.0/8", "fd00::/8", "unix"})
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.Client(request("localhost", "", c.header, c.value), c.remote)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %s: %q from %s: %q, want %q", c.header, c.value, c.value, c.remote, got, c.want)
		}
		if got, ok := (Proxies)(nil).Client(request("localhost", "", c.header, c.value), c.remote); ok {
			t.Errorf("without proxies: %q", got)
		}
	}
	if _, err := ParseProxies([]string{"proxy.example"}); err == nil || !strings.Contains(err.Error(), "10.0.0.0/8") {
		t.Errorf("a name: %v", err)
	}
}

// TestUnixIsAsked: a Unix socket's peer is no proxy unless the configuration says so, and names no other.
func TestUnixIsAsked(t *testing.T) {
	for list, want := range map[string]bool{"unix": true, "0.0.0.0/0": false, "::/0": false, "127.0.0.1": false} {
		p, err := ParseProxies([]string{list})
		if _, ok := p.Client(request("localhost", "", "X-Forwarded-For", "192.0.2.1"), "@"); err != nil || ok != want {
			t.Errorf("%s: %v, %v", list, ok, err)
		}
	}
	p, err := ParseProxies([]string{"unix", "::ffff:10.0.0.0/104"})
	if err != nil || p.Trusts(netip.MustParseAddr("127.0.0.1")) || !p.Trusts(netip.MustParseAddr("10.1.2.3")) {
		t.Errorf("%v: %v", p, err)
	}
}

// TestSecure: a trusted proxy says whether its client uses TLS, the nearest of several.
func TestSecure(t *testing.T) {
	if p, err := ParseProxies([]string{"::ffff:0.0.0.0/96"}); err != nil || !p.Trusts(netip.MustParseAddr("192.0.2.1")) || p.Trusts(netip.MustParseAddr("2001:db8::1")) {
		t.Errorf("all IPv4 addresses in the form of IPv6: %v, %v", p, err)
	}
	p, err := ParseProxies([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		remote, header, value string
		want                  bool
	}{
		{"127.0.0.1:1", "X-Forwarded-Proto", "https", true}, {"127.0.0.1:1", "X-Forwarded-Proto", "http", false}, {"192.0.2.1:1", "X-Forwarded-Proto", "https", false},
		{"127.0.0.1:1", "X-Forwarded-Proto", "http, HTTPS", true}, {"127.0.0.1:1", "X-Forwarded-Proto", "https, http", false},
		{"127.0.0.1:1", "Forwarded", `for=192.0.2.1;proto="https"`, true}, {"127.0.0.1:1", "Forwarded", "proto=https, for=192.0.2.1", false}, {"127.0.0.1:1", "Via", "https", false},
	} {
		if got := p.Secure(request("localhost", "", c.header, c.value), c.remote); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	for forged, added := range map[string]string{"https": "http", "http": "https"} { // the proxy's line follows the client's
		r := request("localhost", "", "X-Forwarded-Proto", forged)
		r.Header.Add("X-Forwarded-Proto", added)
		if got := p.Secure(r, "127.0.0.1:1"); got != (added == "https") {
			t.Errorf("%s, then %s: %v", forged, added, got)
		}
	}
}
