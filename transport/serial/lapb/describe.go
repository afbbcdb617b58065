package lapb

import (
	"fmt"

	"runnel/transport/serial/hdlc"
)

var controlNames = map[byte]string{
	rr: "RR", rnr: "RNR", rej: "REJ", sabm: "SABM", ua: "UA", disc: "DISC", dm: "DM", frmr: "FRMR", xid: "XID", ui: "UI",
}

// Describe returns a frame as text for people: "I 3,2 P 7f010000", "SABM P", "UI \"started\"".
func Describe(f hdlc.Frame) string {
	ns, nr, p := fields(f.Control)
	final := ""
	if p {
		final = " P"
	}
	if f.Control&1 == 0 {
		return fmt.Sprintf("%02x I %d,%d%s %x", f.Address, ns, nr, final, f.Info)
	}
	if f.Control&3 == 1 {
		return fmt.Sprintf("%02x %s %d%s", f.Address, known(f.Control&0x0F), nr, final)
	}
	text := fmt.Sprintf("%02x %s%s", f.Address, known(f.Control&^pf), final)
	switch f.Control &^ pf {
	case ui:
		return text + fmt.Sprintf(" %q", printable(f.Info))
	case xid:
		if i, ok := parseIdentity(f.Info); ok {
			return text + fmt.Sprintf(" window %d, frame %d, boot %08x, name %q", i.Window, i.Info, i.BootID, i.Name)
		}
	}
	if len(f.Info) > 0 {
		text += fmt.Sprintf(" %x", f.Info)
	}
	return text
}

func known(control byte) string {
	if name := controlNames[control]; name != "" {
		return name
	}
	return fmt.Sprintf("%02x?", control)
}
