package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/report"
	"runnel/cmd/runnel/internal/term"
)

func statusCommand() *cobra.Command {
	var p remote.Router
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show sessions, uplinks and serial lines of a running router",
		Long: `Shows the state of a running router, by calling runnel.status in the realm. The
realm's permissions must allow that call; the built-in default does over the
Unix socket.`,
		Example: `  runnel status
  runnel status --json --url unix:///run/runnel/runnel.sock`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return askStatus(&p, asJSON, term.Stdout) },
	}
	p.Flags(cmd, version)
	p.NodeFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func askStatus(p *remote.Router, asJSON bool, w io.Writer) error {
	text, err := p.Ask(report.ProcedureStatus)
	if err != nil || asJSON {
		return term.PrintLine(w, text, err)
	}
	var s report.Status
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("call %s: cannot read the answer: %w", report.ProcedureStatus, err)
	}
	return s.Print(w)
}
