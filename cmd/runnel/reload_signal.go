package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config"
)

// A reload by SIGHUP has no caller to answer. So a service leaves how each reload went in its runtime directory, where
// "runnel reload --pid" reads it: the ExecReload of the unit, which is to fail when nothing was applied. It needs no session,
// so it works whatever the configuration lets callers do.

// outcome is how a reload went.
type outcome struct {
	PID     int      `json:"pid"`
	Began   int64    `json:"began"`   // of the monotonic clock, in microseconds
	Applied bool     `json:"applied"` // else nothing has changed
	Invalid bool     `json:"invalid"` // the configuration is
	Lines   []string `json:"lines"`   // what has changed, or what is wrong
}

const outcomeFile = "reload.json"

// runtimeDir is the service's directory below /run; "" if there is none.
func runtimeDir() string {
	dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	return dir
}

// leave writes the outcome for those who wait for it.
func (o outcome) leave() error {
	dir := runtimeDir()
	if dir == "" {
		return nil
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, outcomeFile)
	if err := os.WriteFile(file+".new", append(text, '\n'), 0o640); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// err is what runnel reload exits with.
func (o outcome) err() error {
	if o.Applied {
		return nil
	}
	var problems config.Problems
	for _, line := range o.Lines {
		problems = append(problems, config.Problem{Text: harmless(line)})
	}
	if o.Invalid {
		return problems
	}
	return errors.New(problems.Error())
}

// reloadProcess has the router that is process pid reload, and waits for the outcome.
func reloadProcess(ctx context.Context, pid int) ([]string, error) {
	dir := runtimeDir()
	if dir == "" {
		dir = filepath.Dir(config.SystemSocket)
	}
	asked := monotonic()
	if err := hangUp(pid); err != nil {
		return nil, fmt.Errorf("signal process %d: %w", pid, err)
	}
	for {
		o, err := readOutcome(filepath.Join(dir, outcomeFile))
		if err == nil && o.PID == pid && o.Began >= asked {
			return o.Lines, o.err()
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("process %d has not told in %s how the reload went; its log does", pid, dir)
		}
		if !exists(pid) {
			return nil, fmt.Errorf("process %d has ended", pid)
		}
	}
}

func readOutcome(file string) (o outcome, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return o, err
	}
	return o, json.Unmarshal(text, &o)
}

// processID parses what a unit passes as $MAINPID.
func processID(text string) (int, error) {
	pid, err := strconv.Atoi(text)
	if err != nil || pid <= 1 {
		return 0, usageError(fmt.Sprintf("--pid: %q is not the id of a process", text))
	}
	return pid, nil
}
