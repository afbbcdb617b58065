package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// ReadAnswer decodes the JSON with which a procedure has answered into answer, a pointer. Numbers in payloads keep their form:
// 1 is not 1.0.
func ReadAnswer(procedure, text string, answer any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(answer)
	if _, end := d.Token(); err == nil && end != io.EOF {
		err = errors.New("there is more text after the value")
	}
	if err != nil {
		return fmt.Errorf("%s: cannot read the answer: %w", procedure, err)
	}
	return nil
}
