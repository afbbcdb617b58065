package lapb

import (
	"testing"
	"time"

	"runnel/transport/serial/hdlc"
)

// FuzzLink calls a link's methods in any order. The link must keep its bounds, and must not pass on more octets than it has
// room for.
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
