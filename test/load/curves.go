package main

import "fmt"

// curves are rows of growing size: their figures for each unit stay flat if nothing in the broker grows with the tables.
func curves() []scenario {
	var list []scenario
	for _, match := range []string{"exact", "prefix", "wildcard"} {
		for _, n := range []int{1_000, 10_000, 100_000, 1_000_000} {
			list = append(list, scenario{
				name: fmt.Sprintf("subscriptions %s %d", match, n), run: sparse, protocols: tables, match: match,
				work: work{1, 4, n, 128, 1000, 100_000},
			})
		}
	}
	for _, n := range []int{10, 100, 1_000, 10_000, 15_000} {
		list = append(list, scenario{name: fmt.Sprintf("sessions %d", n), run: idle, protocols: brokers, work: work{subscribers: n}})
	}
	for _, n := range []int{10, 100, 1_000, 3_000} {
		list = append(list, scenario{name: fmt.Sprintf("gateways %d", n), run: gateways, protocols: tables, match: "prefix", work: work{n, 1, 0, 128, 1000, 100_000}})
	}
	return list
}

// gateways makes each publisher a gateway: it subscribes to its own commands, offers a procedure, and publishes to one
// consumer that subscribes to all gateways by a prefix.
func gateways(t target, w work) (f figures, err error) {
	consumers, err := t.dialAll(w.subscribers)
	if err != nil {
		return f, err
	}
	defer closeAll(consumers)
	for _, c := range consumers {
		if err := c.subscribeAll(1, func(int) string { return t.pattern("bench.gateway.", "bench.gateway.>", "bench/gateway/#") }); err != nil {
			return f, err
		}
	}
	before, err := t.usage()
	if err != nil {
		return f, err
	}
	list, err := t.dialAll(w.publishers)
	if err != nil {
		return f, err
	}
	defer closeAll(list)
	for i, c := range list {
		if err := c.subscribe(t.name(fmt.Sprintf("bench.command.%d", i))); err != nil {
			return f, err
		}
		if err := c.register(procedure(i)); err != nil {
			return f, err
		}
	}
	joined, err := t.usage()
	if err != nil {
		return f, err
	}
	p, failed := newProgress(w.count*len(consumers)), make(chan error, len(consumers)+1)
	window := &window{size: int64(w.window), total: &p.arrived}
	var lats latencies
	receiveAll(consumers, w.count, failed, &lats, func(int) { p.add() })
	f, err = t.measured(p, failed, func() {
		go send(w.count, w.size, failed, window, &inTurn{list: list}, func(i int) string {
			return t.name(fmt.Sprintf("bench.gateway.%d.value", i%len(list)))
		})
	})
	window.stop.Store(true)
	lats.fill(&f)
	f.Setup = micros(joined.cpu-before.cpu) / float64(len(list))
	f.PerSession = float64(joined.resident-before.resident) / float64(len(list))
	return f, err
}

// inTurn publishes by one client after the other.
type inTurn struct {
	list  []client
	next  int
	dirty []client // to be flushed
}

func (p *inTurn) publish(topic string, payload []byte) error {
	c := p.list[p.next]
	p.next = (p.next + 1) % len(p.list)
	p.dirty = append(p.dirty, c)
	return c.publish(topic, payload)
}

func (p *inTurn) flush() error {
	for _, c := range p.dirty {
		if err := c.flush(); err != nil {
			return err
		}
	}
	p.dirty = p.dirty[:0]
	return nil
}
