package lapb

import (
	"fmt"
	"strings"
	"testing"
)

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
	r.sends("I 0,4 x") // carries the acknowledgement
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
	// A window of frames may be in flight, and it still fits.
	for range 3 {
		r.gets(fmt.Sprintf("I %d,0 %s", sent%modulus, frame))
		sent++
	}
	if len(r.heard) != sent || r.room < 0 || sent*128 > room {
		t.Fatalf("%d of %d frames were received, room for %d octets is left", len(r.heard), sent, r.room)
	}
	// The frames of an end that ignores RNR are ignored.
	for range 10 {
		r.gets(fmt.Sprintf("I %d,0 %s", int(r.vr), frame))
	}
	if r.room < 0 || r.room >= 128 {
		t.Fatalf("room for %d octets is left", r.room)
	}
	r.gets("RR 0 P")
	r.sends(fmt.Sprintf("RNR %d F resp", r.vr))
	r.Free(2*r.c.reserve() - r.room - 1)
	r.sends("") // until there is room for two windows
	r.Free(1)
	r.sends(fmt.Sprintf("RR %d resp", r.vr))
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
