package lapb

import (
	"testing"

	"runnel/transport/serial/hdlc"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		f    hdlc.Frame
		want string
	}{
		{hdlc.Frame{Address: 3, Control: 0x3f}, "03 SABM P"},
		{hdlc.Frame{Address: 3, Control: 0x73}, "03 UA P"},
		{hdlc.Frame{Address: 3, Control: 0x20, Info: []byte{0x7f, 0x71, 0, 0}}, "03 I 0,1 7f710000"},
		{hdlc.Frame{Address: 1, Control: 0x36}, "01 I 3,1 P "},
		{hdlc.Frame{Address: 3, Control: 0x21}, "03 RR 1"},
		{hdlc.Frame{Address: 3, Control: 0x49}, "03 REJ 2"},
		{hdlc.Frame{Address: 1, Control: 0x13, Info: []byte("up\x1b[2J\n")}, `01 UI P "up [2J"`},
		{hdlc.Frame{Address: 1, Control: 0xaf, Info: Identity{4, 128, 0x12345678, "shed"}.append(nil)}, `01 XID window 4, frame 128, boot 12345678, name "shed"`},
		{hdlc.Frame{Address: 1, Control: 0xaf, Info: []byte{9}}, "01 XID 09"},
		{hdlc.Frame{Address: 9, Control: 0xe3}, "09 e3?"},
	} {
		if got := Describe(c.f); got != c.want {
			t.Errorf("%+v: %s, want %s", c.f, got, c.want)
		}
	}
}
