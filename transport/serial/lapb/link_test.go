package lapb

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/hdlc"
)

// TestConversation checks the octets of the specification, in the order of a boot.
func TestConversation(t *testing.T) {
	gateway, device := newRig(t, Config{NoXID: true}), newRig(t, Config{NoXID: true, Role: Device})
	wire := func(from *rig, want string) {
		t.Helper()
		from.buf = from.Append(from.buf[:0], from.clock)
		if got := fmt.Sprintf("% x", from.buf); got != want {
			t.Fatalf("sends %s, want %s", got, want)
		}
		to := map[*rig]*rig{gateway: device, device: gateway}[from]
		d := hdlc.NewDecoder(128)
		for _, b := range from.buf {
			if f, ok := d.Push(b); ok {
				to.Frame(f, to.clock)
			}
		}
	}
	device.frames() // the device called while the gateway was not there
	device.after(device.c.T1)
	wire(gateway, "7e 03 3f 01 6c 92 dc 7e") // SABM P
	wire(device, "7e 03 73 ba 61 f8 a3 7e")  // UA F
	device.Send([]byte("\x7f\x01\x00\x00"))
	wire(device, "7e 01 00 7f 01 00 00 fb a8 00 48 7e") // I 0,0
	gateway.Send([]byte("\x7f\x71\x00\x00"))
	wire(gateway, "7e 03 20 7f 71 00 00 a4 4e f8 90 7e") // I 0,1
	device.after(device.c.T2)
	wire(device, "7e 03 21 62 51 9d 26 7e") // RR 1
	gateway.says("up", "\x7f\x01\x00\x00")
	device.says("up", "\x7f\x71\x00\x00")

	gateway.Send([]byte("a"))
	wire(gateway, fmt.Sprintf("% x", hdlc.Append(nil, hdlc.Frame{Address: 3, Control: 0x22, Info: []byte("a")})))
	gateway.Send([]byte("bc"))
	gateway.frames() // lost on the way
	device.gets("I 3,1 d")
	wire(device, "7e 03 49 08 b8 f4 65 7e") // REJ 2
	device.says("a")

	gateway.Stop(gateway.clock)
	gateway.gets("RR 4 resp")
	wire(gateway, "7e 03 53 72 41 96 98 7e") // DISC P
	device.says("down: EOF")
	device.sends("UA F")
	device.gets("I 0,0 x")
	device.after(device.c.T1)
	if got := fmt.Sprintf("% x", device.Append(nil, device.clock)); !strings.HasPrefix(got, "7e 03 1f c9 4c fc e7 7e") { // DM F
		t.Fatalf("sends %s", got)
	}
}

func TestReject(t *testing.T) {
	r := connectedRig(t, Config{})
	r.gets("I 1,0 b", "I 2,0 c")
	r.sends("REJ 0 resp") // one
	r.gets("I 3,0 d")
	r.sends("")
	r.gets("I 0,0 a")
	r.says("a")
	r.gets("I 1,0 b")
	r.sends("RR 2 resp")
	r.says("b")
	r.gets("I 3,0 d") // another loss
	r.sends("REJ 2 resp")
	r.gets("I 3,0 d") // the other end repeated the frame, and it was lost again
	r.sends("REJ 2 resp")
	r.gets("I 2,0 P c")
	r.says("c")
	r.sends("RR 3 F resp")
}

// TestRepeated loses an acknowledgement: the repeated frame is acknowledged again.
func TestRepeated(t *testing.T) {
	r := connectedRig(t, Config{})
	r.gets("I 0,0 a", "I 1,0 b")
	r.sends("RR 2 resp")
	r.says("a", "b")
	r.gets("I 0,0 a")
	r.sends("RR 2 resp")
	r.gets("I 1,0 P b")
	r.sends("RR 2 F resp")
	r.says()
}

func TestRejected(t *testing.T) {
	r := connectedRig(t, Config{Info: 32})
	r.Send([]byte(strings.Repeat("a", 32) + strings.Repeat("b", 32) + "c"))
	whole := "I 0,0 " + strings.Repeat("a", 32) + "; I 1,0 " + strings.Repeat("b", 32) + "; I 2,0 c"
	r.sends(whole)
	r.gets("REJ 0 resp")
	r.sends(whole)
	r.gets("REJ 2 resp")
	r.sends("I 2,0 c")
	r.gets("RR 3 resp")
	r.sends("")
	if !r.out.empty() || !r.t1.IsZero() || r.Counters().Resent != 4 || r.Counters().RejectsIn != 2 {
		t.Errorf("%+v", r.Counters())
	}
}

func TestTimeout(t *testing.T) {
	r := connectedRig(t, Config{})
	r.Send([]byte("a"))
	r.sends("I 0,0 a")
	r.Send([]byte("b"))
	r.sends("I 1,0 b")
	r.after(r.c.T1 - 1)
	r.sends("")
	r.after(1)
	r.sends("I 0,0 P a; RR 0 P")
	r.Send([]byte("c"))
	r.sends("") // no new frame before the answer
	r.gets("RR 1 F resp")
	r.sends("I 1,0 b; I 2,0 c")
	r.gets("RR 1 F resp") // to the second poll
	r.sends("")
	r.gets("RR 3 resp")
	r.says()
}

