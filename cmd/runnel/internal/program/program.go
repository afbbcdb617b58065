// Package program answers calls by running a program: "runnel reg --exec".
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// Program is run for each call.
type Program struct {
	path string
	args []string // the program's own arguments, before the call's
}

// Find looks for command in PATH: a program or, if there is none of this name, a program and arguments separated by spaces.
func Find(command string, args []string) (Program, error) {
	path, err := exec.LookPath(command)
	if err == nil {
		return Program{path, args}, nil
	}
	words := strings.Fields(command)
	if len(words) < 2 {
		return Program{}, fmt.Errorf("--exec: %w", err)
	}
	if path, err = exec.LookPath(words[0]); err != nil {
		return Program{}, fmt.Errorf("--exec: %w", err)
	}
	return Program{path, append(words[1:], args...)}, nil
}

const (
	errorExec = wamp.Failure("runnel.error.exec")

	maxOutput = 1 << 20 // bytes that a program may print; more is an error
	maxErrors = 4 << 10 // bytes kept of the end of its standard error

	// killWait bounds the wait for the output of a killed program. A child process may hold it open.
	killWait = time.Second
)

// Answer runs the program for one call. Canceling ctx kills it.
func (p Program) Answer(ctx context.Context, i *client.Invocation) (client.Payload, error) {
	args, kwargs, err := i.Decode()
	if err != nil {
		return client.Payload{}, fmt.Errorf("%w: %w", wamp.InvalidArgument, err)
	}
	cmd, err := p.command(ctx, i.Procedure(), args, kwargs)
	if err != nil {
		return client.Payload{}, fmt.Errorf("%w: %w", wamp.InvalidArgument, err)
	}
	stdout, stderr := &head{max: maxOutput}, &tail{max: maxErrors}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Run(); err != nil {
		return client.Payload{}, p.failure(ctx, err, stderr)
	}
	if stdout.cut {
		return client.Payload{}, client.NewError(wamp.PayloadSizeExceeded.Error(), fmt.Sprintf("%s printed more than %d bytes", p.path, maxOutput))
	}
	return result(stdout.kept), nil
}

func (p Program) command(ctx context.Context, procedure string, args []any, kwargs map[string]any) (*exec.Cmd, error) {
	object := map[string]any{"procedure": procedure}
	term.AddPayload(object, args, kwargs)
	input, err := term.JSONText(object)
	if err != nil {
		return nil, err
	}
	argv := append([]string(nil), p.args...)
	for _, arg := range args {
		text, err := argument(arg)
		if err != nil {
			return nil, err
		}
		argv = append(argv, text)
	}
	cmd := exec.CommandContext(ctx, p.path, argv...)
	cmd.Stdin = strings.NewReader(input + "\n")
	cmd.Env = append(os.Environ(), "RUNNEL_PROCEDURE="+procedure)
	cmd.WaitDelay = killWait
	alone(cmd)
	return cmd, nil
}

// argument writes an argument for a program's command line.
func argument(value any) (string, error) {
	text, ok := value.(string)
	if !ok {
		return term.ValueText(value)
	}
	if strings.ContainsRune(text, 0) {
		return "", errors.New("a string that holds NUL can't be a program's argument")
	}
	return text, nil
}

func result(output []byte) client.Payload {
	output = bytes.TrimRight(output, "\r\n")
	if len(output) == 0 {
		return client.Payload{}
	}
	if value, ok := term.ParseJSON(output); ok {
		return client.Args(value)
	}
	return client.Args(strings.ToValidUTF8(string(output), "\uFFFD"))
}

// failure returns the caller's error for a program that has failed.
func (p Program) failure(ctx context.Context, err error, stderr *tail) error {
	if ctx.Err() != nil {
		return wamp.Canceled
	}
	text := strings.TrimSpace(strings.ToValidUTF8(string(stderr.kept), "\uFFFD"))
	if text == "" {
		text = err.Error()
	}
	failed := client.NewError(errorExec.Error(), text)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		failed = client.NewError(errorExec.Error(), text, map[string]any{"exit": exit.ExitCode()})
	}
	return failed
}

// head keeps the beginning of its input. It has no ReadFrom: io.Copy would use it instead of Write.
type head struct {
	kept []byte
	max  int
	cut  bool
}

func (h *head) Write(p []byte) (int, error) {
	taken := min(len(p), h.max-len(h.kept))
	h.kept = append(h.kept, p[:taken]...)
	h.cut = h.cut || taken < len(p)
	return len(p), nil
}

// tail keeps the end of its input.
type tail struct {
	kept []byte
	max  int
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.max; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}
