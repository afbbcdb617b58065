package setup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Prompter asks the user questions. It must be used from one goroutine.
type Prompter struct {
	in    *bufio.Reader
	out   io.Writer
	quiet bool // answers every question with its default
}

// NewPrompter returns a Prompter that reads one answer per line from in. With yes it asks nothing.
func NewPrompter(in io.Reader, out io.Writer, yes bool) *Prompter {
	return &Prompter{bufio.NewReader(io.LimitReader(in, 64<<10)), out, yes}
}

// Text asks for a text. An empty answer and the end of the input select usual. Text repeats the question while check rejects
// the answer.
func (a *Prompter) Text(question, usual string, check func(string) error) (string, error) {
	for !a.quiet {
		fmt.Fprint(a.out, question)
		if usual != "" {
			fmt.Fprintf(a.out, " [%s]", usual)
		}
		fmt.Fprint(a.out, ": ")
		line, err := a.in.ReadString('\n')
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return "", fmt.Errorf("read answer: %w", err)
		}
		answer := strings.TrimSpace(line)
		if ended && line == "" {
			a.quiet = true
			fmt.Fprintln(a.out)
		}
		if answer == "" {
			answer = usual
		}
		if err := check(answer); err == nil {
			return answer, nil
		} else if a.quiet || ended {
			return "", err
		} else {
			fmt.Fprintln(a.out, err)
		}
	}
	return usual, check(usual)
}

// Confirm asks a yes-or-no question. An empty answer or the flag --yes means yes. The end of the input means no.
func (a *Prompter) Confirm(question string) (bool, error) {
	if a.quiet {
		return true, nil
	}
	for {
		fmt.Fprintf(a.out, "%s [Y/n]: ", question)
		line, err := a.in.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return false, fmt.Errorf("read answer: %w", err)
		}
		switch answer := strings.ToLower(strings.TrimSpace(line)); {
		case err != nil && answer == "":
			fmt.Fprintln(a.out)
			return false, nil
		case answer == "", answer == "y", answer == "yes":
			return true, nil
		case answer == "n", answer == "no":
			return false, nil
		case err != nil:
			return false, nil
		}
	}
}
