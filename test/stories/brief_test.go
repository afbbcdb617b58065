package stories

import (
	"strings"
	"testing"

	"runnel/test/kit"
)

// The session of a command is logged at level debug only, that of a program at level info.
func TestCommandsAreLoggedAtDebug(t *testing.T) {
	r := serve(t, "")
	runnel(t, "pub", "story.brief", "--ack", "--url", r.tcp).expect(t, 0, "", "")
	r.joinSilently(t)
	_, err := r.Logs("role=guest")
	kit.Must(t, err)
	if n := strings.Count(r.Stderr.Text(), "role=guest"); n != 1 {
		t.Errorf("%d sessions are logged, want 1:\n%s", n, r.Stderr.Text())
	}
}
