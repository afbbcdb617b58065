//go:build !linux

package main

import (
	"errors"
	"time"
)

// process is a running broker. Looking at one from outside needs Linux's clocks and its /proc.
type process int

// usage is the resource usage of a process at one moment.
type usage struct {
	cpu      time.Duration
	resident int64 // KiB
	written  int64
}

func (process) usage() (usage, error) {
	return usage{}, errors.New("measure a process: it needs Linux")
}
