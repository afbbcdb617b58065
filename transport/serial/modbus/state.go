package modbus

import (
	"errors"
	"time"
)

// State is what a bus has done.
type State struct {
	Echo   bool // what is sent comes back
	Slaves []SlaveState
}

// SlaveState is what a slave has done.
type SlaveState struct {
	Slave      byte
	Silent     bool      // it does not answer, and is asked more and more rarely
	Since      time.Time // of Silent
	Requests   uint64
	Answers    uint64 // Exceptions are among them
	Exceptions uint64
	Timeouts   uint64 // no answer
	Broken     uint64 // answers with a wrong CRC
	Late       uint64 // answers that took longer than the timeout
	Strays     uint64 // frames that nobody asked for: duplicates, or answers that were given up
	LastAnswer time.Time
	LastGood   time.Time // the last answer that was no exception
	Err        error     // the last one; nil if there was none

	Slowest  time.Duration // what the slave needs, while it needs longer than the timeout; else 0
	Suggest  time.Duration // the timeout that it needs; 0: the one that is set is enough
	Straying bool          // frames that nobody asked for have come lately

	careful time.Time // until when Straying is true
}

// State returns what the bus has done, the slaves in their order.
func (m *Master) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := State{Echo: m.echo}
	for id := range 1 << 8 {
		if slave := m.slaves[byte(id)]; slave != nil {
			s.Slaves = append(s.Slaves, *slave)
			s.Slaves[len(s.Slaves)-1].Straying = time.Now().Before(slave.careful)
		}
	}
	return s
}

func (m *Master) asked(id byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slaves[id].Requests++
}

// note counts what an exchange has come to.
func (m *Master) note(id byte, answer []byte, err error) {
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

// count takes over what the ledger knows of a slave, and reports whether it has turned late or prompt.
func (m *Master) count(id byte, a *account) (news bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.slaves[id]
	s.Late += a.lateCount
	s.Strays += a.strays
	s.careful = a.careful
	a.lateCount, a.strays = 0, 0
	before := s.Suggest != 0
	if !a.late {
		s.Slowest, s.Suggest = 0, 0
		return before
	}
	s.Slowest, s.Suggest = a.latest, max(s.Suggest, suggested(a.latest)) // it does not change with every answer
	return !before
}

// turned notes that a slave has fallen silent, or answers again.
func (m *Master) turned(id byte, err error) {
	m.mu.Lock()
	s := m.slaves[id]
	s.Silent, s.Since = err != nil, time.Now()
	m.mu.Unlock()
	m.config.Turned(id, err)
}
