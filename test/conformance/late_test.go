package conformance

import (
	"strings"
	"testing"

	"runnel/test/stage"
)

// A peer that sends HELLO or AUTHENTICATE too late gets the reason for its rejection, over every transport.
func TestTooLateToJoin(t *testing.T) {
	impatient := stage.Open(t, stage.Config{Top: "[limits]\nhello_timeout = \"1s\"\n", Realm: everyone, Lines: 4})
	const tooLate = `[3,{"message":"*"},"wamp.error.timeout"]`
	impatient.Every(t, "no HELLO", func(s *stage.Scene) {
		p := s.Connect()
		p.Hear(tooLate)
		p.Closed()
	})
	impatient.Every(t, "no AUTHENTICATE", func(s *stage.Scene) {
		p := s.Connect()
		p.Say(strings.Replace(stage.Simple, `{"roles"`, `{"authid":"ann","authmethods":["ticket"],"roles"`, 1))
		if got, _ := p.Next(); strings.HasPrefix(got, "[4,") {
			p.Hear(tooLate)
		} else if !strings.HasPrefix(got, "[3,") { // on a busy machine HELLO is late already
			p.Fatalf("heard %s", got)
		}
		p.Closed()
	})
}
