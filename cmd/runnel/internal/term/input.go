package term

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
)

// Line is a line of input, without its end.
type Line struct {
	Text string // "" if the line is longer than the limit
	Size int    // in bytes
}

// Lines reads lines until the end of in, or of ctx. It keeps no line longer than limit bytes. The goroutine that reads may
// outlive the iteration, because the read of a terminal cannot be interrupted.
func Lines(ctx context.Context, in io.Reader, limit int) iter.Seq2[Line, error] {
	lines, ended := make(chan Line), make(chan error, 1)
	go func() {
		defer close(lines)
		r := bufio.NewReaderSize(in, 64<<10)
		for {
			line, err := readLine(r, limit)
			if err == nil || line.Size > 0 {
				select {
				case lines <- line:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	return func(yield func(Line, error) bool) {
		for {
			select {
			case <-ctx.Done():
				return
			case line, ok := <-lines:
				if !ok {
					if err := <-ended; err != io.EOF {
						yield(line, fmt.Errorf("read standard input: %w", err))
					}
					return
				}
				if !yield(line, nil) {
					return
				}
			}
		}
	}
}

// readLine reads up to the end of a line. It keeps no more than limit bytes of it.
func readLine(r *bufio.Reader, limit int) (line Line, err error) {
	var text []byte
	for {
		var part []byte
		part, err = r.ReadSlice('\n')
		line.Size += len(part)
		if len(text) <= limit {
			text = append(text, part...)
		}
		if err != bufio.ErrBufferFull {
			break
		}
	}
	if err == nil {
		line.Size-- // the line's end
	}
	if line.Size <= limit {
		line.Text = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	}
	return line, err
}