// TestDeadPeer checks N2, and that a silent peer is detected in about 6 s at 115200 baud.
func TestDeadPeer(t *testing.T) {
	r := connectedRig(t, Config{})
	began := r.clock
	for r.heard == nil {
		at := r.Deadline()
		if at.IsZero() {
			t.Fatal("the link waits for nothing")
		}
		r.clock = at
		r.frames()
	}
	r.says("down: " + ErrSilent.Error())
	if d := r.clock.Sub(began); d < 5900*time.Millisecond || d > 6100*time.Millisecond {
		t.Errorf("found after %v", d)
	}
	if c := r.Counters(); c.Timeouts != 5 || c.Resets != 1 {
		t.Errorf("%+v", c)
	}
	r.after(r.c.T1)
	r.sends("SABM P")
}

// TestDeafPeer has a peer that answers, but accepts no frames.
func TestDeafPeer(t *testing.T) {
	r := connectedRig(t, Config{})
	r.Send([]byte("a"))
	r.sends("I 0,0 a")
	for range stuckFactor*5 - 1 {
		r.clock = r.t1
		r.sends("I 0,0 P a; RR 0 P")
		r.gets("RR 0 F resp")
		r.sends("I 0,0 a")
	}
	r.says()
	r.clock = r.t1
	r.frames()
	r.says("down: " + ErrStuck.Error())
}

func TestIdle(t *testing.T) {
	r := connectedRig(t, Config{})
	for range 3 {
		r.after(5*time.Second - 1)
		r.sends("")
		r.after(1)
		r.sends("RR 0 P")
		r.Send([]byte("x")) // a frame sent after the poll is not lost, although the answer does not acknowledge it
		r.frames()
		r.gets(fmt.Sprintf("RR %d F resp", r.out.base))
		r.sends("")
		r.gets(fmt.Sprintf("RR %d resp", next(r.out.base)))
	}
	r.says()
}

func TestConfusedPeer(t *testing.T) {
	for _, frame := range []string{"RR 2 resp", "I 0,2 x", "REJ 7 resp"} {
		r := connectedRig(t, Config{})
		r.Send([]byte("a"))
		r.sends("I 0,0 a")
		r.after(r.c.T1 / 2)
		r.gets(frame)
		r.says("down: " + ErrConfused.Error())
		r.after(r.c.T1 / 2)
		r.sends("SABM P")
	}
}

func TestLogs(t *testing.T) {
	d := newRig(t, Config{Role: Device, NoXID: true, Info: 32})
	d.SendLog("boot")
	d.SendLog(strings.Repeat("é", 17))
	d.sends("SABM P; UI boot; UI " + strings.Repeat("é", 16))
	for i := range 20 {
		d.SendLog(fmt.Sprint(i))
	}
	if n := len(d.frames()); n != maxLogs {
		t.Errorf("%d lines wait", n)
	}
	g := newRig(t, Config{NoXID: true})
	g.gets("UI boot")
	g.says("log boot")
}

// TestEcho checks that an end ignores its own echo.
func TestEcho(t *testing.T) {
	r := connectedRig(t, Config{})
	r.Send([]byte("a"))
	for _, f := range []hdlc.Frame{
		{Address: toDevice, Control: sabm | pf}, {Address: toDevice, Control: 0, Info: []byte("a")}, {Address: toDevice, Control: disc | pf},
		{Address: toGateway, Control: ua | pf}, {Address: toGateway, Control: dm | pf}, {Address: 0xFF, Control: ui}, {Address: toGateway, Control: 0x0D},
		{Address: toGateway, Control: 0xEF},
	} {
		r.Frame(f, r.clock)
	}
	r.says()
	r.sends("I 0,0 a")
	if c := r.Counters(); c.Ignored != 8 {
		t.Errorf("%+v", c)
	}
}

// TestAllocations checks that a working link does not allocate.
func TestAllocations(t *testing.T) {
	a, b := newRig(t, Config{NoXID: true}), newRig(t, Config{NoXID: true, Role: Device})
	a.gets("SABM P")
	b.gets("SABM P")
	a.Append(nil, a.clock)
	b.Append(nil, b.clock)
	decoders := [2]*hdlc.Decoder{hdlc.NewDecoder(128), hdlc.NewDecoder(128)}
	quiet := &silentUser{}
	a.user, b.user = quiet, quiet
	payload := make([]byte, 300)
	n := testing.AllocsPerRun(1000, func() {
		a.Send(payload)
		b.Send(payload)
		for i, from := range [...]*rig{a, b} {
			to := [...]*rig{b, a}[i]
			from.buf = from.Append(from.buf[:0], from.clock)
			for _, octet := range from.buf {
				if f, ok := decoders[i].Push(octet); ok {
					to.Frame(f, to.clock)
					to.Free(len(f.Info))
				}
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	if quiet.octets < 300_000 {
		t.Errorf("only %d octets were received", quiet.octets)
	}
}

type silentUser struct{ octets int }

func (u *silentUser) Up() {}

func (u *silentUser) Receive(p []byte) { u.octets += len(p) }

func (u *silentUser) Down(error) {}

func (u *silentUser) Log([]byte) {}

func TestCountersAdd(t *testing.T) {
	c := Counters{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	c.Add(c)
	if c != (Counters{2, 4, 6, 8, 10, 12, 14, 16, 18, 20}) {
		t.Errorf("%+v", c)
	}
}
