package main

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// progress counts the arrived messages, and detects the end: all have arrived, or no more arrive.
type progress struct {
	arrived atomic.Int64
	want    int64
	done    chan struct{} // closed when arrived reaches want
}

func newProgress(want int) *progress { return &progress{want: int64(want), done: make(chan struct{})} }

func (p *progress) add() int64 {
	n := p.arrived.Add(1)
	if n == p.want {
		close(p.done)
	}
	return n
}

// wait returns when all messages have arrived, after an error, or when no message has arrived for the time of patience.
func (p *progress) wait(failed <-chan error) error {
	last, since := int64(0), time.Now()
	tick := time.NewTicker(patience / 20)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return nil
		case err := <-failed:
			return err
		case <-tick.C:
			if n := p.arrived.Load(); n != last {
				last, since = n, time.Now()
			} else if time.Since(since) > patience {
				return nil
			}
		}
	}
}

// measured runs do and records the broker's cost meanwhile.
func (t target) measured(p *progress, failed <-chan error, do func()) (f figures, err error) {
	before, err := t.usage()
	if err != nil {
		return f, err
	}
	start := time.Now()
	do()
	if err := p.wait(failed); err != nil {
		return f, err
	}
	took := time.Since(start)
	after, err := t.usage()
	if err != nil {
		return f, err
	}
	arrived := int(p.arrived.Load())
	f.spent(arrived, took, before, after)
	f.Lost = int(p.want) - arrived
	return f, nil
}

// samples is how many latencies a run keeps.
const samples = 20_000

// fanout has each subscriber receive every message of each publisher.
func fanout(t target, w work) (f figures, err error) {
	const topic = "bench.topic.a"
	subscribers, err := t.dialAll(w.subscribers)
	if err != nil {
		return f, err
	}
	defer closeAll(subscribers)
	for _, c := range subscribers {
		if err := c.subscribe(t.name(topic)); err != nil {
			return f, err
		}
	}
	publishers, err := t.dialAll(w.publishers)
	if err != nil {
		return f, err
	}
	defer closeAll(publishers)
	drainAll(publishers)

	w.count = w.count / w.publishers * w.publishers
	total := w.count * w.subscribers
	p, failed := newProgress(total), make(chan error, len(subscribers)+len(publishers))
	window := &window{size: int64(w.window * w.publishers), received: make([]atomic.Int64, w.subscribers)}
	var lats latencies
	receiveAll(subscribers, total, failed, &lats, func(i int) {
		window.received[i].Add(1)
		p.add()
	})
	f, err = t.measured(p, failed, func() {
		for _, c := range publishers {
			go send(w.count/w.publishers, w.size, failed, window, c, func(int) string { return t.name(topic) })
		}
	})
	window.stop.Store(true)
	lats.fill(&f)
	return f, err
}

// drainAll reads the messages to publishers.
func drainAll(publishers []client) {
	for _, c := range publishers {
		if d, ok := c.(interface{ drain() }); ok {
			go d.drain()
		}
	}
}

// window bounds the messages in flight: no publisher is further ahead of the slowest subscriber than size.
type window struct {
	size     int64
	sent     atomic.Int64
	received []atomic.Int64 // by each subscriber
	total    *atomic.Int64  // instead of received: by all of them together
	stop     atomic.Bool    // the run is over; publishers give up
}

func (w *window) open() bool { return w.sent.Load()-w.slowest() < w.size }

func (w *window) slowest() int64 {
	if w.total != nil {
		return w.total.Load()
	}
	least := w.received[0].Load()
	for i := range w.received[1:] {
		least = min(least, w.received[1+i].Load())
	}
	return least
}

// send publishes count messages, to the topic that is named for each.
func send(count, size int, failed chan<- error, w *window, c publisher, topic func(i int) string) {
	payload := make([]byte, size)
	for i := range count {
		for !w.open() {
			if w.stop.Load() {
				return
			}
			c.flush()
			time.Sleep(20 * time.Microsecond)
		}
		stamp(payload)
		number(payload, i)
		if err := c.publish(topic(i), payload); err != nil {
			failed <- fmt.Errorf("publish: %w", err)
			return
		}
		w.sent.Add(1)
		const batch = 32
		if i%batch == batch-1 {
			c.flush()
		}
	}
	c.flush()
}

// receiveAll has a goroutine for each client report its events until its connection ends.
func receiveAll[C receiver](clients []C, total int, failed chan<- error, lats *latencies, arrived func(i int)) {
	every := max(1, total/samples)
	for i, c := range clients {
		go func() {
			for n := 1; ; n++ {
				payload, err := c.event()
				if err != nil {
					select {
					case failed <- fmt.Errorf("receive: %w", err):
					default: // the run is over
					}
					return
				}
				if n%every == 0 {
					if d, ok := age(payload); ok {
						lats.add(d)
					}
				}
				arrived(i)
			}
		}()
	}
}

