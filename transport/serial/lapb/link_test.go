package lapb

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/hdlc"
)

// rig is a link under test, with a clock to turn. What the link says to its user and to the other end is kept as text.
type rig struct {
	*Link
	t     *testing.T
	clock time.Time
	heard []string
	buf   []byte
}

func newRig(t *testing.T, c Config) *rig {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, clock: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	r.Link = NewLink(c, r, r.clock)
	return r
}

// connectedRig is a rig whose link is up, and has heard of the other end.
func connectedRig(t *testing.T, c Config) *rig {
	t.Helper()
	c.NoXID = true
	r := newRig(t, c)
	r.sends("SABM P")
	r.gets("UA F")
	r.gets("RR 0 resp")
	r.says("up")
	r.sends("")
	return r
}

func (r *rig) Up()              { r.heard = append(r.heard, "up") }
func (r *rig) Receive(p []byte) { r.heard = append(r.heard, string(p)) }
func (r *rig) Log(line []byte)  { r.heard = append(r.heard, "log "+string(line)) }
func (r *rig) Down(cause error) { r.heard = append(r.heard, "down: "+cause.Error()) }

// says checks what the user was told.
func (r *rig) says(want ...string) {
	r.t.Helper()
	if got := strings.Join(r.heard, "; "); got != strings.Join(want, "; ") {
		r.t.Fatalf("the user is told %q, want %q", got, want)
	}
	r.heard = nil
}

// sends checks what is due for the other end, "; " between frames. Responses are marked where both may be.
func (r *rig) sends(want string) {
	r.t.Helper()
	if got := strings.Join(r.frames(), "; "); got != want {
		r.t.Fatalf("sends %q, want %q", got, want)
	}
}

func (r *rig) frames() (frames []string) {
	r.buf = r.Append(r.buf[:0], r.clock)
	d := hdlc.NewDecoder(MaxInfo)
	for _, b := range r.buf {
		if f, ok := d.Push(b); ok {
			frames = append(frames, describe(f, f.Address == r.address(true)))
		}
	}
	return frames
}

// after turns the clock.
func (r *rig) after(d time.Duration) { r.clock = r.clock.Add(d) }

// gets hands the link a frame in describe's words.
func (r *rig) gets(frames ...string) {
	r.t.Helper()
	for _, text := range frames {
		f, command := parse(r.t, text)
		f.Address = r.address(!command) // the other end's commands have the address of our responses
		r.Frame(f, r.clock)
	}
}

var supervisoryNames = map[byte]string{rr: "RR", rnr: "RNR", rej: "REJ"}

var unnumberedNames = map[byte]string{sabm: "SABM", ua: "UA", disc: "DISC", dm: "DM", frmr: "FRMR", xid: "XID", ui: "UI"}

// describe writes "I 0,1 P text" (N(S), N(R)), "RR 1 F resp", "SABM P".
func describe(f hdlc.Frame, command bool) string {
	ns, nr, p := fields(f.Control)
	mark := ""
	switch {
	case p && command:
		mark = " P"
	case p:
		mark = " F"
	}
	switch {
	case f.Control&1 == 0:
		return fmt.Sprintf("I %d,%d%s %s", ns, nr, mark, f.Info)
	case f.Control&3 == 1:
		text := fmt.Sprintf("%s %d%s", supervisoryNames[f.Control&0xF], nr, mark)
		if !command {
			text += " resp"
		}
		return text
	}
	text := unnumberedNames[f.Control&^pf] + mark
	if len(f.Info) > 0 {
		text += " " + string(f.Info)
	}
	return text
}

func parse(t *testing.T, text string) (f hdlc.Frame, command bool) {
	t.Helper()
	words := strings.SplitN(text, " ", 4)
	has := func(word string) bool { return strings.Contains(text+" ", " "+word+" ") }
	if has("P") || has("F") {
		f.Control |= pf
	}
	command = !has("F") && !has("resp")
	var ns, nr uint8
	if words[0] == "I" {
		fmt.Sscanf(words[1], "%d,%d", &ns, &nr)
		f.Control |= nr<<5 | ns<<1
		f.Info = []byte(words[len(words)-1])
		return f, true
	}
	for control, name := range supervisoryNames {
		if name == words[0] {
			fmt.Sscan(words[1], &nr)
			f.Control |= nr<<5 | control
			return f, command
		}
	}
	for control, name := range unnumberedNames {
		if name == words[0] {
			f.Control |= control
			if len(words) > 1 && words[len(words)-1] != "P" && words[len(words)-1] != "F" {
				f.Info = []byte(words[len(words)-1])
			}
			return f, command && name != "UA" && name != "DM" && name != "FRMR"
		}
	}
	t.Fatalf("no such frame: %s", text)
	return f, false
}

