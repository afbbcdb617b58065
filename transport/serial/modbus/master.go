package modbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"runnel/transport/serial/reading"
)

// maxWrites is how many writes may wait for the bus.
const maxWrites = 16

// ErrAbsent is why nothing can be written while the port is not open.
var ErrAbsent = errors.New("the bus is not there")

// ErrBusy says that too many writes wait for the bus already.
var ErrBusy = errors.New("too much waits for the bus")

// Master asks the slaves of a bus, one after the other. Write and State may be called from any goroutine, Run by one at
// a time.
type Master struct {
	// Static after construction.
	config Config
	writes chan *write

	mu sync.Mutex
	// Guarded by mu.
	running bool
	echo    bool
	slaves  map[byte]*SlaveState

	// Owned by Run.
	schedule *schedule
	shown    []shown // of each point
	waiting  *write  // a write that the bus is not free for yet
}

// shown is what was published of a point.
type shown struct {
	values []any // nil: nothing yet
	at     time.Time
}

// write is a request that somebody waits for.
type write struct {
	point int
	query query
	done  chan error // room for one
}

// New makes the master of a bus. The error says what is wrong with c.
func New(c Config) (*Master, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &Master{config: c.withDefaults(), writes: make(chan *write, maxWrites), slaves: map[byte]*SlaveState{}, shown: make([]shown, len(c.Points))}
	for _, p := range c.Points {
		m.slaves[p.Slave] = &SlaveState{Slave: p.Slave}
	}
	return m, nil
}

// Run asks and writes until the port fails, closes it and returns why. Values that were published before, over another
// opening of the port, are not published again unless they have changed.
func (m *Master) Run(port io.ReadWriteCloser, publish func(reading.Event)) error {
	w := m.wires(port)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer port.Close()
	stop := make(chan struct{})
	defer close(stop)
	var cause error
	w.failed = func() error { return cause }
	reader.Go(func() {
		defer close(w.in)
		cause = receive(port, w.in, stop)
	})
	m.attend(true)
	defer m.attend(false)
	w.answered = func(d *debt, frame []byte) { m.catchUp(w, d, frame, publish) }
	m.schedule = newSchedule(m.config.Points, time.Now())
	for {
		if err := m.step(w, publish); err != nil {
			return err
		}
	}
}

// wires makes the bus of an opening of the port.
func (m *Master) wires(port io.Writer) *wires {
	w := &wires{config: m.config, port: port, in: make(chan []byte, 16), quiet: time.Now()}
	w.ledger = newLedger(m.config.Timeout, slices.Collect(maps.Keys(m.slaves)), time.Now())
	if m.config.TCP {
		for _, a := range w.ledger.accounts {
			a.doubt = time.Time{} // nothing of another connection can come over this one
		}
	}
	w.rx = receiver{ledger: w.ledger, echoes: m.State().Echo}
	return w
}

// receive hands on what arrives until the port fails, and returns why.
func receive(port io.Reader, in chan<- []byte, stop <-chan struct{}) error {
	buf := make([]byte, maxFrame)
	for {
		n, err := port.Read(buf)
		if err != nil {
			return err
		}
		select {
		case in <- append([]byte(nil), buf[:n]...):
		case <-stop:
			return io.ErrClosedPipe
		}
	}
}

// attend says whether somebody takes the writes. Those that wait when nobody does any more are told.
func (m *Master) attend(running bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = running
	if !running && m.waiting != nil {
		m.waiting.done <- ErrAbsent
		m.waiting = nil
	}
	for !running {
		select {
		case w := <-m.writes:
			w.done <- ErrAbsent
		default:
			return
		}
	}
}