// sparse fills the broker's table with entries, spread over the subscribers, and publishes to one after the other.
func sparse(t target, w work) (f figures, err error) {
	before, err := t.usage()
	if err != nil {
		return f, err
	}
	subscribers, err := t.dialAll(w.subscribers)
	if err != nil {
		return f, err
	}
	defer closeAll(subscribers)
	each := max(1, w.entries/w.subscribers)
	for i, c := range subscribers {
		if err := c.subscribeAll(each, func(k int) string { return t.entry(i*each + k) }); err != nil {
			return f, err
		}
	}
	entries := each * len(subscribers)
	filled, err := t.usage()
	if err != nil {
		return f, err
	}
	publishers, err := t.dialAll(1)
	if err != nil {
		return f, err
	}
	defer closeAll(publishers)
	topics := make([]string, entries)
	for i := range topics {
		topics[i] = t.name(entryTopic(i))
	}

	p, failed := newProgress(w.count), make(chan error, len(subscribers)+1)
	window := &window{size: int64(w.window), total: &p.arrived}
	var lats latencies
	receiveAll(subscribers, w.count/len(subscribers), failed, &lats, func(int) { p.add() })
	f, err = t.measured(p, failed, func() {
		const stride = 7919 // a prime: neighbours in time are no neighbours in the table
		go send(w.count, w.size, failed, window, publishers[0], func(i int) string { return topics[i*stride%entries] })
	})
	window.stop.Store(true)
	lats.fill(&f)
	f.Setup = micros(filled.cpu-before.cpu) / float64(entries)
	f.EntrySize = float64(filled.resident-before.resident) / float64(entries)
	return f, err
}

// calls makes each caller call the procedure of one callee, which returns its arguments.
func calls(t target, w work) (f figures, err error) {
	callees, err := t.dialAll(w.subscribers)
	if err != nil {
		return f, err
	}
	defer closeAll(callees)
	failed := make(chan error, 2*w.publishers+w.subscribers)
	for i, c := range callees {
		if err := c.register(procedure(i)); err != nil {
			return f, err
		}
		go func() { failed <- c.serve() }()
	}
	callers, err := t.dialAll(w.publishers)
	if err != nil {
		return f, err
	}
	defer closeAll(callers)
	each := w.count / w.publishers
	p := newProgress(each * w.publishers)
	var lats latencies
	f, err = t.measured(p, failed, func() {
		for i, c := range callers {
			credit := make(chan struct{}, w.window)
			go sendCalls(c, procedure(i%w.subscribers), each, w.size, credit, failed)
			go receiveResults(c, each, max(1, w.count/samples), credit, p, &lats, failed)
		}
	})
	lats.fill(&f)
	return f, err
}

func procedure(i int) string { return fmt.Sprintf("bench.procedure.p%d", i) }

func sendCalls(c client, procedure string, count, size int, credit chan<- struct{}, failed chan<- error) {
	payload := make([]byte, size)
	for range count {
		select {
		case credit <- struct{}{}:
		default:
			c.flush()
			credit <- struct{}{}
		}
		stamp(payload)
		if err := c.call(procedure, payload); err != nil {
			failed <- fmt.Errorf("call: %w", err)
			return
		}
	}
	c.flush()
}

func receiveResults(c client, count, every int, credit <-chan struct{}, p *progress, lats *latencies, failed chan<- error) {
	for i := range count {
		payload, err := c.result()
		if err != nil {
			failed <- fmt.Errorf("receive a result: %w", err)
			return
		}
		if i%every == 0 {
			if d, ok := age(payload); ok {
				lats.add(d)
			}
		}
		<-credit
		p.add()
	}
}

// settle is how long idle sessions are held before the broker's memory is read.
const settle = 3 * time.Second

// idle holds sessions, each with a subscription of its own.
func idle(t target, w work) (f figures, err error) {
	before, err := t.usage()
	if err != nil {
		return f, err
	}
	sessions, err := t.dialAll(w.subscribers)
	if err != nil {
		return f, err
	}
	defer closeAll(sessions)
	var wg sync.WaitGroup
	errs := make([]error, len(sessions))
	for i, c := range sessions {
		wg.Go(func() { errs[i] = c.subscribe(t.name(fmt.Sprintf("bench.idle.t%d", i))) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return f, err
	}
	time.Sleep(settle)
	after, err := t.usage()
	if err != nil {
		return f, err
	}
	runtime.KeepAlive(sessions)
	f.Resident = float64(after.resident)
	f.PerSession = float64(after.resident-before.resident) / float64(len(sessions))
	f.Setup = micros(after.cpu-before.cpu) / float64(len(sessions))
	return f, nil
}