// TestConversation holds the specification's octets, in the order of a boot.
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
	device.frames() // it called while the gateway was not there
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

// TestCallsCollide has both ends call at once: both answer. The connection begins when ours is answered, and if that gets
// lost when it must have been, or with the device's first frame, which is accepted.
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
			t.Errorf("%s: the calls go on: %q", c.name, frames) // the timer is off
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

// TestStrayUA holds that a UA says nothing to an end that did not call, and that one too many shows that the connection
// began with an answer to another's call.
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

// TestCallRepeated has the other end's SABM come twice, because our UA was late. Nothing was heard of it since: that is no
// restart, and what was sent meanwhile stays sent.
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
		r.sends("") // the SABM that is under way says it
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
	r.gets("I 3,0 d") // the other end went back, and the frame was lost again
	r.sends("REJ 2 resp")
	r.gets("I 2,0 P c")
	r.says("c")
	r.sends("RR 3 F resp")
}

// TestRepeated has an acknowledgement lost: what comes again is told to be there.
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
	r.sends("") // nothing new before the answer
	r.gets("RR 1 F resp")
	r.sends("I 1,0 b; I 2,0 c")
	r.gets("RR 1 F resp") // to the second poll
	r.sends("")
	r.gets("RR 3 resp")
	r.says()
}

// TestDeadPeer holds N2, and that a peer that says nothing is found in about 6 s at 115200 baud.
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

// TestDeafPeer answers, but takes nothing.
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
		r.Send([]byte("x")) // what is sent after the poll is not lost when the answer does not have it
		r.frames()
		r.gets(fmt.Sprintf("RR %d F resp", r.out.base))
		r.sends("")
		r.gets(fmt.Sprintf("RR %d resp", next(r.out.base)))
	}
	r.says()
}

func TestAcknowledgements(t *testing.T) {
	r := connectedRig(t, Config{})
	r.gets("I 0,0 a")
	r.sends("")
	r.after(r.c.T2 - 1)
	r.sends("")
	r.after(1)
	r.sends("RR 1 resp") // T2
	r.gets("I 1,0 b", "I 2,0 c")
	r.sends("RR 3 resp") // half the window
	r.gets("I 3,0 d")
	r.Send([]byte("x"))
	r.sends("I 0,4 x") // takes it along
	r.after(r.c.T2)
	r.sends("")
}

func TestWindow(t *testing.T) {
	r := connectedRig(t, Config{Info: 32, Window: 2})
	if n := r.Send(make([]byte, 1000)); n != 4*32 {
		t.Fatalf("the queue takes %d octets", n)
	}
	if n := len(r.frames()); n != 2 {
		t.Fatalf("%d frames are under way", n)
	}
	if n := r.Send([]byte("x")); n != 0 {
		t.Fatalf("a full queue takes %d octets", n)
	}
	r.gets("RR 1 resp")
	if n := r.Send(make([]byte, 1000)); n != 32 || len(r.frames()) != 1 {
		t.Fatalf("after an acknowledgement the queue takes %d octets", n)
	}
}

