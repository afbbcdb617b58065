package edge

import (
	"fmt"
	"log/slog"
	"testing"

	"runnel/edge/auth"
	"runnel/edge/budget"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// anonymousGateway joins an anonymous peer in a role that may forward.
func (s *story) anonymousGateway() *peer {
	s.Helper()
	p := s.deaf(memory.Options{})
	p.listen()
	p.say(hello)
	p.hear(`[2,"*","*"]`)
	return p
}

func forwardingAnonymous() RealmOptions {
	all := []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}
	return RealmOptions{Name: "realm1", Anonymous: "gateway", Roles: []*auth.Role{auth.NewRole("gateway", all).WithForward()}}
}

// An anonymous authid differs after each reconnect and restart. The numbering stays the same.
func TestOnceOnlyForAnonymousNodes(t *testing.T) {
	realm := forwardingAnonymous()
	realm.State = t.TempDir()
	for life := range 2 {
		tell(t, Options{}, realm, func(s *story) {
			watcher := s.join(hello)
			watcher.say(`[32,1,{},"com.t"]`)
			watcher.hear(`[33,1,"$s"]`)
			for again := range 2 {
				gateway := s.anonymousGateway()
				gateway.say(sends(1, "a", 1, 1))
				gateway.hear(`[17,1,"*"]`)
				if life+again == 0 {
					watcher.hear(`[36,"$s","*",{},["a 1 1"]]`)
				}
				watcher.silent()
				gateway.conn.Close()
			}
		})
	}
}

// A client with many numberings displaces only its own.
func TestOneClientDisplacesNoOtherOrigins(t *testing.T) {
	for _, realm := range []RealmOptions{forwarding(), forwardingAnonymous()} {
		tell(t, Options{}, realm, func(s *story) {
			join := func(authid string) *peer {
				if realm.Anonymous == "gateway" {
					return s.anonymousGateway()
				}
				return s.gateway(authid)
			}
			gateway, away := join("gw-1"), join("gw-2")
			for i, p := range []*peer{gateway, away} {
				p.say(sends(1, fmt.Sprint("node", i), 7, 1))
				p.hear(`[17,1,"*"]`)
			}
			away.conn.Close()
			flood := join("gw-3")
			for i := range 8300 { // more than one session may keep
				flood.say(sends(i+1, fmt.Sprint("flood", i), 1, 1))
				flood.hear(`[17,"*","*"]`)
			}
			watcher := s.join(hello)
			watcher.say(`[32,1,{},"com.t"]`)
			watcher.hear(`[33,1,"$s"]`)
			gateway.say(sends(2, "node0", 7, 1))
			gateway.hear(`[17,2,"*"]`)
			back := join("gw-2")
			back.say(sends(1, "node1", 7, 1))
			back.hear(`[17,1,"*"]`)
			watcher.silent()
		})
	}
}

// The router's memory limit sets how many sequences of distant gateways a realm remembers.
func TestOriginsOfManyGateways(t *testing.T) {
	for limit, want := range map[int64]bool{64 << 20: false, 256 << 20: true} {
		tell(t, Options{Memory: budget.New(limit, slog.New(slog.DiscardHandler))}, forwarding(), func(s *story) {
			link, watcher := s.internal(hello), s.join(hello)
			watcher.say(`[32,1,{},"com.t"]`)
			watcher.hear(`[33,1,"$s"]`)
			publish := func(n, gateway int, topic string) {
				link.say(fmt.Sprintf(`[16,%d,{"acknowledge":true,"_origin":["n%d",1,1,"gw-2"]},"%s"]`, n+1, gateway, topic))
				link.hear(fmt.Sprintf(`[17,%d,"*"]`, n+1))
			}
			const all = 9000
			for n := range all {
				publish(n, n, "com.u")
			}
			if publish(all, 0, "com.t"); want {
				watcher.silent()
			} else {
				watcher.hear(`[36,"$s","*",{}]`)
			}
		})
	}
}
