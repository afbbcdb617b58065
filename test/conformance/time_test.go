package conformance

import (
	"time"

	"runnel/test/stage"
)

// checkTime checks that the kept text is a time of now in ISO 8601.
func checkTime(s *stage.Scene, name string) {
	s.Helper()
	text, _ := s.Names[name].(string)
	if at, err := time.Parse(time.RFC3339, text); err != nil || time.Since(at).Abs() > time.Hour {
		s.Errorf("%s is %q", name, text)
	}
}
