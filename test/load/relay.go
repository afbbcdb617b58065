package main

import "fmt"

// relayed has a program between two devices: it takes each event of the one, and publishes it for the other one.
func relayed(t target, w work) (f figures, err error) {
	const first, second = "bench.relay.a", "bench.relay.b"
	between := t
	if t.local != "" {
		between.protocol, between.addr = wampProtocol, t.local
	}
	program, err := between.dial()
	if err != nil {
		return f, err
	}
	defer program.close()
	devices, err := t.dialAll(2)
	if err != nil {
		return f, err
	}
	defer closeAll(devices)
	from, to := devices[0], devices[1]
	if err := program.subscribe(between.name(first)); err != nil {
		return f, err
	}
	if err := to.subscribe(t.name(second)); err != nil {
		return f, err
	}
	out, err := between.dial() // one goroutine each may send and receive
	if err != nil {
		return f, err
	}
	defer out.close()
	drainAll([]client{from, out})
	p, failed := newProgress(w.count), make(chan error, 3)
	window := &window{size: int64(w.window), total: &p.arrived}
	var lats latencies
	receiveAll([]client{to}, w.count, failed, &lats, func(int) { p.add() })
	go func() {
		for {
			payload, err := program.event()
			if err != nil {
				return // the run is over
			}
			if err := out.publish(between.name(second), payload); err != nil {
				failed <- fmt.Errorf("publish: %w", err)
				return
			}
			out.flush()
		}
	}()
	f, err = t.measured(p, failed, func() {
		go send(w.count, w.size, failed, window, from, func(int) string { return t.name(first) })
	})
	window.stop.Store(true)
	lats.fill(&f)
	return f, err
}
