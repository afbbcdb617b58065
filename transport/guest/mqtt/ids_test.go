package mqtt

import (
	"bufio"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport/mqtt/packet"
	"runnel/transport/wire"
)

// scene is a connection of the client "dev" whose router is the test: it answers as late as it likes.
type scene struct {
	testing.TB
	c *Conn
	d *device
}

func (s *stage) scene() *scene {
	s.Helper()
	near, far := kit.Sockets(s, "tcp", "127.0.0.1:0")
	d := &device{TB: s, conn: near, r: packet.Reader{Reader: bufio.NewReader(near), Version: packet.V5, Max: 1 << 20}}
	p := packet.Connect{Version: packet.V5, ClientID: "dev"}
	kept(&p)
	d.send(&p)
	c, err := s.door.Accept(far, s.peer(), nil, time.Now().Add(time.Minute))
	kit.Must(s, err)
	a := &scene{s, c.(*Conn), d}
	s.Cleanup(func() { near.Close(); a.c.Close() })
	a.reads(wamp.Hello)
	dict, err := codec.NewDict(wamp.JSON, map[string]any{"authid": "ada", "authrole": "user", wamp.KeyDurable: true})
	kit.Must(s, err)
	a.answers(&codec.Message{Type: wamp.Welcome, ID: 1, Dict: dict})
	return a
}

// reads checks the type of the next message for the router, and returns its request id.
func (a *scene) reads(want wamp.Type) wamp.ID {
	a.Helper()
	b, _, err := a.c.ReadMessage()
	kit.Must(a, err)
	var m codec.Message
	kit.Must(a, codec.Parse(wamp.JSON, b, &m))
	if m.Type != want {
		a.Fatalf("the router gets %s, want a message of type %d", b, want)
	}
	return m.Request
}

func (a *scene) answers(m *codec.Message) {
	a.Helper()
	b, err := codec.Append(make([]byte, wire.HeadSize), wamp.JSON, m)
	kit.Must(a, err)
	binary.BigEndian.PutUint32(b, uint32(len(b)-wire.HeadSize))
	_, err = a.c.Write(b, true)
	kit.Must(a, err)
}

// The connection ends before the router has answered PUBLISH. The client repeats the message, and gets PUBREC.
func TestUnansweredIsTaken(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	twice, last := &packet.Publish{Topic: "a", QoS: 2, ID: 9}, &packet.Publish{Topic: "b"}
	a := s.scene()
	a.d.send(twice)
	a.reads(wamp.Publish)
	a.d.conn.Close()
	if _, _, err := a.c.ReadMessage(); err == nil {
		t.Error("the connection has not ended")
	}
	a.c.Close()

	a = s.scene()
	twice.Dup = true
	a.d.send(twice, last)
	a.reads(wamp.Publish)
	if !a.d.up().SessionPresent {
		t.Error("the session is not present")
	}
	if ack := gets[*packet.Ack](a.d); ack.Type != packet.TypePubrec || ack.ID != 9 {
		t.Errorf("%+v", ack)
	}
	a.d.send(last)
	if id := a.reads(wamp.Publish); id != 2 {
		t.Errorf("the message of QoS 2 was taken twice: request %d", id)
	}
}

// The router closes a connection before it has answered PUBLISH. The client repeats the message, and the router accepts
// it again. The former connection no longer affects the ids.
func TestClosedIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	twice := &packet.Publish{Topic: "a", QoS: 2, ID: 9}
	former := s.scene()
	former.d.send(twice)
	former.answers(&codec.Message{Type: wamp.Published, Request: former.reads(wamp.Publish), Publication: 1})
	former.c.Close()

	a := s.scene()
	twice.Dup = true
	a.d.send(twice, &packet.Disconnect{})
	a.answers(&codec.Message{Type: wamp.Published, Request: a.reads(wamp.Publish), Publication: 1})
	if _, _, err := former.c.ReadMessage(); err == nil {
		t.Error("the former connection has not ended")
	}
	var file session
	file.loadIDs(s.door.Broker.file(a.c.key) + idsEnding)
	if len(file.received) > 0 {
		t.Errorf("the former connection has saved %v", file.received)
	}
}

