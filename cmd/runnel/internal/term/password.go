package term

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxPassword bounds a password, in bytes.
const maxPassword = 4096

// ReadPassword asks for a password on a terminal, twice and without showing it. From anything else it reads one line.
func ReadPassword(in *os.File, prompts io.Writer) (string, error) {
	lines := bufio.NewReader(io.LimitReader(in, 2*maxPassword))
	show, isTerminal := hideTyping(in)
	if !isTerminal {
		return passwordLine(lines)
	}
	defer show()
	fmt.Fprint(prompts, "Password: ")
	password, err := passwordLine(lines)
	fmt.Fprintln(prompts)
	if err != nil {
		return "", err
	}
	fmt.Fprint(prompts, "Once more: ")
	again, err := passwordLine(lines)
	fmt.Fprintln(prompts)
	if err == nil && again != password {
		err = errors.New("read password: the two passwords differ")
	}
	return password, err
}

func passwordLine(lines *bufio.Reader) (string, error) {
	line, err := lines.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read password: %w", err)
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", errors.New("read password: it is empty")
	}
	if len(line) > maxPassword {
		return "", fmt.Errorf("read password: it is longer than %d bytes", maxPassword)
	}
	return line, nil
}
