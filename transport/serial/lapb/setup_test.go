package lapb

import (
	"strings"
	"testing"
	"time"
)

func TestGatewayCalls(t *testing.T) {
	r := newRig(t, Config{NoXID: true})
	t1 := r.c.T1
	r.sends("SABM P")
	for _, gap := range []time.Duration{t1, 2 * t1, 4 * t1, time.Second, time.Second, time.Second} {
		r.after(gap - time.Millisecond)
		r.sends("")
		if at := r.Deadline(); !at.Equal(r.clock.Add(time.Millisecond)) {
			t.Fatalf("the next call is due in %v", at.Sub(r.clock))
		}
		r.after(time.Millisecond)
		r.sends("SABM P")
	}
	r.after(24 * time.Hour)
	r.sends("SABM P")
	r.says()
}

func TestDeviceCalls(t *testing.T) {
	r := newRig(t, Config{NoXID: true, Role: Device})
	for range 5 {
		r.sends("SABM P")
		r.after(time.Second - 1)
		r.sends("")
		r.after(1)
	}
	r.gets("UA F")
	r.sends("")
	r.says("up")
}

// TestCallsCollide has both ends call at once, and both answer. The connection begins when our call is answered. If that answer
// is lost, it begins when the answer must have been sent, or with the device's first frame, which is accepted.
func TestCallsCollide(t *testing.T) {
	for _, c := range []struct {
		name   string
		role   Role
		gets   []string
		before time.Duration // the connection begins
		says   []string
	}{
		{"both arrive", Gateway, []string{"SABM P", "UA F"}, 0, []string{"up"}},
		{"the answer first", Gateway, []string{"UA F", "SABM P"}, 0, []string{"up"}},
		{"the answer is lost", Gateway, []string{"SABM P"}, 1, []string{"up"}},
		{"the answer is lost, and the device speaks", Gateway, []string{"SABM P", "I 0,0 a"}, 0, []string{"up", "a"}},
		{"both arrive", Device, []string{"SABM P", "UA F"}, 0, []string{"up"}},
		{"the answer is lost", Device, []string{"SABM P"}, 1, []string{"up"}},
		{"before the answer something old comes", Device, []string{"SABM P", "I 0,0 old"}, 1, []string{"up"}},
	} {
		r := newRig(t, Config{NoXID: true, Role: c.role, T1: 100 * time.Millisecond})
		r.sends("SABM P")
		r.gets(c.gets...)
		r.sends("UA F")
		if c.before > 0 {
			r.says()
			r.after(r.c.T1 - 1)
			r.sends("")
			r.says()
			r.after(1)
			r.sends("")
		}
		r.says(c.says...)
		r.after(time.Second)
		if frames := r.frames(); len(frames) > 1 || len(frames) == 1 && frames[0] != "RR 1 resp" {
			t.Errorf("%s: the calls go on: %q", c.name, frames) // the timer must be off
		}
		r.Send([]byte("x"))
		if n := len(r.frames()); n != 1 {
			t.Errorf("%s: %d frames are sent", c.name, n)
		}
	}
}

func TestSABMWithoutP(t *testing.T) {
	r := newRig(t, Config{NoXID: true})
	r.gets("SABM")
	r.sends("UA")
	r.says("up")
}

// TestStrayUA checks that an end that did not call ignores a UA. A second UA means that the connection began with an
// answer to another end's call.
func TestStrayUA(t *testing.T) {
	r := newRig(t, Config{NoXID: true})
	r.gets("UA F")
	r.says()
	r.sends("SABM P")
	r.gets("UA F")
	r.says("up")
	r.after(r.c.T1)
	r.gets("UA F")
	r.says("down: " + ErrConfused.Error())
	r.sends("SABM P")
	r.after(r.c.T1)
	r.sends("SABM P")
	r.after(10 * time.Millisecond)
	r.gets("UA F")
	r.says("up")
	r.gets("UA F") // to the other call
	r.says()
}

func TestPeerRestarts(t *testing.T) {
	r := connectedRig(t, Config{})
	r.Send([]byte("old"))
	r.sends("I 0,0 old")
	r.gets("I 0,0 half")
	r.gets("SABM P")
	r.says("half", "down: "+ErrRestarted.Error(), "up")
	r.sends("UA F")
	r.after(r.c.T1)
	r.sends("") // the queues are dropped
	r.Send([]byte("new"))
	r.sends("I 0,0 new")
	r.gets("I 0,1 hello")
	r.says("hello")
	if c := r.Counters(); c.Resets != 1 || c.Connections != 2 {
		t.Errorf("%+v", c)
	}
}

// TestCallRepeated gets the other end's SABM twice, because our UA was late. No other frame arrived in between, so this is not a
// restart, and the data sent meanwhile stays valid.
func TestCallRepeated(t *testing.T) {
	r := newRig(t, Config{NoXID: true, Role: Device})
	r.gets("SABM P")
	r.sends("UA F")
	r.Send([]byte("one"))
	r.sends("I 0,0 one")
	r.gets("SABM P")
	r.sends("UA F")
	r.says("up")
	r.gets("RR 1 resp") // it did arrive
	r.Send([]byte("two"))
	r.sends("I 1,0 two")
	r.gets("SABM P") // now it is one
	r.says("down: "+ErrRestarted.Error(), "up")
}

