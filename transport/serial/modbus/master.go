package modbus

import (
	"cmp"
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

// maxWrites is how many writes may be queued.
const maxWrites = 16

// ErrAbsent means that the port is not open, so nothing can be written.
var ErrAbsent = errors.New("bus not connected")

// ErrBusy means that too many writes are queued.
var ErrBusy = errors.New("too many writes queued")

// Master polls the slaves of a bus one after the other. Write and State may be called from any goroutine, Run from one at
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
	schedule  *schedule
	published []published // for each point
	refusals  []bool      // of the points: the slave answers with an exception
	waiting   *write      // a write that waits until the bus is free for it
}

// published is the last publication of a point.
type published struct {
	values []any // nil before the first
	at     time.Time
}

// write is a queued write request. Its caller waits for done.
type write struct {
	point int
	query query
	done  chan error // capacity 1
}

// New returns the master of a bus, or an error that names the invalid setting in c.
func New(c Config) (*Master, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &Master{config: c.withDefaults(), writes: make(chan *write, maxWrites), slaves: map[byte]*SlaveState{}, published: make([]published, len(c.Points)),
		refusals: make([]bool, len(c.Points))}
	for _, p := range c.Points {
		m.slaves[p.Slave] = &SlaveState{Slave: p.Slave}
	}
	return m, nil
}

// Run polls and writes until the port fails, then closes it and returns the error. Values that were published before, from
// an earlier port, are published again only if they have changed.
func (m *Master) Run(port io.ReadWriteCloser, publish func(reading.Event)) error {
	w := m.newBus(port)
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
	m.setRunning(true)
	defer m.setRunning(false)
	w.answered = func(d *pending, frame []byte) { m.handleLate(w, d, frame, publish) }
	m.schedule = newSchedule(m.config.Points, time.Now())
	for {
		if err := m.step(w, publish); err != nil {
			return err
		}
	}
}

// newBus returns the bus for an open port.
func (m *Master) newBus(port io.Writer) *bus {
	w := &bus{config: m.config, port: port, in: make(chan []byte, 16), quiet: time.Now()}
	w.tracker = newTracker(m.config.Timeout, slices.Collect(maps.Keys(m.slaves)), time.Now())
	if m.config.TCP {
		for _, a := range w.tracker.slaves {
			a.doubtUntil = time.Time{} // answers of an earlier connection cannot arrive on this one
		}
	}
	w.rx = receiver{tracker: w.tracker, echoes: m.State().Echo}
	return w
}

// receive passes on received octets until the port fails, and returns the error.
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

