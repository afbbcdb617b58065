package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/atomicfile"
)

// A reload by SIGHUP has no caller that could get an answer. A service therefore writes the outcome of each reload to
// its runtime directory, where "runnel reload --pid" reads it. This is the ExecReload of the unit, which must fail if
// nothing was applied. It needs no session, so it works with any permissions.

// outcome is the result of a reload.
type outcome struct {
	PID     int      `json:"pid"`
	Began   int64    `json:"began"`   // by the monotonic clock, in microseconds
	Applied bool     `json:"applied"` // if not, nothing has changed
	Invalid bool     `json:"invalid"` // the configuration is
	Lines   []string `json:"lines"`   // the changes, or the problems
}

const outcomeFile = "reload.json"

// runtimeDir is the service's directory below /run; "" if it has none.
func runtimeDir() string {
	dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
	return dir
}

// Reloading notifies the service manager of a reload's beginning. The caller calls done with the outcome.
func Reloading(log *slog.Logger) (done func(changes []string, err error)) {
	o := outcome{PID: os.Getpid(), Began: monotonic()}
	Notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", o.Began), log)
	return func(changes []string, err error) {
		status := "configuration applied"
		if o.Applied, o.Lines = err == nil, changes; err != nil {
			var problems config.Problems
			o.Invalid, o.Lines = errors.As(err, &problems), strings.Split(err.Error(), "\n")
			status = "configuration not applied: " + o.Lines[0]
		}
		if err := o.write(); err != nil {
			log.Warn("cannot write the outcome of the reload", "err", err)
		}
		Notify("READY=1\nSTATUS="+status, log)
	}
}

// write writes the outcome for Reload, if the process has a runtime directory.
func (o outcome) write() error {
	dir := runtimeDir()
	if dir == "" {
		return nil
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, outcomeFile), append(text, '\n'), 0o640)
}

// err returns the error of the reload: config.Problems if the configuration is invalid.
func (o outcome) err() error {
	if o.Applied {
		return nil
	}
	var problems config.Problems
	for _, line := range o.Lines {
		problems = append(problems, config.Problem{Text: term.Harmless(line)})
	}
	if o.Invalid {
		return problems
	}
	return errors.New(problems.Error())
}

// Reload sends SIGHUP to the router that runs as process pid, and waits for the outcome. It returns the changes.
func Reload(ctx context.Context, pid int) ([]string, error) {
	dir := runtimeDir()
	if dir == "" {
		dir = filepath.Dir(config.SystemSocket)
	}
	sent := monotonic()
	if err := signalReload(pid); err != nil {
		return nil, fmt.Errorf("signal process %d: %w%s", pid, err, withSudo(err))
	}
	for {
		o, err := readOutcome(filepath.Join(dir, outcomeFile))
		if err == nil && o.PID == pid && o.Began >= sent {
			return o.Lines, o.err()
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("reload process %d: no outcome in %s; see the router's log", pid, dir)
		}
		if !exists(pid) {
			return nil, fmt.Errorf("reload process %d: it has ended", pid)
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

// withSudo returns the remedy if only another user may signal the process, or "".
func withSudo(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "; run the command with sudo"
	}
	return ""
}
