package modbus

import "time"

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
	LastAnswer time.Time
	Err        error // the last one; nil if there was none
}

// State returns what the bus has done, the slaves in their order.
func (m *Master) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := State{Echo: m.echo}
	for id := range byte(maxSlave + 1) {
		if slave := m.slaves[id]; slave != nil {
			s.Slaves = append(s.Slaves, *slave)
		}
	}
	return s
}

// note counts what an exchange has come to.
func (m *Master) note(id byte, answer []byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.slaves[id]
	s.Requests++
	switch {
	case err == ErrSilent:
		s.Timeouts++
	case err == ErrBroken:
		s.Broken++
	case err == nil:
		s.Answers++
		s.LastAnswer = time.Now()
		if answer[1]&failed != 0 {
			s.Exceptions++
			err = Exception(answer[2])
		}
	}
	if err != nil {
		s.Err = err
	}
}

// turned notes that a slave has fallen silent, or answers again.
func (m *Master) turned(id byte, err error) {
	m.mu.Lock()
	s := m.slaves[id]
	s.Silent, s.Since = err != nil, time.Now()
	m.mu.Unlock()
	m.config.Turned(id, err)
}
