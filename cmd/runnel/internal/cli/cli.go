package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"runnel/edge/wamp"
)

// UsageError is an invalid command line. The program prints it with the usage, and exits with status 2.
type UsageError string

func (e UsageError) Error() string { return string(e) }

// ErrTimedOut ends a command whose --timeout has passed, with status 124.
var ErrTimedOut = errors.New("timed out")

// UntilSignal returns a context that ends at Ctrl-C or SIGTERM, and after the timeout unless that is 0.
func UntilSignal(timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if timeout <= 0 {
		return ctx, stop
	}
	timed, cancel := context.WithTimeoutCause(ctx, timeout, ErrTimedOut)
	return timed, func() { cancel(); stop() }
}

// Ending returns the error of a command that ends because its context is done: none after Ctrl-C.
func Ending(ctx context.Context) error {
	if context.Cause(ctx) == ErrTimedOut {
		return ErrTimedOut
	}
	return nil
}

// Because returns the reason why ctx has ended, because err is then only a consequence. If ctx has not ended, it
// returns err. An answer that reports a timeout also counts as a timeout.
func Because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, wamp.Timeout) {
		return ErrTimedOut
	}
	return err
}