// step does what is next: a write, or a look at the point that is due. It returns the port's error.
func (m *Master) step(w *wires, publish func(reading.Event)) error {
	if m.waiting == nil {
		select {
		case m.waiting = <-m.writes: // its caller waits
		default:
		}
	}
	now := time.Now()
	next, at, ok := m.schedule.next(func(q query) time.Time { return w.ledger.free(q, now) })
	wait := time.Hour
	if ok {
		wait = at.Sub(now)
	}
	writes := m.writes
	if m.waiting != nil {
		writes = nil // one after the other
		free := w.ledger.free(m.waiting.query, now).Sub(now)
		if free <= 0 {
			return m.carryOut(w)
		}
		wait = min(wait, free)
	} else if wait <= 0 {
		return m.look(w, next, publish)
	}
	if ok && at.Sub(now) <= 0 {
		return m.look(w, next, publish)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case m.waiting = <-writes:
	case octets, open := <-w.in:
		if !open {
			return w.failed()
		}
		w.overhear(octets)
	case <-timer.C:
	}
	return nil
}

// ask makes an exchange and keeps the books on the slave. Of an exception it returns no answer and an Exception.
func (m *Master) ask(w *wires, q query) (answer []byte, err error) {
	id := q.slave()
	answer, err = w.exchange(q)
	m.learn(w, id)
	switch {
	case err == errUnsure:
		return nil, err
	case err != nil && err != ErrSilent && !errors.Is(err, ErrBroken):
		return nil, portError{err}
	}
	m.asked(id)
	m.settle(id, answer, err)
	if err != nil {
		return nil, err
	}
	if answer[1]&failed != 0 {
		return nil, Exception(answer[2])
	}
	return answer, nil
}

// settle notes what a request has come to.
func (m *Master) settle(id byte, answer []byte, err error) {
	m.note(id, answer, err)
	s := m.schedule.slaves[id]
	switch {
	case err == nil && s.answered():
		m.turned(id, nil)
	case err != nil && s.failed(time.Now()):
		m.turned(id, err)
	}
}

