package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// process is a running broker, looked at from outside.
type process int

// cpu is the CPU time that the process has spent, in all its threads, user and system. It reads the process's own clock,
// which counts nanoseconds; /proc counts ticks of 10 ms.
func (p process) cpu() (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED in the kernel's encoding of a process's clock
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^int(p)<<3|schedClock), &t); err != nil {
		return 0, fmt.Errorf("read the CPU clock of process %d: %w", p, err)
	}
	return time.Duration(t.Nano()), nil
}

// resident is the memory that the process holds, in KiB.
func (p process) resident() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(status, []byte("VmRSS:"))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, fmt.Errorf("process %d has no resident memory", p)
	}
	return strconv.ParseInt(string(fields[0]), 10, 64)
}

// written is the number of bytes that the process has caused to be written to disk: whole pages of the page cache.
func (p process) written() (int64, error) {
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", p))
	if err != nil {
		return 0, err
	}
	_, rest, ok := bytes.Cut(io, []byte("\nwrite_bytes:"))
	fields := bytes.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, fmt.Errorf("process %d has no count of bytes written", p)
	}
	return strconv.ParseInt(string(fields[0]), 10, 64)
}

// usage is the resource usage of a process at one moment.
type usage struct {
	cpu      time.Duration
	resident int64 // KiB
	written  int64 // bytes that the process has caused to be written to disk
}

func (p process) usage() (u usage, err error) {
	if u.cpu, err = p.cpu(); err != nil {
		return u, err
	}
	if u.resident, err = p.resident(); err != nil {
		return u, err
	}
	u.written, err = p.written()
	return u, err
}
