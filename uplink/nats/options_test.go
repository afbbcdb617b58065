package nats_test

import (
	"strings"
	"testing"

	"runnel/edge/wamp"
	"runnel/uplink"
	"runnel/uplink/nats"
)

// New names the first option that is wrong, and the uplink.
func TestOptions(t *testing.T) {
	servers := []nats.Server{{URL: "nats://a"}}
	topic := []nats.Rule{{Rule: uplink.Rule{Topic: "com.example", Match: wamp.Prefix}}}
	procedure := []nats.Rule{{Rule: uplink.Rule{Procedure: "com.example", Match: wamp.Prefix}}}
	renamed := []nats.Rule{{Rule: uplink.Rule{Procedure: "com.a.", Match: wamp.Prefix, LocalPrefix: "com.a.", RemotePrefix: "com.b"}}}
	for name, c := range map[string]struct {
		o    nats.Options
		want string
	}{
		"no server":        {nats.Options{}, "no URL"},
		"credentials":      {nats.Options{Servers: servers, Creds: "x"}, "JWT"},
		"seed":             {nats.Options{Servers: servers, Seed: "x"}, "seed"},
		"export topic":     {nats.Options{Servers: servers, Export: topic}, "export: the prefix"},
		"import topic":     {nats.Options{Servers: servers, Import: topic}, "import: the prefix"},
		"export procedure": {nats.Options{Servers: servers, Export: procedure}, "export: the prefix"},
		"import procedure": {nats.Options{Servers: servers, Import: procedure}, "import: the prefix"},
		"name over NATS":   {nats.Options{Servers: servers, Export: renamed}, "export: the prefix"},
	} {
		c.o.Name = "central"
		if _, err := nats.New(c.o); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "uplink central: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := nats.New(nats.Options{Servers: servers, Import: renamed, Username: "a", Password: "b"}); err != nil {
		t.Error(err)
	}
}
