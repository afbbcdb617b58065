package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"runnel/test/kit"
	"runnel/test/stage"
)

// polls makes long-poll requests by hand, which the clients of the ways lp_... never send.
type polls struct {
	*testing.T
	http.Client
	base string
}

func polling(t *testing.T, w stage.Way) *polls {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return house.Dial(ctx, w, nil) }
	p := &polls{T: t, base: "http://localhost/lp/"}
	p.Transport = &http.Transport{DialContext: dial, DialTLSContext: dial}
	if w.Network == "tls" {
		p.base = "https://localhost/lp/"
	}
	p.Timeout = kit.Patience
	t.Cleanup(p.CloseIdleConnections)
	return p
}

// post sends a request with headers, given as alternating names and values.
func (p *polls) post(path, body string, headers ...string) (status int, answer string) {
	p.Helper()
	r, err := http.NewRequest(http.MethodPost, p.base+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a, err := p.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		p.Fatal(err)
	}
	return a.StatusCode, string(b)
}

func (p *polls) want(path, body string, status int, answer string) {
	p.Helper()
	if got, text := p.post(path, body); got != status || !strings.Contains(text, answer) {
		p.Fatalf("%s is answered with %d %s, want %d %s", path, got, text, status, answer)
	}
}

// awaitEnd waits until a transport has ended, without a message.
func (p *polls) awaitEnd(path string) {
	p.Helper()
	for {
		status, answer := p.post(path+"receive", "")
		if status == http.StatusNotFound {
			return
		}
		if status != http.StatusNoContent {
			p.Fatalf("receive is answered with %d %s", status, answer)
		}
	}
}

// open returns a transport's path.
func (p *polls) open(protocols string) string {
	p.Helper()
	status, answer := p.post("open?x=382913", `{"protocols":[`+protocols+`]}`)
	var made struct{ Protocol, Transport string }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || status != http.StatusOK || !strings.Contains(protocols, made.Protocol) {
		p.Fatalf("open is answered with %d %s", status, answer)
	}
	return made.Transport + "/"
}

const pollHello = `[1,"stage.lp_json",{"roles":{"publisher":{},"subscriber":{},"caller":{},"callee":{}}}]`

// HTTP long-poll: advanced/transport_http_longpoll.md. All other cases run over it, too.
func TestLongPoll(t *testing.T) {
	for _, network := range []string{"tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			p := polling(t, stage.Way{Network: network})
			p.want("open", `{"protocols":["wamp.2.flatbuffers"]}`, http.StatusBadRequest, "wamp.2.json.batched")
			p.want("open", `no JSON`, http.StatusBadRequest, "")
			p.want("guess/send", pollHello, http.StatusNotFound, "")
			path := p.open(`"wamp.2.flatbuffers","wamp.2.json"`)
			if other := p.open(`"wamp.2.json"`); other == path || len(path) < 23 {
				p.Errorf("the ids are %q and %q", path, other)
			}
			p.want(path+"send", pollHello, http.StatusNoContent, "")
			p.want(path+"receive", "", http.StatusOK, "[2,")
			p.want(path+"send", `[32,1,{},"a.b"]`, http.StatusNoContent, "")
			p.want(path+"send", `[64,2,{},"over.`+network+`"]`, http.StatusNoContent, "")
			p.want(path+"receive", "", http.StatusOK, "[33,1,") // one message each
			p.want(path+"receive", "", http.StatusOK, "[65,2,")
			p.want(path+"send", strings.Repeat(" ", 1<<20)+"[1]", http.StatusRequestEntityTooLarge, "")
			p.want(path+"send", "", http.StatusBadRequest, "")
			p.want(path+"send", `[6,{},"wamp.close.normal"]`, http.StatusNoContent, "")
			p.want(path+"receive", "", http.StatusOK, `[6,{},"wamp.close.goodbye_and_out"]`)
			p.want(path+"close", "", http.StatusNoContent, "")
			p.awaitEnd(path)
		})
	}
	t.Run("a broken batch", func(t *testing.T) {
		p := polling(t, stage.Way{Network: "tcp"})
		path := p.open(`"wamp.2.cbor.batched"`)
		p.want(path+"send", "\x00\x00\x00\x09\x81", http.StatusBadRequest, "batch")
	})
	t.Run("all that waits in one batch", func(t *testing.T) {
		p := polling(t, stage.Way{Network: "tcp"})
		path := p.open(`"wamp.2.json.batched"`)
		p.want(path+"send", pollHello+"\x1e", http.StatusNoContent, "")
		p.want(path+"receive", "", http.StatusOK, "[2,")
		p.want(path+"send", `[32,1,{},"a.b"]`+"\x1e"+`[64,2,{},"over.batch"]`+"\x1e", http.StatusNoContent, "")
		var heard []byte
		for bytes.Count(heard, []byte{0x1e}) < 2 {
			_, answer := p.post(path+"receive", "")
			heard = append(heard, answer...)
		}
		if !bytes.HasPrefix(heard, []byte("[33,1,")) || !bytes.Contains(heard, []byte("\x1e[65,2,")) || heard[len(heard)-1] != 0x1e {
			t.Errorf("heard %q", heard)
		}
		p.want(path+"close", "", http.StatusNoContent, "")
	})
	t.Run("ABORT is still fetched", func(t *testing.T) {
		p := polling(t, stage.Way{Network: "tcp"})
		path := p.open(`"wamp.2.json"`)
		p.want(path+"send", `[1,"stage.none",{"roles":{"caller":{}}}]`, http.StatusNoContent, "")
		p.want(path+"receive", "", http.StatusOK, "wamp.error.no_such_realm")
		p.awaitEnd(path)
	})
	t.Run("web pages of other hosts", func(t *testing.T) {
		p := polling(t, stage.Way{Network: "tcp"})
		if status, answer := p.post("open", `{"protocols":["wamp.2.json"]}`, "Origin", "https://evil.example.com"); status != http.StatusForbidden {
			t.Errorf("open is answered with %d %s", status, answer)
		}
		path := p.open(`"wamp.2.json"`)
		if status, answer := p.post(path+"send", pollHello, "Origin", "https://evil.example.com"); status != http.StatusForbidden {
			t.Errorf("send is answered with %d %s", status, answer)
		}
		p.want(path+"close", "", http.StatusNoContent, "")
	})
}