// setRunning records whether Run accepts writes. When it stops, the queued writes fail with ErrAbsent.
func (m *Master) setRunning(running bool) {
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

// step performs the next action, a write or the poll that is due. It returns an error of the port only.
func (m *Master) step(w *bus, publish func(reading.Event)) error {
	if m.waiting == nil {
		select {
		case m.waiting = <-m.writes: // a caller is waiting for it
		default:
		}
	}
	now := time.Now()
	next, at, ok := m.schedule.next(func(q query) time.Time { return w.tracker.free(q, now) })
	wait := time.Hour
	if ok {
		wait = at.Sub(now)
	}
	writes := m.writes
	if m.waiting != nil {
		writes = nil // one write at a time
		free := w.tracker.free(m.waiting.query, now)
		if !free.After(now) {
			return m.executeWrite(w)
		}
		wait = min(wait, free.Sub(now))
	}
	if ok && !at.After(now) {
		return m.pollOnce(w, next, publish)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case m.waiting = <-writes:
	case octets, open := <-w.in:
		if !open {
			return w.failed()
		}
		w.receiveIdle(octets)
	case <-timer.C:
	}
	return nil
}

// ask performs an exchange and updates the slave's state. For an exception it returns no answer and an Exception.
func (m *Master) ask(w *bus, q query) (answer []byte, err error) {
	id := q.slave()
	answer, err = w.exchange(q)
	m.updateTiming(w, id)
	switch {
	case err == errUnsure:
		return nil, err
	case err != nil && err != ErrSilent && !errors.Is(err, ErrBroken):
		return nil, portError{err}
	}
	m.countRequest(id)
	m.resolve(id, answer, err)
	if err != nil {
		return nil, err
	}
	if answer[1]&failed != 0 {
		return nil, Exception(answer[2])
	}
	return answer, nil
}

// resolve records the outcome of a request to a slave.
func (m *Master) resolve(id byte, answer []byte, err error) {
	m.countResult(id, answer, err)
	s := m.schedule.slaves[id]
	switch {
	case err == nil && s.answered():
		m.setSilent(id, nil)
	case err != nil && s.failed(time.Now()):
		m.setSilent(id, err)
	}
}

// updateTiming records what the bus has learnt about the slave.
func (m *Master) updateTiming(w *bus, id byte) {
	a := w.tracker.slaves[id]
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

// portError wraps an error of the port, which ends Run.
type portError struct{ error }

func (e portError) Unwrap() error { return e.error }

// pollOnce sends the query of poll i and publishes the values that changed.
func (m *Master) pollOnce(w *bus, i int, publish func(reading.Event)) error {
	q := m.schedule.polls[i].query
	answer, err := m.ask(w, q)
	if failure := (portError{}); errors.As(err, &failure) {
		return failure.error
	}
	if err == errUnsure {
		return nil // repeated as soon as the bus is free for it
	}
	if err == ErrSilent || errors.Is(err, ErrBroken) {
		if !m.schedule.slaves[q.slave()].rest.IsZero() {
			m.schedule.polled(q.points, time.Now())
		}
		return nil // repeated as well
	}
	m.handleAnswer(q, answer, err, publish)
	return nil
}

// handleAnswer takes an answer, or an exception in its place.
func (m *Master) handleAnswer(q query, answer []byte, err error, publish func(reading.Event)) {
	if refused(err) && m.schedule.split(q.points, time.Now()) {
		return // any of the points, or a gap between them, may be the reason
	}
	m.schedule.polled(q.points, time.Now())
	if err != nil { // it is counted already
		for _, i := range q.points {
			m.noteRefusal(i, err)
		}
		return
	}
	data := answer[headSize+1 : len(answer)-crcSize]
	for _, i := range q.points {
		m.noteRefusal(i, nil)
		m.read(i, q.cut(&m.config.Points[i], data), publish)
	}
}

// noteRefusal reports when a point begins or ends to be answered with an exception. The slave's last error names the point.
func (m *Master) noteRefusal(i int, err error) {
	p := &m.config.Points[i]
	if err != nil {
		m.setErr(p.Slave, fmt.Errorf("%s: %w", p.describe(), err))
	}
	if refused := err != nil; refused != m.refusals[i] {
		m.refusals[i] = refused
		m.config.Refused(p, err)
	}
}

// describe names a point. A point without a name has the address of its register.
func (p *Point) describe() string { return cmp.Or(p.Name, fmt.Sprintf("address %d", p.Address)) }

// refused reports whether a slave has rejected a request for good, not only for now.
func refused(err error) bool {
	return err == Exception(illegalAddress) || err == Exception(illegalValue) || err == Exception(deviceFailure)
}

// handleLate takes an answer that arrived late. Its request is certain, so its values are valid.
func (m *Master) handleLate(w *bus, d *pending, frame []byte, publish func(reading.Event)) {
	m.updateTiming(w, d.slave())
	m.resolve(d.slave(), frame, nil)
	switch {
	case len(d.points) == 0:
	case frame[1]&failed != 0:
		m.handleAnswer(d.query, nil, Exception(frame[2]), publish)
	default:
		m.handleAnswer(d.query, frame, nil, publish)
	}
}

// read decodes a point's part of an answer.
func (m *Master) read(i int, data []byte, publish func(reading.Event)) {
	p := &m.config.Points[i]
	values, err := p.decode(data)
	if err != nil {
		m.setErr(p.Slave, err)
		return
	}
	m.publishChanged(i, values, publish)
}

func (m *Master) setErr(id byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slaves[id].Err = err
}

// publishChanged publishes the values of a point if they have changed or are due.
func (m *Master) publishChanged(i int, values []any, publish func(reading.Event)) {
	p, last, now := &m.config.Points[i], &m.published[i], time.Now()
	old := p.Refresh > 0 && now.Sub(last.at) >= p.Refresh
	if !p.Always && !old && last.values != nil && !changed(last.values, values, p.Deadband) {
		return
	}
	*last = published{values, now}
	topic, err := p.Topic.Topic(p.lookup)
	if err != nil {
		m.setErr(p.Slave, err)
		return
	}
	e := reading.Event{Topic: topic, Kwargs: map[string]any{"name": p.Name, "slave": int64(p.Slave), "time": reading.Timestamp(now)}}
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

// changed reports whether a value has changed, by the deadband at least.
func changed(before, now []any, deadband float64) bool {
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

// executeWrite performs the waiting write and makes the point's poll due.
func (m *Master) executeWrite(w *bus) error {
	job := m.waiting
	if !w.probed && job.query.slave() != 0 && !m.config.TCP {
		return m.probe(w)
	}
	_, err := m.ask(w, job.query)
	if err == errUnsure {
		return nil // repeated later
	}
	m.waiting = nil
	m.schedule.pollNow(job.point, time.Now())
	if failure := (portError{}); errors.As(err, &failure) {
		job.done <- fmt.Errorf("%w: %w", ErrAbsent, failure.error)
		return failure.error
	}
	job.done <- err
	return nil
}

// probe reads the point that is about to be written and ignores the answer. On a bus with echoes the echo of the first
// write would otherwise pass for its answer.
func (m *Master) probe(w *bus) error {
	q := ask(m.config.Points, []int{m.waiting.point})
	q.points = nil
	_, err := m.ask(w, q)
	w.probed = w.probed || err != errUnsure
	if failure := (portError{}); errors.As(err, &failure) {
		return failure.error
	}
	return nil
}

// Write sets a point and returns once the slave has acknowledged it. The error is ErrValue, ErrAbsent, ErrBusy, ErrSilent,
// an error that wraps ErrBroken, an Exception, or ctx's. If ctx ends first, the point may still be set.
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
