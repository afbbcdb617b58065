package modbus

import (
	"errors"
	"time"
)

// State is the state of a bus.
type State struct {
	Echo   bool // the port echoes requests
	Slaves []SlaveState
}

// SlaveState is the state of a slave and its counters.
type SlaveState struct {
	Slave      byte
	Silent     bool      // the slave does not answer and is polled less and less often
	Since      time.Time // when Silent last changed
	Requests   uint64
	Answers    uint64 // including Exceptions
	Exceptions uint64
	Timeouts   uint64 // no answer
	Broken     uint64 // answers with a wrong CRC
	Late       uint64 // answers that took longer than the timeout
	Unexpected uint64 // unexpected frames: duplicates, or answers that were no longer expected
	LastAnswer time.Time
	LastGood   time.Time // the last answer that was not an exception
	Err        error     // the last error, or nil

	Slowest          time.Duration // how long answers take while they take longer than the timeout; otherwise 0
	Suggest          time.Duration // a sufficient timeout; 0 if the configured one is sufficient
	UnexpectedLately bool          // unexpected frames have arrived lately

	carefulUntil time.Time // UnexpectedLately is true until then
}

// State returns the state of the bus with its slaves in ascending order.
func (m *Master) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := State{Echo: m.echo}
	for id := range 1 << 8 {
		if slave := m.slaves[byte(id)]; slave != nil {
			s.Slaves = append(s.Slaves, *slave)
			s.Slaves[len(s.Slaves)-1].UnexpectedLately = time.Now().Before(slave.carefulUntil)
		}
	}
	return s
}

func (m *Master) countRequest(id byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slaves[id].Requests++
}

// countResult counts the outcome of an exchange.
func (m *Master) countResult(id byte, answer []byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.slaves[id]
	switch {
	case err == ErrSilent:
		s.Timeouts++
	case errors.Is(err, ErrBroken):
		s.Broken++
	case err == nil:
		s.Answers++
		s.LastAnswer = time.Now()
		if answer[1]&failed != 0 {
			s.Exceptions++
			err = Exception(answer[2])
		} else {
			s.LastGood = s.LastAnswer
		}
	}
	if err != nil {
		s.Err = err
	}
}

// count takes over the tracker's counters of a slave. It reports whether the slave has become late or prompt.
func (m *Master) count(id byte, a *tracked) (news bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.slaves[id]
	s.Late += a.lateCount
	s.Unexpected += a.strays
	s.carefulUntil = a.carefulUntil
	a.lateCount, a.strays = 0, 0
	before := s.Suggest != 0
	if !a.late {
		s.Slowest, s.Suggest = 0, 0
		return before
	}
	s.Slowest, s.Suggest = a.latest, max(s.Suggest, suggested(a.latest)) // the suggestion only rises, so that it does not change with every answer
	return !before
}

// setSilent records that a slave has fallen silent, or with a nil err that it answers again.
func (m *Master) setSilent(id byte, err error) {
	m.mu.Lock()
	s := m.slaves[id]
	s.Silent, s.Since = err != nil, time.Now()
	m.mu.Unlock()
	m.config.SlaveChanged(id, err)
}