// TestNumbersWrap sends more frames than there are numbers.
func TestNumbersWrap(t *testing.T) {
	r := connectedRig(t, Config{})
	for i := range 100 {
		n := uint8(i % modulus)
		r.Send([]byte("x"))
		r.sends(fmt.Sprintf("I %d,%d x", n, n))
		r.gets(fmt.Sprintf("I %d,%d y", n, next(n)))
		r.says("y")
	}
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

func TestReceiverFull(t *testing.T) {
	r := connectedRig(t, Config{})
	frame := strings.Repeat("x", 128)
	room := r.c.receiveRoom()
	sent := 0
	for r.due&dueState == 0 {
		r.gets(fmt.Sprintf("I %d,0 %s", sent%modulus, frame))
		r.sendsUnlessState(t)
		sent++
	}
	r.sends(fmt.Sprintf("RNR %d resp", sent%modulus))
	// A window may be under way: it still fits.
	for range 3 {
		r.gets(fmt.Sprintf("I %d,0 %s", sent%modulus, frame))
		sent++
	}
	if len(r.heard) != sent || r.room < 0 || sent*128 > room {
		t.Fatalf("%d of %d frames were received, room for %d octets is left", len(r.heard), sent, r.room)
	}
	// An end that does not listen to RNR is not listened to.
	for range 10 {
		r.gets(fmt.Sprintf("I %d,0 %s", int(r.vr), frame))
	}
	if r.room < 0 || r.room >= 128 {
		t.Fatalf("room for %d octets is left", r.room)
	}
	r.gets("RR 0 P")
	r.sends(fmt.Sprintf("RNR %d F resp", r.vr))
	r.Free(128)
	r.sends("")
	r.Free(2 * r.c.reserve())
	r.sends(fmt.Sprintf("RR %d resp", r.vr))
}

func (r *rig) sendsUnlessState(t *testing.T) {
	t.Helper()
	if r.due&dueState == 0 {
		r.frames()
	}
}

func TestPeerFull(t *testing.T) {
	r := connectedRig(t, Config{})
	r.Send([]byte("a"))
	r.sends("I 0,0 a")
	r.gets("RNR 1 resp")
	r.Send([]byte("b"))
	r.sends("")
	for range 30 { // for as long as it answers
		r.after(r.c.T1)
		r.sends("RR 0 P")
		r.gets("RNR 1 F resp")
		r.sends("")
	}
	r.gets("RR 1 resp")
	r.sends("I 1,0 b")
	r.says()
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

	// An other end that takes nothing does not hold it up.
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

// TestEcho holds that an end that hears itself is not fooled.
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

func TestHalfDuplexGateway(t *testing.T) {
	r := newRig(t, Config{HalfDuplex: true, NoXID: true})
	r.sends("SABM P")
	r.gets("UA F")
	r.sends("RR 0 P") // the first poll
	r.Send([]byte("a"))
	r.sends("") // the line is the device's
	r.gets("I 0,0 x")
	r.sends("")
	r.gets("RR 0 F resp")
	r.sends("I 0,1 P a")
	r.gets("RR 1 F resp")
	r.sends("")
	r.after(r.c.Poll)
	r.sends("RR 1 P")
	r.after(r.c.T1)
	r.Send([]byte("b"))
	r.sends("RR 1 P")
	r.after(r.c.T1)
	r.sends("I 1,1 P b")
	r.after(r.c.T1)
	r.sends("RR 1 P") // a short one between
	r.gets("RR 1 F resp")
	r.sends("I 1,1 P b")
	r.gets("RR 2 F resp")
	r.says("up", "x")
	for range r.c.Retries + 1 {
		r.after(r.c.T1)
		r.frames()
	}
	r.says("down: " + ErrSilent.Error())
}

func TestHalfDuplexDevice(t *testing.T) {
	r := newRig(t, Config{Role: Device, HalfDuplex: true, Name: "mcu"})
	r.SendLog("boot")
	r.after(time.Hour)
	r.sends("") // it does not call
	r.gets("RR 0 P")
	r.sends("DM F")
	r.gets("XID \x01\x01\x40\x00\x04\x03\x02\x01edge", "SABM P")
	r.sends("XID \x01\x01\x80\x00\x00\x00\x00\x00mcu; UA F")
	r.Send([]byte("a"))
	r.sends("")
	r.gets("RR 0 P")
	r.sends("UI boot; I 0,0 a; RR 0 F resp")
	r.gets("I 0,0 P x") // a was lost
	r.sends("I 0,1 a; RR 1 F resp")
	r.after(time.Second)
	r.sends("") // no timer
	r.gets("RR 1 P")
	r.sends("RR 1 F resp")
	r.says("up", "x")
	r.Stop(r.clock)
	r.sends("")
	r.gets("RR 1 P")
	r.sends("DISC P")

	r = newRig(t, Config{Role: Device, HalfDuplex: true, NoXID: true})
	r.gets("SABM P")
	r.sends("UA F")
	r.after(r.c.T3 + r.c.linger())
	r.sends("")
	r.says("up", "down: "+ErrSilent.Error())
}

// TestAllocations holds that the link makes no garbage while it works.
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

func (u *silentUser) Up()              {}
func (u *silentUser) Receive(p []byte) { u.octets += len(p) }
func (u *silentUser) Down(error)       {}
func (u *silentUser) Log([]byte)       {}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		c   Config
		err string
	}{
		{Config{}, ""},
		{Config{Info: 32, Window: 7, Retries: 1, Name: strings.Repeat("n", 32)}, ""},
		{Config{Role: 2}, "role 2: out of range"},
		{Config{Baud: -1}, "baud -1: out of range"},
		{Config{Info: 31}, "frames of 31 octets: want 32 to 1024"},
		{Config{Info: 1025}, "frames of 1025 octets: want 32 to 1024"},
		{Config{Window: 8}, "window of 8 frames: want 1 to 7"},
		{Config{Window: -1}, "window of -1 frames: want 1 to 7"},
		{Config{Window: 2, HalfDuplex: true}, "window of 2 frames: half-duplex allows 1"},
		{Config{Retries: 21}, "21 retries: want 1 to 20"},
		{Config{Name: strings.Repeat("n", 33)}, `name "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn": want at most 32 octets of UTF-8`},
		{Config{Name: "\xff"}, `name "\xff": want at most 32 octets of UTF-8`},
		{Config{T1: -1}, "T1 -1ns: want at most 1m0s"},
		{Config{T3: time.Hour}, "T3 1h0m0s: want at most 1m0s"},
		{Config{T1: 100 * time.Millisecond, T2: 26 * time.Millisecond}, "T2 26ms: want at most a quarter of T1, 25ms"},
		{Config{Poll: 1}, "poll is for half-duplex only"},
	} {
		err := c.c.Validate()
		if err == nil && c.err != "" || err != nil && err.Error() != c.err {
			t.Errorf("%+v: %v, want %q", c.c, err, c.err)
		}
	}
}

