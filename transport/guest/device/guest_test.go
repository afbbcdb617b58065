package device

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"runnel/edge/wamp"
)

// A guest whose topics are partly rejected logs it once and keeps it in its state.
func TestPartlyRefused(t *testing.T) {
	var log bytes.Buffer
	g := newGuest(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	g.lastGood = func() time.Time { return time.Time{} }
	for range 10 {
		g.published("com.allowed", nil)
		g.published("com.refused", wamp.NotAuthorized)
	}
	s := g.State()
	if n := strings.Count(log.String(), "may not publish"); n != 1 || s.Published != 10 || s.Refused != 10 {
		t.Errorf("logged %d times; %+v", n, s)
	}
	if g.published("com.allowed", nil); !strings.HasPrefix(g.State().Refusal, "com.refused: ") {
		t.Errorf("the refusal is %q", g.State().Refusal)
	}
	if g.published("com.refused", nil); g.State().Refusal != "" {
		t.Errorf("accepted again, but the refusal is %q", g.State().Refusal)
	}
}
