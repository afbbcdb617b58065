package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"runnel/cmd/runnel/internal/config/spelling"
)

// PlainErrors makes a command and its subcommands report mistakes in plain words: a missing or an unexpected
// argument, and for an unknown flag the one that was most likely meant.
func PlainErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return argumentError(check, cmd, args) }
	}
	cmd.SetFlagErrorFunc(flagError)
	for _, sub := range cmd.Commands() {
		PlainErrors(sub)
	}
}

// argumentError returns the error of the arguments. The first argument beyond the allowed number is unexpected.
func argumentError(check cobra.PositionalArgs, cmd *cobra.Command, args []string) error {
	err := check(cmd, args)
	if err == nil {
		return nil
	}
	for n := len(args) - 1; n >= 0; n-- {
		if check(cmd, args[:n]) == nil {
			return fmt.Errorf("unexpected argument %q", strings.ToValidUTF8(args[n], "?"))
		}
	}
	if usage := strings.Fields(cmd.Use); len(usage) > 1 && !strings.HasPrefix(usage[1], "[") {
		return fmt.Errorf("an argument is missing: %s %s", cmd.CommandPath(), strings.Join(usage[1:], " "))
	}
	return err
}

func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	slices.Sort(names)
	if near := spelling.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}
