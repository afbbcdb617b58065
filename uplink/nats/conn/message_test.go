package conn

import (
	"fmt"
	"strings"
	"testing"
)

func TestHeader(t *testing.T) {
	h := Header(nil).Add("Nats-Msg-Id", "a:1").Add("Empty", "").Add("Text", "\x00a\tb\x7f\r\nPUB c 0")
	if string(h) != "NATS/1.0\r\nNats-Msg-Id: a:1\r\nEmpty: \r\nText:  a b   PUB c 0\r\n" {
		t.Errorf("%q", h)
	}
	for key, want := range map[string]string{"Nats-Msg-Id": "a:1", "NATS-MSG-ID": "a:1", "Empty": "", "Text": "a b   PUB c 0", "Nats-Msg": "-", "": "-", "NATS/1.0": "-"} {
		if v := h.Get(key); (v == nil) != (want == "-") || v != nil && string(v) != want {
			t.Errorf("%s: %q", key, v)
		}
	}
	var keys []string
	h.All(func(k, v []byte) bool { keys = append(keys, string(k)); return len(keys) < 2 })
	if fmt.Sprint(keys) != "[Nats-Msg-Id Empty]" {
		t.Error(keys)
	}
	odd := Header("NATS/1.0\r\nno colon\r\n: no key\r\nA:1\r\nA: 2\r\n\r\nB: 3")
	if string(odd.Get("A")) != "1" || string(odd.Get("b")) != "3" || odd.Get("no colon") != nil {
		t.Errorf("%q", odd.Get("A"))
	}
	odd.All(func(k, v []byte) bool { keys = append(keys, string(k)+"="+string(v)); return true })
	if fmt.Sprint(keys) != "[Nats-Msg-Id Empty A=1 A=2 B=3]" {
		t.Error(keys)
	}
	if Header(nil).Get("a") != nil || Header("x").Get("a") != nil {
		t.Error("a value without a header")
	}
}

func TestStatus(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "0 ",
		"NATS/1.0\r\n":                       "0 ",
		"NATS/1.0 503\r\n":                   "503 ",
		"NATS/1.0 100 Idle Heartbeat\r\n":    "100 Idle Heartbeat",
		"NATS/1.0   409   Leader \r\nA: b":   "409 Leader",
		"NATS/1.0 50\r\n":                    "0 ",
		"NATS/1.0 5x3\r\n":                   "0 ",
		"NATS/1.0 -50 a\r\n":                 "0 ",
		"NATS/1.0 /99 a\r\n":                 "0 ",
		"NATS/1.0 :99 a\r\n":                 "0 ",
		"HTTP/1.1 503\r\n":                   "0 ",
		"NATS/1.0 408 \x1b[31mred\u2028\r\n": "408 [31mred",
	} {
		h := Header(text)
		if got := fmt.Sprint(h.Status(), " ", h.Description()); got != want {
			t.Errorf("%q: %q instead of %q", text, got, want)
		}
	}
	for text, want := range map[string]bool{"NATS/1.0 503\r\n": true, "NATS/1.0 502\r\n": false, "": false} {
		m := Msg{Header: Header(text)}
		if m.NoResponders() != want {
			t.Errorf("%q", text)
		}
		if m.Data = []byte("x"); m.NoResponders() {
			t.Errorf("%q with data", text)
		}
	}
}

func TestValidSubject(t *testing.T) {
	for subject, want := range map[string]string{
		"a": "both", "a.b-c_d.$X.é": "both", "A>.b*": "both", "*a.>b": "both",
		"a.*": "pattern", "*": "pattern", ">": "pattern", "a.*.>": "pattern", "*.b": "pattern",
		"": "", ".": "", "a.": "", ".a": "", "a..b": "", "a b": "", "a\tb": "", "a\r\nb": "", "a\x7f": "", "a.\x00": "", ">.a": "", "a.>.b": "",
		strings.Repeat("a", MaxSubject): "both", strings.Repeat("a", MaxSubject+1): "",
	} {
		if got := ValidSubject(subject, false); got != (want == "both") {
			t.Errorf("%.40q: %v", subject, got)
		}
		if got := ValidSubject(subject, true); got != (want != "") {
			t.Errorf("pattern %.40q: %v", subject, got)
		}
	}
}

func TestClone(t *testing.T) {
	data := []byte("subject reply header data")
	m := Msg{Subject: data[:7], Reply: data[8:13], Header: data[14:20], Data: data[21:]}
	c := m.Clone()
	for i := range data {
		data[i] = 'x'
	}
	if got := fmt.Sprintf("%s %s %s %s", c.Subject, c.Reply, c.Header, c.Data); got != "subject reply header data" {
		t.Error(got)
	}
}

func TestErrors(t *testing.T) {
	if err := error(&TooLarge{Size: 9, Limit: 8}); !strings.Contains(err.Error(), "has 9 bytes") || !strings.Contains(err.Error(), "at most 8") {
		t.Error(err)
	}
	long := words([]byte(strings.Repeat("x", 1000)))
	if len(long) != maxWords {
		t.Error(len(long))
	}
	for line, want := range map[string]string{
		` 'Permissions Violation for Publish to "a.b"'`:                              "true a.b,",
		` 'Permissions Violation for Subscription to "a" using queue "q.1"'`:         "false a,q.1",
		` 'Permissions Violation for Publish with Reply of "r" to "a"'`:              "true ,",
		` 'Permissions Violation for Subscription to "a`:                             "false ,",
		` 'Permissions Violation for Publish to "a.\"b\""'`:                          `true a."b",`,
		` 'Permissions Violation for Publish to "` + strings.Repeat("a", 600) + `"'`: "true " + strings.Repeat("a", 600) + ",",
		` 'permissions violation for publish to "a"'`:                                "true a,",
	} {
		err, goesOn := parseErr([]byte(line))
		d, ok := err.(*Denied)
		if !ok || !goesOn || fmt.Sprintf("%v %s,%s", d.Publish, d.Subject, d.Queue) != want {
			t.Errorf("%s: %+v", line, err)
		}
	}
	for text, remedy := range map[string]string{
		"Authorization Violation": "check credentials", "Authentication Timeout": "too slow", "User Authentication Expired": "new credentials",
		"User Authentication Revoked": "new credentials", "Account Authentication Expired": "the account needs a new JWT", "Secure Connection - TLS Required": "tls+nats",
		"maximum connections exceeded": "max_connections", "maximum account active connections exceeded": "account's limit", "Maximum Payload Violation": "max_payload",
	} {
		err, goesOn := parseErr([]byte(" '" + text + "'"))
		if goesOn || !strings.HasPrefix(err.Error(), "the server says: "+text+"; ") || !strings.Contains(err.Error(), remedy) {
			t.Error(err)
		}
	}
	if err, _ := parseErr(nil); err.Error() != "the server says: " {
		t.Error(err)
	}
}
