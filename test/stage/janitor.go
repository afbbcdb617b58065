package stage

import (
	"fmt"
	"slices"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/say"
)

// janitor is a session in each realm that may list the sessions.
const janitor = `
[[realm.role]]
name = "janitor"
[[realm.role.permission]]
uri = "wamp.session.list"
allow = ["call"]
[[realm.principal]]
authid = "janitor"
role = "janitor"
ticket = "janitor"
`

// awaitLeft waits until the sessions have left the realm.
func (s *Scene) awaitLeft(ids ...uint64) {
	s.Helper()
	unix := Way{Network: "unix", Serializer: wamp.JSON}
	l, _, err := s.House.dial(unix, s.Realm, nil)
	if err != nil {
		s.Fatalf("send for the janitor: %v", err)
	}
	defer l.close()
	ask := func(text string) (answer []any) {
		if err := l.send([]byte(s.fill(text))); err != nil {
			s.Fatalf("the janitor: %v", err)
		}
		data, err := l.receive()
		if err == nil {
			var v any
			if v, err = say.Parse(string(data)); err == nil {
				answer, _ = v.([]any)
			}
		}
		if err != nil || len(answer) < 2 {
			s.Fatalf("the janitor hears %s, %v", data, err)
		}
		return answer
	}
	ask(`[1,"@",{"roles":{"caller":{}},"authid":"janitor","authmethods":["ticket"]}]`)
	ask(`[5,"janitor",{}]`)
	end := time.Now().Add(kit.Patience)
	for request := 1; ; request++ { // in sequence, for the realm may be strict
		answer := ask(fmt.Sprintf(`[48,%d,{},"wamp.session.list"]`, request))
		if len(answer) < 4 {
			s.Fatalf("the janitor hears %v", answer)
		}
		here, _ := answer[3].([]any)[0].([]any)
		if !slices.ContainsFunc(here, func(id any) bool { return isOneOf(ids, id) }) {
			break
		}
		if time.Now().After(end) {
			s.Fatalf("of the sessions %v some are still there", ids)
		}
		time.Sleep(time.Millisecond)
	}
	ask(`[6,{},"wamp.close.close_realm"]`) // the janitor leaves as well
}

func isOneOf(ids []uint64, id any) bool {
	n, err := integer(id)
	return err == nil && slices.Contains(ids, n)
}
