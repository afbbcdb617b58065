package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"runnel/cmd/runnel/internal/term"
)

// PrintJSON writes the report as one JSON object.
func (r *Report) PrintJSON(w io.Writer) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", text)
	}
	return err
}

// Print writes the report as text: each finding with its remedy below it, and the verdict.
func (r *Report) Print(w io.Writer) error {
	counted := 0
	for _, f := range r.Findings {
		if f.Level != Note {
			counted++
		}
		object := ""
		if f.Object != "" {
			object = f.Object + ": "
		}
		fmt.Fprintf(w, "%s: %s: %s\n", f.Level, f.Check, term.Safe(object+f.Text))
		if f.Remedy != "" {
			fmt.Fprintf(w, "    %s\n", strings.ReplaceAll(term.SafeLines(f.Remedy), "\n", "\n    "))
		}
	}
	verdict := "healthy"
	if counted > 0 {
		verdict = term.Count(counted, "finding")
	}
	_, err := fmt.Fprintf(w, "%s: %s (checked: %s)\n", r.Config, verdict, strings.Join(r.Checks, ", "))
	return err
}
