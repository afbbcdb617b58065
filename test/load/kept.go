package main

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
)

// keeper is a connection to a broker that keeps events on disk until their consumer has acknowledged them.
type keeper interface {
	publisher // the broker confirms each event
	// confirmed waits for the next confirmation. An event that the broker rejects is an error.
	confirmed() error
	// consume subscribes as the one durable consumer, whom events have been kept for since prepare.
	consume(topic string) error
	receiver
	// acknowledge acknowledges the event that was received last. It flushes once no further event has arrived.
	acknowledge() error
	close()
}

// The events of these scenarios have one topic, and one consumer that exists before the first of them.
const (
	keptTopic  = "bench.topic.a"
	keptName   = "bench"
	keptWindow = 1000            // events in flight to the consumer
	keptWait   = 5 * time.Minute // until an event that is not acknowledged is delivered again
)

// keeper opens a connection of the protocol's durable kind.
func (t target) keeper() (keeper, error) {
	c, err := t.dial()
	if err != nil {
		return nil, err
	}
	switch c := c.(type) {
	case *natsClient:
		return &natsKeeper{c}, nil
	case *mqttClient:
		return &mqttKeeper{mqttClient: c, addr: t.addr}, nil
	case *wampClient:
		return &wampKeeper{wampClient: c}, nil
	}
	return nil, fmt.Errorf("%s keeps no events", t.protocol)
}

// open makes the broker keep events, and returns the publisher's connection and the consumer's.
func (t target) open() (from, to keeper, err error) {
	if from, err = t.keeper(); err != nil {
		return nil, nil, err
	}
	if to, err = t.keeper(); err != nil {
		from.close()
		return nil, nil, err
	}
	if p, ok := to.(interface{ prepare(topic string) error }); ok {
		err = p.prepare(t.name(keptTopic))
	}
	return from, to, err
}

// taker receives and acknowledges events, and knows which ones it has had.
type taker struct {
	keeper
	had   []bool
	again *atomic.Int64
}

// event returns the next event that is not a repetition.
func (k *taker) event() ([]byte, error) {
	for {
		payload, err := k.keeper.event()
		if err != nil {
			return nil, err
		}
		if len(payload) < 16 {
			return nil, fmt.Errorf("event of %d bytes", len(payload))
		}
		n := binary.BigEndian.Uint64(payload[8:])
		if n >= uint64(len(k.had)) {
			return nil, fmt.Errorf("event %d of %d", n, len(k.had))
		}
		if err := k.acknowledge(); err != nil {
			return nil, err
		}
		if !k.had[n] {
			k.had[n] = true
			return payload, nil
		}
		k.again.Add(1)
	}
}

// confirmations counts the broker's confirmations of c until the connection ends.
func confirmations(c keeper, confirmed func(), failed chan<- error) {
	for {
		if err := c.confirmed(); err != nil {
			select {
			case failed <- fmt.Errorf("confirm: %w", err):
			default: // the run is over
			}
			return
		}
		confirmed()
	}
}

// kept passes events from a publisher that waits for confirmations to a durable consumer that acknowledges them.
func kept(t target, w work) (f figures, err error) {
	from, to, err := t.open()
	if err != nil {
		return f, err
	}
	defer from.close()
	defer to.close()
	if err := to.consume(t.name(keptTopic)); err != nil {
		return f, err
	}
	p, failed := newProgress(2*w.count), make(chan error, 3) // each event is confirmed and received
	window := &window{size: int64(w.window), received: make([]atomic.Int64, 2)}
	count := func(i int) {
		window.received[i].Add(1)
		p.add()
	}
	var lats latencies
	var again atomic.Int64
	receiveAll([]*taker{{to, make([]bool, w.count), &again}}, w.count, failed, &lats, func(int) { count(0) })
	go confirmations(from, func() { count(1) }, failed)
	f, err = t.measured(p, failed, func() {
		go send(w.count, w.size, failed, window, from, func(int) string { return t.name(keptTopic) })
	})
	window.stop.Store(true)
	f.halve()
	f.Lost = w.count - int(window.received[0].Load())
	f.Again = int(again.Load())
	lats.fill(&f)
	return f, err
}

// backlog has the broker keep all events, and then measures how a consumer takes them.
func backlog(t target, w work) (f figures, err error) {
	from, to, err := t.open()
	if err != nil {
		return f, err
	}
	defer from.close()
	defer to.close()
	if err := fill(t, w, from); err != nil {
		return f, err
	}
	before, err := t.usage()
	if err != nil {
		return f, err
	}
	if err := to.consume(t.name(keptTopic)); err != nil {
		return f, err
	}
	stop := make(chan struct{})
	most := t.watch(stop)
	p, failed := newProgress(w.count), make(chan error, 1)
	var lats latencies // all are old: they are not reported
	var again atomic.Int64
	f, err = t.measured(p, failed, func() {
		receiveAll([]*taker{{to, make([]bool, w.count), &again}}, w.count, failed, &lats, func(int) { p.add() })
	})
	close(stop)
	f.Before, f.Most = float64(before.resident), float64(<-most)
	f.Again = int(again.Load())
	return f, err
}

// fill publishes all events while no consumer is connected, and waits until they are confirmed.
func fill(t target, w work, from keeper) error {
	p, failed := newProgress(w.count), make(chan error, 2)
	window := &window{size: int64(w.window), total: &p.arrived}
	go confirmations(from, func() { p.add() }, failed)
	go send(w.count, w.size, failed, window, from, func(int) string { return t.name(keptTopic) })
	err := p.wait(failed)
	window.stop.Store(true)
	if n := p.arrived.Load(); err == nil && n != p.want {
		err = fmt.Errorf("%d of %d events were confirmed", n, p.want)
	}
	return err
}

// watch reads the resident memory until stop is closed, and then sends the largest value, in KiB.
func (t target) watch(stop <-chan struct{}) <-chan int64 {
	most := make(chan int64, 1)
	go func() {
		largest := int64(0)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			if n, err := t.resident(); err == nil {
				largest = max(largest, n)
			}
			select {
			case <-stop:
				most <- largest
				return
			case <-tick.C:
			}
		}
	}()
	return most
}
