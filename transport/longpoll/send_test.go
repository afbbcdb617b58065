package longpoll

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/transport/subprotocol"
)

// TestSlowBody: a body that does not arrive does not delay other requests for long.
func TestSlowBody(t *testing.T) {
	r := serve(t, Options{BodyTime: 2 * time.Second})
	c, path := r.open(t, "wamp.2.json")
	body, more := io.Pipe()
	defer more.Close()
	q, err := http.NewRequest("POST", r.web.URL+"/lp/"+path+"send", body)
	if err != nil {
		t.Fatal(err)
	}
	go more.Write([]byte("[1"))
	if a, err := http.DefaultClient.Do(q); err == nil {
		a.Body.Close()
		if a.StatusCode != http.StatusBadRequest {
			t.Errorf("half a body is answered with %s", a.Status)
		}
	}
	r.want(t, path+"send", "[2]", http.StatusNoContent, "")
	hear(t, c, "[2]", false)
}

// FuzzSend: whatever is sent is refused, or read to the end.
func FuzzSend(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01a\x00\x00\x00\x00"), true, false)
	f.Add([]byte("[1]\x1e[2]\x1e"), true, true)
	f.Add([]byte("[1]"), false, true)
	f.Fuzz(func(t *testing.T, body []byte, batched, text bool) {
		p := subprotocol.Protocol{Serializer: wamp.CBOR, Batched: batched}
		if text {
			p.Serializer = wamp.JSON
		}
		s := NewServer(Options{})
		c := newConn(s, "id", p, wamp.Transport{}, nil)
		defer c.Close()
		w := httptest.NewRecorder()
		err := c.send(w, httptest.NewRequest("POST", "/", strings.NewReader(string(body))))
		if err != nil {
			return
		}
		c.disconnect(io.EOF)
		octets := 0
		for {
			msg, _, err := c.ReadMessage()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			octets += len(msg)
		}
		if octets > len(body) || !batched && octets != len(body) {
			t.Errorf("read %d octets of %d", octets, len(body))
		}
	})
}
