package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/spelling"
)

// OnlySubcommands makes a command that does nothing by itself report a missing or unknown subcommand.
func OnlySubcommands(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var names []string
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
		if len(args) == 0 {
			return UsageError(cmd.CommandPath() + ": a command is missing; use " + config.OneOf(names...))
		}
		meant := ""
		if near := spelling.Nearest(args[0], names); near != "" {
			meant = fmt.Sprintf("did you mean %q? ", near)
		}
		return UsageError(fmt.Sprintf("%s: unknown command %q; %suse %s", cmd.CommandPath(), strings.ToValidUTF8(args[0], "?"), meant, config.OneOf(names...)))
	}
}

// HelpCommand is cobra's help command, except that an unknown topic is a usage error.
func HelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || about == nil || len(rest) > 0 {
				return UsageError(fmt.Sprintf("unknown command %q; \"runnel help\" lists the commands", strings.Join(args, " ")))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// NotNegative returns an error if one of the named flags is a negative number or duration.
func NotNegative(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if flag := cmd.Flags().Lookup(name); flag != nil && strings.HasPrefix(flag.Value.String(), "-") {
			return UsageError(fmt.Sprintf("--%s %s is negative", name, flag.Value))
		}
	}
	return nil
}
