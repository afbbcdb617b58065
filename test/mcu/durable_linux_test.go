package mcu

import (
	"fmt"
	"testing"

	"runnel/edge/client"
	"runnel/test/kit"
)

const valve = "com.example.greenhouse.valve"

// kept returns the state of the node's durable subscription, as operators see it; nil if there is none.
func kept(t *testing.T, c *client.Client) map[string]any {
	t.Helper()
	r, err := c.Call(t.Context(), "runnel.durable.ls", client.CallOptions{}, client.Payload{})
	kit.Must(t, err)
	list, _ := r.Args()[0].([]any)
	for _, item := range list {
		if d := item.(map[string]any); d["name"] == "valve" {
			return d
		}
	}
	return nil
}

// keeps waits for a value in the state of the node's durable subscription.
func keeps(t *testing.T, c *client.Client, key string, want any) {
	t.Helper()
	kit.Eventually(t, "the durable subscription's "+key, func() bool { return kept(t, c)[key] == want }, func() string {
		return fmt.Sprint(kept(t, c))
	})
}

// moves publishes commands to the valve. Each is on the router's disk when it returns.
func moves(t *testing.T, c *client.Client, positions ...any) {
	t.Helper()
	for _, position := range positions {
		kit.Must(t, c.Publish(t.Context(), valve, client.PublishOptions{Acknowledge: true}, client.Args(position)))
	}
}

// stands waits until the node has moved its valve to a position and acknowledged all commands. moves and lost are the least
// numbers of commands and errors since the node has started; after a new session there may be more.
func stands(t *testing.T, c *client.Client, position, moves, lost int64) {
	t.Helper()
	var s map[string]any
	kit.Eventually(t, "the valve moves", func() bool {
		s = isHere(t, c)
		return s["valve"] == position
	}, func() string { return fmt.Sprint(s) })
	keeps(t, c, "events", int64(0))
	if s["moves"].(int64) < moves || s["lost"].(int64) < lost {
		t.Errorf("%v, expected %d moves, %d lost", s, moves, lost)
	}
}

// TestDurable publishes commands while the device is unplugged. They arrive in order once it is back, and are
// acknowledged. A command that the device rejects is delivered again.
func TestDurable(t *testing.T) {
	boards(t, func(t *testing.T, b board) {
		g := newGateway(t, b.port())
		c := g.join()
		isHere(t, c)
		keeps(t, c, "sessions", int64(1))
		if owner := kept(t, c)["owner"]; owner != "greenhouse-mcu" {
			t.Errorf("the subscription is that of %v", owner)
		}
		moves(t, c, 10)
		stands(t, c, 10, 1, 0)

		b.unplug()
		moves(t, c, 20, 30, "open", 40)
		keeps(t, c, "events", int64(4))
		b.plug()
		stands(t, c, 40, 3, 0)

		// The router restarts while the device is unplugged.
		b.unplug()
		moves(t, c, 50, 60)
		g.kill()
		g.start()
		c = g.join()
		b.plug()
		stands(t, c, 60, 2, 0)

		// During a measurement the node refuses commands.
		outcome := underWay(t, c)
		before := kept(t, c)["redelivered"].(int64)
		moves(t, c, 70)
		kit.Eventually(t, "the command comes again", func() bool { return kept(t, c)["redelivered"].(int64) >= before+2 })
		if s := isHere(t, c); s["measuring"] == true && s["valve"] == int64(70) {
			t.Errorf("the valve has moved during a measurement: %v", s)
		}
		b.reset()
		expectFailure(t, outcome)
		stands(t, c, 70, 1, 0)
	})
}

// TestDurableGap checks that a device learns of dropped commands, and of one that is too long for it.
func TestDurableGap(t *testing.T) {
	boards(t, func(t *testing.T, b board) {
		g := newGateway(t, b.port(), "[[realm.durable]]", `name = "valve"`, `authid = "greenhouse-mcu"`, `uri = "`+valve+`"`, "max_events = 2")
		c := g.join()
		isHere(t, c)
		keeps(t, c, "sessions", int64(1))
		b.unplug()
		moves(t, c, 1, 2, 3, 4, 5)
		keeps(t, c, "dropped", int64(3))
		b.plug()
		stands(t, c, 5, 2, 1)
		moves(t, c, string(make([]byte, 1000)), 6)
		stands(t, c, 6, 3, 2)
	})
}

// TestDurableNoise checks that commands arrive in order and are acknowledged on a noisy line.
func TestDurableNoise(t *testing.T) {
	h := newHost(t)
	g := newGateway(t, h.port())
	c := g.join()
	isHere(t, c)
	keeps(t, c, "sessions", int64(1))
	h.noise.Set(400)
	for i := range 60 {
		moves(t, c, i)
	}
	stands(t, c, 59, 1, 0)
	h.noise.Set(0)
}