func TestStrangeFrames(t *testing.T) {
	for _, frame := range []string{"I 3,2 x", "RR 5 resp", "RR 5 P", "REJ 1 resp"} {
		r := newRig(t, Config{NoXID: true})
		r.sends("SABM P")
		r.gets(frame)
		r.sends("") // the SABM in flight has this effect
		r.after(r.c.T1)
		r.sends("DM F; SABM P")
		for range 3 {
			r.gets(frame, frame)
		}
		r.after(r.c.T1 - 1)
		r.gets(frame)
		r.sends("")
		r.after(1)
		r.sends("DM F") // once in T1
		r.gets(frame)
		r.sends("")
		r.says()
	}
}

func TestPeerKnowsOfNoConnection(t *testing.T) {
	for frame, cause := range map[string]error{"DM F": ErrUnknown, "FRMR F": ErrConfused} {
		r := connectedRig(t, Config{})
		r.after(r.c.T1)
		r.gets(frame)
		r.says("down: " + cause.Error())
		r.sends("SABM P")
		r.gets(frame) // late
		r.sends("")
		r.gets("UA F")
		r.says("up")
	}
}

func TestFinish(t *testing.T) {
	r := connectedRig(t, Config{})
	r.Send([]byte("bye"))
	r.Finish(r.clock)
	r.sends("I 0,0 bye")
	if r.Send([]byte("more")) != 0 {
		t.Error("a finished connection takes octets")
	}
	r.after(time.Millisecond)
	r.gets("RR 1 resp")
	r.sends("")
	r.says("down: EOF")
	r.after(r.c.T1)
	r.sends("SABM P") // a new stream
	if c := r.Counters(); c.Resets != 0 {
		t.Errorf("%+v", c)
	}
}

func TestStop(t *testing.T) {
	r := connectedRig(t, Config{})
	r.Send([]byte("bye"))
	r.Stop(r.clock)
	r.sends("I 0,0 bye")
	r.gets("I 0,0 late", "RR 1 resp")
	r.sends("DISC P")
	r.gets("I 1,1 x", "SABM P")
	r.sends("")
	if r.Stopped() {
		t.Error("stopped before DISC is answered")
	}
	r.gets("UA F")
	if !r.Stopped() {
		t.Error("not stopped")
	}
	r.gets("I 1,1 x", "SABM P", "DISC P")
	r.after(time.Hour)
	r.sends("")

	r = newRig(t, Config{NoXID: true})
	r.Stop(r.clock)
	r.sends("DISC P")
	r.gets("DISC P") // both leave
	r.sends("DM F")
	r.after(r.c.T1)
	r.sends("") // once
	if !r.Stopped() {
		t.Error("not stopped without an answer")
	}

	// An end that does not accept data does not delay it.
	r = connectedRig(t, Config{})
	r.Send([]byte("bye"))
	r.sends("I 0,0 bye")
	r.gets("RNR 0 resp")
	r.Stop(r.clock)
	for range 20 {
		r.after(r.c.T1 / 2)
		if frames := r.frames(); len(frames) > 0 && frames[len(frames)-1] == "DISC P" {
			return
		}
		r.gets("RNR 0 F resp")
	}
	t.Error("no DISC")
}

func TestDisconnected(t *testing.T) {
	r := connectedRig(t, Config{})
	r.after(time.Minute / 60)
	r.gets("I 0,0 bye", "DISC P")
	r.says("bye", "down: EOF")
	r.sends("UA F")
	r.gets("DISC P") // again, as the UA was lost
	r.sends("DM F")
	r.after(r.c.T1)
	r.sends("SABM P")
	if c := r.Counters(); c.Resets != 0 {
		t.Errorf("%+v", c)
	}
}

func TestIdentity(t *testing.T) {
	g := newRig(t, Config{Window: 7, Info: 64, Name: "edge", BootID: 0x01020304})
	g.sends("XID P \x01\x07\x40\x00\x04\x03\x02\x01edge; SABM P")
	d := newRig(t, Config{Role: Device, Window: 2, Info: 256, Name: "mcu"})
	d.gets("XID P \x01\x07\x40\x00\x04\x03\x02\x01edge", "SABM P")
	d.sends("XID F \x01\x02\x00\x01\x00\x00\x00\x00mcu; UA F")
	if d.window != 2 || d.info != 64 {
		t.Errorf("the device uses a window of %d and frames of %d", d.window, d.info)
	}
	if p := d.Peer(); p.Window != 7 || p.Info != 64 || p.BootID != 0x01020304 || p.Name != "edge" {
		t.Errorf("%+v", p)
	}
	g.gets("XID F \x01\x02\x00\x01\x00\x00\x00\x00mcu", "UA F")
	if g.window != 2 || g.info != 64 || g.Peer().Name != "mcu" {
		t.Errorf("the gateway uses a window of %d and frames of %d with %+v", g.window, g.info, g.Peer())
	}
	for _, bad := range []string{"\x01", "\x02\x02\x00\x01\x00\x00\x00\x00", "\x01\x00\x00\x01\x00\x00\x00\x00", "\x01\x08\x00\x01\x00\x00\x00\x00",
		"\x01\x02\x1f\x00\x00\x00\x00\x00", "\x01\x02\x01\x04\x00\x00\x00\x00", "\x01\x02\x00\x01\x00\x00\x00\x00\xff",
		"\x01\x02\x00\x01\x00\x00\x00\x00" + strings.Repeat("n", 33)} {
		if i, ok := parseIdentity([]byte(bad)); ok {
			t.Errorf("%q is %+v", bad, i)
		}
	}
}