func TestT1(t *testing.T) {
	for _, c := range []struct {
		c    Config
		want time.Duration
	}{
		{Config{}, 202 * time.Millisecond},
		{Config{Baud: 9600}, 1772 * time.Millisecond},
		{Config{Baud: 1_000_000, Window: 1, Info: 32}, 100 * time.Millisecond},
		{Config{HalfDuplex: true}, 100 * time.Millisecond},
		{Config{T1: time.Second}, time.Second},
	} {
		if got := c.c.withDefaults().T1; got.Truncate(time.Millisecond) != c.want {
			t.Errorf("%+v: %v, want %v", c.c, got, c.want)
		}
	}
}

func TestCountersAdd(t *testing.T) {
	c := Counters{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	c.Add(c)
	if c != (Counters{2, 4, 6, 8, 10, 12, 14, 16, 18, 20}) {
		t.Errorf("%+v", c)
	}
}

// FuzzLink does anything to a link, in any order. It must keep its bounds, and hand out no more octets than it has room
// for.
func FuzzLink(f *testing.F) {
	f.Add([]byte("\x00\x01\x3f\x05\x00\x01\x00hello\x01\x09"), false, false)
	f.Add([]byte("\x00\x03\x73\x00\x02\x20\x00\x03\x21\x00\x04\x05\x06\x07"), true, true)
	f.Fuzz(func(t *testing.T, script []byte, device, halfDuplex bool) {
		c := Config{HalfDuplex: halfDuplex, Info: 32}
		if device {
			c.Role = Device
		}
		now := time.Unix(0, 0)
		u := &bounded{t: t}
		l := NewLink(c, u, now)
		u.link = l
		for len(script) > 0 {
			op := script[0]
			script = script[1:]
			take := func() (b byte) {
				if len(script) > 0 {
					b, script = script[0], script[1:]
				}
				return b
			}
			switch op % 8 {
			case 0, 1, 2:
				f := hdlc.Frame{Address: take(), Control: take()}
				if op%8 != 2 {
					f.Address = l.address(op%8 == 1)
				}
				n := min(int(take())%40, len(script), 32)
				f.Info, script = script[:n], script[n:]
				l.Frame(f, now)
			case 3:
				now = now.Add(time.Duration(take()) * 10 * time.Millisecond)
			case 4:
				l.Send(make([]byte, take()))
			case 5:
				n := min(int(take()), u.held)
				u.held -= n
				l.Free(n)
			case 6:
				l.SendLog(string(make([]byte, take())))
			case 7:
				switch take() % 16 {
				case 0:
					l.Stop(now)
				case 1:
					l.Finish(now)
				}
			}
			if out := l.Append(nil, now); len(out) > (MaxWindow+4)*2*(32+8)+maxLogs*2*(32+8)+200 {
				t.Fatalf("%d octets at once", len(out))
			}
			if at := l.Deadline(); !at.IsZero() && !at.After(now) {
				t.Fatalf("a timer has expired and stays: %+v", l)
			}
			w := &l.out
			if w.under > w.cut || w.cut > l.c.Window || w.used > len(w.octets) || len(w.octets) > l.c.sendRoom() {
				t.Fatalf("%+v", w)
			}
		}
	})
}

type bounded struct {
	t    *testing.T
	link *Link
	up   bool
	held int
}

func (u *bounded) Up() {
	if u.up {
		u.t.Fatal("up twice")
	}
	u.up, u.held = true, 0
}

func (u *bounded) Receive(p []byte) {
	if u.held += len(p); !u.up || u.held > u.link.c.receiveRoom() {
		u.t.Fatalf("holds %d octets, up %v", u.held, u.up)
	}
}

func (u *bounded) Down(cause error) {
	if !u.up || cause == nil {
		u.t.Fatalf("down, up %v: %v", u.up, cause)
	}
	u.up = false
}

func (u *bounded) Log([]byte) {}
