package config

import (
	"cmp"
	"slices"
	"strings"

	"runnel/cmd/runnel/internal/config/directory"
	"runnel/cmd/runnel/internal/config/line"
	"runnel/edge/auth"
	"runnel/transport/serial"
)

// Serial is a [[serial]] table.
type Serial = line.Serial

func (k checker) serial(s *Serial) {
	k.Required(s.Place, "name", s.Name)
	s.Realm = k.realmName(s.Place, "realm", s.Realm)
	if s.Unread {
		return
	}
	s.Check(k.Keys)
	k.identity(s.Place, s.Realm, s.Role, s.Authid)
	if s.Mode != "wamp" {
		k.sensorRights(s)
	}
	if s.Role != "" && s.Authid == "" {
		s.Authid = s.Name
	}
}

// sensorRights warns about topics and procedures of a line that its role does not allow. It skips topics with placeholders.
func (k checker) sensorRights(s *Serial) {
	i := slices.IndexFunc(k.c.Realms, func(r Realm) bool { return r.Name == s.Realm })
	if i < 0 {
		return
	}
	name := cmp.Or(s.Role, k.c.Realms[i].Anonymous)
	at := slices.IndexFunc(k.c.Realms[i].Roles, func(r Role) bool { return r.Name == name })
	if at < 0 || k.c.Realms[i].Roles[at].Authorizer != "" {
		return
	}
	role := k.c.Realms[i].Roles[at].Compile()
	may := func(place Place, key string, action auth.Action, verb, uri string) {
		if allowed, _ := role.Decide(action, []byte(uri)); !allowed && uri != "" && !strings.Contains(uri, "{") {
			k.Warn(place, key, "the role %q may not %s %s; add a permission for it", name, verb, uri)
		}
	}
	may(s.Place, "topic", auth.Publish, "publish", s.Topic)
	may(s.Place, "write", auth.Register, "register", s.Write)
	for _, r := range s.Modbus {
		may(r.Place, "topic", auth.Publish, "publish", r.Topic)
		may(r.Place, "write", auth.Register, "register", r.Write)
	}
}

// LineAt returns the serial line whose port is device, or nil. ports are the ports of this machine.
func (c *Config) LineAt(device string, ports []serial.Info) *Serial {
	for i := range c.Serials {
		if port, err := c.Serials[i].Port().Find(ports); err == nil && directory.SamePath(port, device) {
			return &c.Serials[i]
		}
	}
	return nil
}
