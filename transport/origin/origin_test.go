package origin

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		origin, host string
		allowed      []string
		local        bool
		refused      string
	}{
		{"", "gw.example", nil, false, ""},
		{"http://gw.example", "gw.example", nil, false, ""},
		{"https://gw.example:8443", "gw.example:8443", nil, false, ""},
		{"http://evil.example", "gw.example", nil, false, `add "evil.example" to the listener's origins`},
		{"http://evil.example", "gw.example", []string{"*.good.example"}, false, `add "evil.example"`},
		{"http://a.good.example", "gw.example", []string{"*.good.example"}, false, ""},
		{"http://a.good.example", "gw.example", []string{"https://*.good.example"}, false, `add "a.good.example"`},
		{"https://A.good.example", "gw.example", []string{"https://*.good.example"}, false, ""},
		{"null", "gw.example", nil, false, `unknown origin "null"`},
		{"null", "gw.example", []string{"*"}, false, ""},
		{"http://gw.example:8080", "gw.example:8081", nil, false, `add "gw.example:8080"`},
		// A page whose name was made to point at this machine is not this machine's.
		{"http://rebound.example", "rebound.example", nil, true, `add "rebound.example"`},
		{"http://localhost:8080", "localhost:8080", nil, true, ""},
		{"http://127.0.0.1:8080", "127.0.0.1:8080", nil, true, ""},
		{"http://[::1]:8080", "[::1]:8080", nil, true, ""},
	} {
		t.Run(c.origin+" to "+c.host, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/ws", nil)
			r.Host = c.host
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			err := Check(r, c.allowed, c.local)
			if (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
				t.Errorf("error is %v, want %q", err, c.refused)
			}
		})
	}
}

// Behind a proxy of this machine, the connection's address says nothing about whose name the host is.
func TestBehindProxy(t *testing.T) {
	r := httptest.NewRequest("GET", "/ws", nil)
	r.Host = "gw.example"
	r.Header.Set("Origin", "https://gw.example")
	if err := Check(r, nil, true); err == nil {
		t.Error("a name that may have been made to point here is let in")
	}
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	if err := Check(r, nil, true); err != nil {
		t.Errorf("a page behind a proxy: %v", err)
	}
}
