package stories

import (
	"net"
	"strings"
	"testing"
)

// The session of a command is logged at level debug only, that of a program at level info.
func TestCommandsAreLoggedAtDebug(t *testing.T) {
	r := serve(t, "")
	runnel(t, "pub", "story.brief", "--ack", "--url", r.tcp).expect(t, 0, "", "")
	c, err := net.Dial("tcp", r.address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(append(hello(1), frame([]byte(helloJSON))...)); err != nil {
		t.Fatal(err)
	}
	r.logs(`session joined.*role=guest`)
	if n := strings.Count(r.Stderr.Text(), "role=guest"); n != 1 {
		t.Errorf("%d sessions are logged, want 1:\n%s", n, r.Stderr.Text())
	}
}
