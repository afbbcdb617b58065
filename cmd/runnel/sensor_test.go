package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"runnel/edge/wamp"
)

// A sensor whose topics are partly refused says so once, and goes on saying it in the status.
func TestSensorPartlyRefused(t *testing.T) {
	var log bytes.Buffer
	s := &sensor{log: slog.New(slog.NewTextHandler(&log, nil))}
	for range 10 {
		s.published("com.allowed", nil)
		s.published("com.refused", wamp.NotAuthorized)
	}
	voice, _ := s.report()
	if n := strings.Count(log.String(), "may not publish"); n != 1 || voice.Published != 10 || voice.Refused != 10 {
		t.Errorf("told %d times; %+v", n, voice)
	}
	if s.published("com.allowed", nil); !strings.HasPrefix(s.state.Refusal, "com.refused: ") {
		t.Errorf("the refusal is %q", s.state.Refusal)
	}
	if s.published("com.refused", nil); s.state.Refusal != "" {
		t.Errorf("accepted again, but the refusal is %q", s.state.Refusal)
	}
}
