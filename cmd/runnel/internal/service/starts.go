package service

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Starts counts the starts of a service whose process soon ends again, and delays each start longer than the previous
// one. systemd before 254 and procd can restart a service only after a fixed time. The count is a file in the runtime
// directory, which the service manager keeps from one automatic restart to the next. Without that directory nothing
// is counted.
type Starts struct {
	file  string // "" if there is no runtime directory
	ended int    // earlier processes that ended soon after their start, one after the other
}

const (
	startsFile = "starts"

	// settleTime is how long a router must run after it listens. If it ends earlier, its start counts as failed.
	settleTime = time.Minute

	// restartTime is the time after which the service manager restarts the service: RestartSec of the unit.
	restartTime = 5 * time.Second

	// longestPause is the longest time between the end of a process and its successor's start.
	longestPause = 5 * time.Minute
)

// Started counts a start of this process.
func Started(log *slog.Logger) *Starts {
	dir := runtimeDir()
	if dir == "" {
		return &Starts{}
	}
	s := &Starts{file: filepath.Join(dir, startsFile)}
	if text, err := os.ReadFile(s.file); err == nil {
		s.ended, _ = strconv.Atoi(strings.TrimSpace(string(text))) // 0 if the file is damaged
	}
	if err := os.WriteFile(s.file, []byte(strconv.Itoa(max(s.ended, 0)+1)), 0o600); err != nil {
		log.Warn("cannot count the starts of the service", "err", err)
	}
	return s
}

// Pause returns how long this process must wait before it starts. With the service manager's own pause, the time
// doubles with each failed start, from restartTime to longestPause.
func (s *Starts) Pause() time.Duration {
	if s.ended < 1 {
		return 0
	}
	return min(restartTime<<min(s.ended-1, 10), longestPause) - restartTime
}

// Ended returns how many processes in a row have ended soon after their start.
func (s *Starts) Ended() int { return s.ended }

// Settle ends the count once the router has run for a while. It returns at once.
func (s *Starts) Settle() { time.AfterFunc(settleTime, s.Reset) }

// Reset ends the count: the process was stopped, or it runs well.
func (s *Starts) Reset() {
	if s.file == "" {
		return
	}
	if err := os.Remove(s.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		slog.Warn("cannot reset the count of starts", "err", err)
	}
}
