package lapb

import (
	"testing"
	"time"
)

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
	r.sends("RR 1 P") // a short frame in between
	r.gets("RR 1 F resp")
	r.sends("I 1,1 P b")
	r.after(r.c.T1)
	r.sends("RR 1 P")
	r.after(r.c.T1)
	r.sends("I 1,1 P b") // again, although no poll was answered
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

// TestHalfDuplexDeviceHasNoT1: a half-duplex device that has sent a frame waits for the next poll, however long.
func TestHalfDuplexDeviceHasNoT1(t *testing.T) {
	r := newRig(t, Config{Role: Device, HalfDuplex: true, NoXID: true})
	r.gets("SABM P")
	r.sends("UA F")
	r.Send([]byte("a"))
	r.gets("RR 0 P")
	r.sends("I 0,0 a; RR 0 F resp")
	r.gets("RNR 0 P")
	r.sends("RR 0 F resp")
	if !r.t1.IsZero() || r.Counters().Timeouts > 0 {
		t.Errorf("T1 ends at %v", r.t1)
	}
	for range 2 * stuckFactor * r.c.Retries {
		r.after(r.c.T1)
		r.sends("")
		r.gets("RNR 0 P")
		r.sends("RR 0 F resp")
	}
	r.gets("RR 0 P")
	r.sends("I 0,0 a; RR 0 F resp")
	r.says("up")
}
