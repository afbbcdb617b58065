package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// columns is how wide a report for people is at most; only what has no blank is wider.
const columns = 80

// table is a report with columns that are aligned, one table after the other.
type table struct {
	*tabwriter.Writer
	text *bytes.Buffer
	to   io.Writer
}

func newTable(to io.Writer) table {
	text := new(bytes.Buffer)
	return table{tabwriter.NewWriter(text, 0, 0, 2, ' ', 0), text, to}
}

// print writes the report with its long lines folded.
func (t table) print() error {
	if err := t.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(t.text.String()) {
		fold(&b, strings.TrimRight(line, " \n"))
	}
	_, err := io.WriteString(t.to, b.String())
	return err
}

// fold writes a line, as several lines if it is too long: the further ones are indented.
func fold(b *strings.Builder, line string) {
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+4)
	for utf8.RuneCountInString(line) > columns {
		at := blank(line)
		if at < 0 {
			break
		}
		b.WriteString(strings.TrimRight(line[:at], " ") + "\n")
		line = indent + strings.TrimLeft(line[at:], " ")
	}
	b.WriteString(line + "\n")
}

// blank returns where a line is to be folded: at the last blank that keeps it short enough, else at the first one.
func blank(line string) int {
	from := len(line) - len(strings.TrimLeft(line, " "))
	at, n := -1, 0
	for i, r := range line {
		if n++; r != ' ' || i <= from {
			continue
		}
		if n > columns+1 && at >= 0 {
			break
		}
		at = i
		if n > columns+1 {
			break
		}
	}
	return at
}

// counted writes "1 event", "2 events".
func counted[N int | int64 | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// times writes "once", "twice", "3 times".
func times(n uint64) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// lastError tells of an error that still matters, and how long ago it was.
func lastError(text string, at time.Time) string {
	if at.IsZero() {
		return "last error: " + harmless(text)
	}
	return fmt.Sprintf("last error, %v ago: %s", since(at), harmless(text))
}
