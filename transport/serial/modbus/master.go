package modbus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
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
}

// shown is what was published of a point.
type shown struct {
	values []any // nil: nothing yet
	at     time.Time
}

// write is a request that somebody waits for.
type write struct {
	point   int
	request []byte
	done    chan error // room for one
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
	w := &wires{config: m.config, port: port, in: make(chan []byte, 16), quiet: time.Now(), echo: m.State().Echo}
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
	m.schedule = newSchedule(m.config.Points, time.Now())
	for {
		if err := m.step(w, publish); err != nil {
			return err
		}
	}
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
	select {
	case job := <-m.writes: // somebody waits for it
		return m.carryOut(w, job)
	default:
	}
	point, at, ok := m.schedule.next()
	wait := time.Hour
	if ok {
		wait = time.Until(at)
	}
	if wait <= 0 {
		return m.look(w, point, publish)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case job := <-m.writes:
		return m.carryOut(w, job)
	case _, open := <-w.in: // nobody was asked
		if !open {
			return w.failed()
		}
		w.quiet = time.Now()
	case <-timer.C:
	}
	return nil
}

// ask makes an exchange and keeps the books on the slave. Of an exception it returns no answer and an Exception.
func (m *Master) ask(w *wires, id byte, request []byte, expect int) (answer []byte, err error) {
	answer, err = w.exchange(request, expect)
	if err != nil && err != ErrSilent && err != ErrBroken {
		return nil, portError{err}
	}
	m.note(id, answer, err)
	s := m.schedule.slaves[id]
	switch {
	case err == nil && s.answered():
		m.turned(id, nil)
	case err != nil && s.failed(time.Now()):
		m.turned(id, err)
	}
	if err != nil {
		return nil, err
	}
	if w.echo {
		m.mu.Lock()
		m.echo = true
		m.mu.Unlock()
	}
	if answer[1]&failed != 0 {
		return nil, Exception(answer[2])
	}
	return answer, nil
}

// portError is an error of the port, which ends Run.
type portError struct{ error }

func (e portError) Unwrap() error { return e.error }

// look asks for a point and publishes what is new of it.
func (m *Master) look(w *wires, i int, publish func(reading.Event)) error {
	p := &m.config.Points[i]
	answer, err := m.ask(w, p.Slave, p.request(), headSize+1+p.octets()+crcSize)
	if failure := (portError{}); errors.As(err, &failure) {
		return failure.error
	}
	if err == ErrSilent || err == ErrBroken {
		if !m.schedule.slaves[p.Slave].rest.IsZero() {
			m.schedule.looked(i, time.Now())
		}
		return nil // else again at once
	}
	m.schedule.looked(i, time.Now())
	if err != nil {
		return nil // an exception: counted
	}
	values, err := p.decode(answer[headSize+1 : len(answer)-crcSize])
	if err != nil {
		m.blame(p.Slave, err)
		return nil
	}
	m.show(i, values, publish)
	return nil
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

// carryOut makes a write, and has the point looked at next.
func (m *Master) carryOut(w *wires, job *write) error {
	p := &m.config.Points[job.point]
	_, err := m.ask(w, p.Slave, job.request, echoSize)
	m.schedule.due[job.point] = time.Now()
	if failure := (portError{}); errors.As(err, &failure) {
		job.done <- fmt.Errorf("%w: %w", ErrAbsent, failure.error)
		return failure.error
	}
	job.done <- err
	return nil
}

// Write sets a point and returns when the slave has said that it is set. The error is ErrValue, ErrAbsent, ErrBusy,
// ErrSilent, ErrBroken, an Exception, or ctx's; after ctx is done it may still be set.
func (m *Master) Write(ctx context.Context, point int, value any) error {
	request, err := m.config.Points[point].write(value)
	if err != nil {
		return err
	}
	job := &write{point, request, make(chan error, 1)}
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
