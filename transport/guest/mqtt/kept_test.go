package mqtt

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/mqtt/packet"
)

// A session outlives its connection and the router, with its messages of QoS 1 and 2.
func TestKept(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]packet.Version{"3.1.1": packet.V311, "5": packet.V5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := newStage(t, dir)
			d := s.join(v, "dev", ada, kept)
			if d.up().SessionPresent {
				t.Error("a new session is present")
			}
			if codes := d.sub(1, "k/#", "k2"); codes[0] != 1 || codes[1] != 1 {
				t.Fatal(codes)
			}
			d.send(&packet.Disconnect{})
			d.expectClosed(0)
			p := s.join(packet.V5, "p", bob)
			p.up()
			p.pub(packet.Publish{Topic: "k/1", QoS: 1, Payload: []byte("1")})
			p.pub(packet.Publish{Topic: "k", QoS: 2, Payload: []byte("2")})
			d = s.join(v, "dev", ada, kept)
			if !d.up().SessionPresent {
				t.Error("the session is not present")
			}
			got := map[string]bool{string(d.message().Payload): true, string(d.message().Payload): true}
			if !got["1"] || !got["2"] {
				t.Error(got)
			}
			d.send(&packet.Disconnect{})
			d.expectClosed(0)
			p.pub(packet.Publish{Topic: "k2", QoS: 1, Payload: []byte("3")})
			s.door.Broker.Close()
			kit.Must(t, s.router.Close(context.Background()))

			s = newStage(t, dir)
			d = s.join(v, "dev", ada, kept)
			if !d.up().SessionPresent {
				t.Error("the session is not present after a restart")
			}
			if m := d.message(); string(m.Payload) != "3" {
				t.Errorf("%q came again", m.Payload)
			}
			d.send(&packet.Disconnect{})
			d.expectClosed(0)
			if d = s.join(v, "dev", ada); d.up().SessionPresent { // a clean one
				t.Error("a clean session is present")
			}
			d.conn.Close()
			if d = s.join(v, "dev", ada, kept); d.up().SessionPresent {
				t.Error("a session is present that a clean one has ended")
			}
		})
	}
}

// Without the right to durable subscriptions, events are not kept, and the client gets an error.
func TestNotKept(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	d := s.join(packet.V5, "dev", ada, kept)
	if p := d.up(); p.Properties.Number(packet.SessionExpiry, 1) != 0 {
		t.Error("CONNACK promises to keep the session")
	}
}

// A session that has expired is removed with its durable subscriptions.
func TestExpired(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	d := s.join(packet.V5, "dev", ada, kept)
	d.up()
	d.sub(1, "k")
	d.send(&packet.Disconnect{})
	d.expectClosed(0)
	b := s.door.Broker
	kit.Eventually(t, "the session is saved", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, saved := range b.saved {
			if !saved.ends.IsZero() {
				saved.ends = time.Now().Add(-time.Second)
				return true
			}
		}
		return false
	})
	b.expire()
	p := s.join(packet.V5, "p", ada)
	p.up()
	p.pub(packet.Publish{Topic: "k", QoS: 1})
	d = s.join(packet.V5, "dev", ada, kept)
	if d.up().SessionPresent {
		t.Error("the session is present")
	}
	d.sub(1, "k")
	d.pub(packet.Publish{Topic: "other", QoS: 1}) // no message preceded it
}

// A file that was not written by a Broker is ignored.
func TestSessionFile(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"\"r\" \"c\" \"a\" \"u\" 60\n7 \"[]\"\n\"a/#\" 1 0\n": true, "": false, "y\n": false, "\"r\" \"c\n0 \"\"\n": false,
		"\"r\" \"c\" \"a\" \"u\" 60\n0 \"\"\nx\n": false, "\"r\" \"c\" \"a\" \"u\" 60\nx\n": false, "\"r\" \"c\" \"a\" \"u\" x\n0 \"\"\n": false,
	} {
		s, ok := parseSession(fileHead + "\n" + text)
		if ok != good || ok && (len(s.filters) != 1 || s.filters[0].text != "a/#" || s.expiry != 60 || s.willDelay != 7 || s.will != "[]") {
			t.Errorf("%q: %v %+v", text, ok, s)
		}
		if ok && s.text() != fileHead+"\n"+text {
			t.Errorf("%q is written as %q", text, s.text())
		}
		if _, ok := parseSession("runnel mqtt session 0\n" + text); ok {
			t.Error("another head is accepted")
		}
	}
}

// A session without an expiry ends with its connection, though the role may keep sessions.
func TestNoExpiry(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	for range 2 {
		d := s.join(packet.V5, "dev", ada, func(p *packet.Connect) { p.CleanStart = false })
		if d.up().SessionPresent {
			t.Error("the session is present")
		}
		d.sub(1, "k")
		d.conn.Close()
	}
	if files, _ := filepath.Glob(filepath.Join(s.dir, "*.session")); len(files) > 0 {
		t.Errorf("saved: %v", files)
	}
}

