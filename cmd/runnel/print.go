package main

import (
	"fmt"
	"io"
)

// printed prints text, unless there is an error.
func printed(w io.Writer, text string, err error) error {
	if err == nil {
		_, err = fmt.Fprintln(w, text)
	}
	return err
}
