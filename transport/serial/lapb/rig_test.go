package lapb

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"runnel/transport/serial/hdlc"
)

// rig is a link under test, with a clock that the test advances. It keeps the link's output to its user and to the other end as
// text.
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

// connectedRig returns a rig whose link is up and has received a frame of the other end.
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

func (r *rig) Up() { r.heard = append(r.heard, "up") }

func (r *rig) Receive(p []byte) { r.heard = append(r.heard, string(p)) }

func (r *rig) Log(line []byte) { r.heard = append(r.heard, "log "+string(line)) }

func (r *rig) Down(cause error) { r.heard = append(r.heard, "down: "+cause.Error()) }

// says checks the messages to the user.
func (r *rig) says(want ...string) {
	r.t.Helper()
	if got := strings.Join(r.heard, "; "); got != strings.Join(want, "; ") {
		r.t.Fatalf("the user is told %q, want %q", got, want)
	}
	r.heard = nil
}

// sends checks the frames for the other end, separated by "; ". Responses are marked where commands are possible, too.
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

// after advances the clock.
func (r *rig) after(d time.Duration) { r.clock = r.clock.Add(d) }

// gets passes the link a frame in the notation of describe.
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

func (r *rig) sendsUnlessState(t *testing.T) {
	t.Helper()
	if r.due&dueState == 0 {
		r.frames()
	}
}
