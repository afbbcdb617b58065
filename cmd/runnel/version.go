package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"runnel/boards"
	"runnel/cmd/runnel/internal/term"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, board and Go version",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return printVersion(term.Stdout, boards.Detect()) },
	}
}

func printVersion(w io.Writer, b boards.Board) error {
	var text strings.Builder
	fmt.Fprintf(&text, "runnel %s\n", version)
	fmt.Fprintf(&text, "board  %s\n", b)
	if b.Note != "" {
		fmt.Fprintf(&text, "       %s\n", b.Note)
	}
	for _, u := range b.UARTs {
		fmt.Fprintf(&text, "uart   %s\n", u)
	}
	fmt.Fprintf(&text, "built  with %s for %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	_, err := io.WriteString(w, text.String())
	return err
}
