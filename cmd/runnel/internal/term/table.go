package term

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// columns is the width of a report for people that is not printed to a terminal, such as a manual's example.
const columns = 80

// Table is a report for people: text whose columns, separated by tabs, are aligned. A block of lines without tabs ends a
// table. Programs that read it through a pipe or from a file get one line per row.
type Table struct {
	*bytes.Buffer
	to io.Writer
}

// NewTable returns a table to write to. Print sends it to w.
func NewTable(w io.Writer) Table { return Table{new(bytes.Buffer), w} }

// PrintWide writes the report and folds no line.
func (t Table) PrintWide() error {
	_, err := io.WriteString(t.to, align(t.String()))
	return err
}

// Print writes the report. It folds lines that are longer than the terminal is wide, unless standard output is read by a
// program. Only a single word can make a longer line.
func (t Table) Print() error {
	width := columns
	if ForPeople(t.to) {
		width = cmp.Or(terminalWidth(os.Stdout), columns)
	}
	var b strings.Builder
	for line := range strings.Lines(align(t.String())) {
		line = strings.TrimRight(line, " \n")
		if t.to == Stdout && !ForPeople(t.to) {
			b.WriteString(line + "\n")
		} else {
			fold(&b, line, width)
		}
	}
	_, err := io.WriteString(t.to, b.String())
	return err
}

// align pads the cells of each line with blanks. A tab ends a cell; the text after the last tab is not a cell.
func align(text string) string {
	var lines [][]string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Split(line, "\t"))
	}
	for column := 0; alignColumn(lines, column); column++ {
	}
	var b strings.Builder
	for _, cells := range lines {
		b.WriteString(strings.Join(cells, ""))
	}
	return b.String()
}

// alignColumn pads the cells of one column, and reports whether there are any. Successive lines that have a cell there share
// its width: that of the longest cell, and two blanks.
func alignColumn(lines [][]string, column int) (found bool) {
	for from := 0; from < len(lines); {
		to, width := from, 0
		for ; to < len(lines) && column < len(lines[to])-1; to++ {
			width = max(width, utf8.RuneCountInString(lines[to][column])+2)
		}
		for _, cells := range lines[from:to] {
			cells[column] += strings.Repeat(" ", width-utf8.RuneCountInString(cells[column]))
			found = true
		}
		from = to + 1
	}
	return found
}

// fold writes a line, as several lines if it is longer than width. The further ones are indented.
func fold(b *strings.Builder, line string, width int) {
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+4)
	for utf8.RuneCountInString(line) > width {
		at := blank(line, width)
		if at < 0 {
			break
		}
		b.WriteString(strings.TrimRight(line[:at], " ") + "\n")
		line = indent + strings.TrimLeft(line[at:], " ")
	}
	b.WriteString(line + "\n")
}

// blank returns the position at which a line is folded: the last blank that keeps it short enough, else the first
// blank.
func blank(line string, width int) int {
	from := len(line) - len(strings.TrimLeft(line, " "))
	at, n := -1, 0
	for i, r := range line {
		if n++; r != ' ' || i <= from {
			continue
		}
		if n > width+1 && at >= 0 {
			break
		}
		at = i
		if n > width+1 {
			break
		}
	}
	return at
}
