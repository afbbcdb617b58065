package setup

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Asker asks the user. It belongs to one goroutine.
type Asker struct {
	in    *bufio.Reader
	out   io.Writer
	quiet bool // every question has its default for an answer
}

// NewAsker returns an Asker that reads answers from in, a line each. With yes it asks nothing.
func NewAsker(in io.Reader, out io.Writer, yes bool) *Asker {
	return &Asker{bufio.NewReader(io.LimitReader(in, 64<<10)), out, yes}
}

// Text asks for a text. An empty answer, and the end of the input, mean usual. A wrong answer is asked for again.
func (a *Asker) Text(question, usual string, check func(string) error) (string, error) {
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

// Confirm asks a question of yes or no. With yes, or with an empty answer, it is yes; the end of the input is no.
func (a *Asker) Confirm(question string) (bool, error) {
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