// No id is given twice, and the one of a message that was sent before is kept for it.
func TestFlightIDs(t *testing.T) {
	f := flight{last: 65533, again: []resent{{7, 2}, {8, 1}, {7, 3}}}
	f.ids = map[uint16]sent{65535: {}}
	for i, want := range []struct {
		event wamp.ID
		id    uint16
		dup   bool
	}{{0, 65534, false}, {9, 4, false}, {7, 2, true}, {0, 5, false}, {7, 3, true}, {7, 6, false}, {8, 1, true}, {8, 7, false}} {
		if id, dup := f.add(sent{event: want.event}); id != want.id || dup != want.dup {
			t.Errorf("%d: %d %v, want %+v", i, id, dup, want)
		}
	}
}

// The ids of QoS 2 are read as they were written, and other files are ignored.
func TestSavedIDs(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "x")
	for text, want := range map[string]string{
		"\x00\x02\x00\x01\x00\x02\x00\x07\x00\x00\x00\x09": "map[1:2 2:2] [7]", "\x00\x00\x00\x00": "map[] []", "\x00\x00\x00\x05\x00\x06": "map[] [5 6]",
		"\x00\x01\x00\x05": "map[5:2] []", "\x00\x03\x00\x05\x00": "map[5:2] []", "\x00": "map[] []", "": "map[] []",
		"\x00\x00" + strings.Repeat("\x00\x01", maxFile): "map[] []",
	} {
		kit.Must(t, os.WriteFile(name, []byte(text), 0o600))
		var s session
		if s.loadIDs(name); fmt.Sprint(s.received, s.released) != want {
			t.Errorf("%.20q: %v %v, want %s", text, s.received, s.released, want)
		}
	}
	var s session
	s.loadIDs(name + "-missing")
}

// An event that arrives when the client can get no more packets is not acknowledged: a durable subscription keeps it.
func TestEventAfterTheEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t, "")
	near, far := kit.Sockets(t, "tcp", "127.0.0.1:0")
	d := &device{TB: t, conn: near, r: packet.Reader{Reader: bufio.NewReader(near), Version: packet.V5, Max: 1 << 20}}
	d.send(&packet.Connect{Version: packet.V5, CleanStart: true, ClientID: "a"})
	c, err := s.door.Accept(far, s.peer(), nil, time.Now().Add(time.Minute))
	kit.Must(t, err)
	defer c.Close()
	messages := make(chan string, 9)
	go func() {
		defer close(messages)
		for {
			m, _, err := c.ReadMessage()
			if err != nil {
				return
			}
			messages <- string(m)
		}
	}()
	router := func(m string) error {
		_, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(m))), m...), true)
		return err
	}
	kit.Receive(t, "HELLO", messages)
	kit.Must(t, router(`[2,1,{"authid":"ada","authrole":"user","authmethod":"ticket"}]`))
	d.up()
	d.send(&packet.Subscribe{ID: 1, Filters: []packet.Filter{{Topic: "t", Options: 1}}})
	kit.Receive(t, "SUBSCRIBE", messages)
	kit.Must(t, router(`[33,1,7]`))
	gets[*packet.Suback](d)
	kit.Must(t, router(`[36,7,98,{"_confirm":true},["first"]]`))
	d.message()
	if got := kit.Receive(t, "EVENT_RECEIVED", messages); !strings.Contains(got, "98") {
		t.Errorf("the router gets %s", got)
	}
	kit.Must(t, c.(*Conn).CloseWrite())
	if router(`[36,7,99,{"_confirm":true},["second"]]`) == nil {
		t.Error("a message is taken after the end")
	}
	near.Close()
	for got := range messages {
		t.Errorf("the router gets %s", got)
	}
}

// Files that are no sessions, and one that is too long, do not keep a session from being read.
func TestForeignFiles(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	d := s.join(packet.V5, "dev", ada, kept)
	d.up()
	d.sub(1, "k")
	d.send(&packet.Disconnect{})
	d.expectClosed(0)
	saved, err := os.ReadFile(s.one(".session"))
	kit.Must(t, err)
	long := strings.Replace(string(saved), `"dev"`, `"long"`, 1) + "\"" + strings.Repeat("x", maxFile) + "\" 0 0\n"
	kit.Must(t, os.Mkdir(filepath.Join(s.dir, "0.session"), 0o700))
	for name, text := range map[string]string{"1.session": "damaged", "2.session": long, "3.session": ""} {
		kit.Write(t, s.dir, name, text)
	}
	s = s.reopen()
	if !s.join(packet.V5, "dev", ada, kept).up().SessionPresent {
		t.Error("the session is not present")
	}
	if s.join(packet.V5, "long", ada, kept).up().SessionPresent {
		t.Error("the session of a file that is too long is present")
	}
}