// reopen ends the stage, and returns one with its state.
func (s *stage) reopen() *stage {
	s.Helper()
	s.door.Broker.Close()
	kit.Must(s, s.router.Close(context.Background()))
	return s.again()
}

// begun connects the client "dev", and leaves a message of QoS 2 with the id 5 unreleased.
func (s *stage) begun() *device {
	s.Helper()
	d := s.join(packet.V5, "dev", ada, kept)
	d.up()
	d.send(&packet.Publish{Topic: "q", QoS: 2, ID: 5, Payload: []byte("1")})
	gets[*packet.Ack](d)
	return d
}

// one returns the file in the stage's directory with an ending.
func (s *stage) one(ending string) string {
	s.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, "*"+ending))
	kit.Must(s, err)
	if len(names) != 1 {
		s.Fatalf("%d files end with %q", len(names), ending)
	}
	return names[0]
}

// After a restart a repeated message is answered. A message with the same id that is not marked as repeated is a new one: the
// file may be older than the client's PUBREL.
func TestRecalledIDs(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	s.begun()
	s = s.reopen()
	w := s.join(packet.V5, "w")
	w.up()
	w.sub(0, "q")
	d := s.join(packet.V5, "dev", ada, kept)
	if !d.up().SessionPresent {
		t.Error("the session is not present")
	}
	p := packet.Publish{Topic: "q", QoS: 2, ID: 5, Dup: true, Payload: []byte("1")}
	d.send(&p)
	gets[*packet.Ack](d)
	if p.Payload, p.Dup = []byte("2"), false; d.pub(p) != packet.Success {
		t.Error("the new message is refused")
	}
	if m := w.message(); string(m.Payload) != "2" {
		t.Errorf("%s came", m.Payload)
	}
}

// A new session does not begin with the ids of a former one whose file is lost.
func TestLostSession(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	s.begun()
	kit.Must(t, os.WriteFile(s.one(".session"), []byte("damaged"), 0o600))
	s = s.reopen()
	if s.join(packet.V5, "dev", ada, kept).up().SessionPresent {
		t.Error("the session is present")
	}
	kit.Eventually(t, "the new session is saved", func() bool {
		text, err := os.ReadFile(s.one(".session"))
		return err == nil && string(text) != "damaged"
	})
	s = s.reopen()
	d := s.join(packet.V5, "dev", ada, kept)
	d.up()
	d.sub(0, "q")
	d.send(&packet.Publish{Topic: "q", QoS: 2, ID: 5, Dup: true, Payload: []byte("2")})
	for range 2 {
		if p, ok := d.next().(*packet.Publish); ok && string(p.Payload) == "2" {
			return
		}
	}
	t.Error("the message is taken for one of the former session")
}

// If the ids can't be written, the file with the older ones is removed.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full")
	}
	s := newStage(t, t.TempDir())
	d := s.begun()
	name := s.one(idsEnding)
	kit.Must(t, os.Remove(name))
	kit.Must(t, os.Symlink("/dev/full", name))
	d.send(&packet.Ack{Type: packet.TypePubrel, ID: 5})
	gets[*packet.Ack](d)
	if _, err := os.Lstat(name); !os.IsNotExist(err) {
		t.Error("the file is left:", err)
	}
}

// DISCONNECT may end the session. A restart does not restore it.
func TestExpiryInDisconnect(t *testing.T) {
	t.Parallel()
	s := newStage(t, t.TempDir())
	d := s.join(packet.V5, "dev", ada, kept)
	d.up()
	d.send(&packet.Disconnect{Properties: props(packet.Property{ID: packet.SessionExpiry, Number: 0})})
	d.expectClosed(0)
	s = s.reopen()
	if s.join(packet.V5, "dev", ada, kept).up().SessionPresent {
		t.Error("the session is present")
	}
}