// learn takes over what the bus has shown.
func (m *Master) learn(w *wires, id byte) {
	a := w.ledger.accounts[id]
	switch news := m.count(id, a); {
	case news && a.late:
		m.config.Late(id, a.latest, suggested(a.latest))
	case news:
		m.config.Late(id, 0, 0)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.echo = w.rx.echoes
}

// portError is an error of the port, which ends Run.
type portError struct{ error }

func (e portError) Unwrap() error { return e.error }

// look makes a query and publishes what is new.
func (m *Master) look(w *wires, i int, publish func(reading.Event)) error {
	q := m.schedule.polls[i].query
	answer, err := m.ask(w, q)
	if failure := (portError{}); errors.As(err, &failure) {
		return failure.error
	}
	if err == errUnsure {
		return nil // again as soon as the bus is free for it
	}
	if err == ErrSilent || errors.Is(err, ErrBroken) {
		if !m.schedule.slaves[q.slave()].rest.IsZero() {
			m.schedule.looked(q.points, time.Now())
		}
		return nil // likewise
	}
	m.took(q, answer, err, publish)
	return nil
}

// took takes an answer, or the exception in its place.
func (m *Master) took(q query, answer []byte, err error, publish func(reading.Event)) {
	if refused(err) && m.schedule.split(q.points, time.Now()) {
		return // one of them, or a hole between them, may be the reason
	}
	m.schedule.looked(q.points, time.Now())
	if err != nil {
		return // counted
	}
	data := answer[headSize+1 : len(answer)-crcSize]
	for _, i := range q.points {
		m.read(i, q.cut(&m.config.Points[i], data), publish)
	}
}

// refused reports whether a slave has refused what it was asked for, not only this time.
func refused(err error) bool {
	return err == Exception(illegalAddress) || err == Exception(illegalValue) || err == Exception(deviceFailure)
}

// catchUp takes an answer that has come after its time: it is certain which request it answers, so its value is right.
func (m *Master) catchUp(w *wires, d *debt, frame []byte, publish func(reading.Event)) {
	m.learn(w, d.slave())
	m.settle(d.slave(), frame, nil)
	switch {
	case len(d.points) == 0:
	case frame[1]&failed != 0:
		m.took(d.query, nil, Exception(frame[2]), publish)
	default:
		m.took(d.query, frame, nil, publish)
	}
}

// read takes a point's part of an answer.
func (m *Master) read(i int, data []byte, publish func(reading.Event)) {
	p := &m.config.Points[i]
	values, err := p.decode(data)
	if err != nil {
		m.blame(p.Slave, err)
		return
	}
	m.show(i, values, publish)
}

func (m *Master) blame(id byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slaves[id].Err = err
}

// show publishes values if they are worth it.
func (m *Master) show(i int, values []any, publish func(reading.Event)) {
	p, last, now := &m.config.Points[i], &m.shown[i], time.Now()
	old := p.Refresh > 0 && now.Sub(last.at) >= p.Refresh
	if !p.Always && !old && last.values != nil && !differ(last.values, values, p.Deadband) {
		return
	}
	*last = shown{values, now}
	topic, err := p.Topic.Topic(p.lookup)
	if err != nil {
		m.blame(p.Slave, err)
		return
	}
	e := reading.Event{Topic: topic, Kwargs: map[string]any{"name": p.Name, "slave": int64(p.Slave), "time": reading.Stamp(now)}}
	e.Kwargs["value"] = values[0]
	if p.Count > 1 {
		e.Kwargs["value"] = values
	}
	if p.Unit != "" {
		e.Kwargs["unit"] = p.Unit
	}
	publish(e)
}

func (p *Point) lookup(name string) (any, bool) {
	if name == "slave" {
		return int64(p.Slave), true
	}
	return p.Name, true
}

// differ reports whether one of the values has changed by the deadband at least.
func differ(before, now []any, deadband float64) bool {
	for i := range now {
		a, aIsNumber := float(before[i])
		b, bIsNumber := float(now[i])
		if aIsNumber && bIsNumber && deadband > 0 {
			if math.Abs(a-b) >= deadband {
				return true
			}
		} else if before[i] != now[i] {
			return true
		}
	}
	return false
}

// carryOut makes the write that waits, and has the point looked at next.
func (m *Master) carryOut(w *wires) error {
	job := m.waiting
	if !w.probed && job.query.slave() != 0 && !m.config.TCP {
		return m.probe(w)
	}
	_, err := m.ask(w, job.query)
	if err == errUnsure {
		return nil // later
	}
	m.waiting = nil
	m.schedule.hurry(job.point, time.Now())
	if failure := (portError{}); errors.As(err, &failure) {
		job.done <- fmt.Errorf("%w: %w", ErrAbsent, failure.error)
		return failure.error
	}
	job.done <- err
	return nil
}

// probe reads what the write that waits is to change. The answer does not matter: on a bus that sends requests back, the
// echo of the first write would pass for its answer.
func (m *Master) probe(w *wires) error {
	q := ask(m.config.Points, []int{m.waiting.point})
	q.points = nil
	_, err := m.ask(w, q)
	w.probed = w.probed || err != errUnsure
	if failure := (portError{}); errors.As(err, &failure) {
		return failure.error
	}
	return nil
}

// Write sets a point and returns when the slave has said that it is set. The error is ErrValue, ErrAbsent, ErrBusy,
// ErrSilent, one that wraps ErrBroken, an Exception, or ctx's; after ctx is done it may still be set.
func (m *Master) Write(ctx context.Context, point int, value any) error {
	request, err := m.config.Points[point].write(value)
	if err != nil {
		return err
	}
	job := &write{point, query{request: request, expect: echoSize}, make(chan error, 1)}
	if err := m.enqueue(job); err != nil {
		return err
	}
	select {
	case err := <-job.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *Master) enqueue(job *write) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.running {
		return ErrAbsent
	}
	select {
	case m.writes <- job:
		return nil
	default:
		return ErrBusy
	}
}
