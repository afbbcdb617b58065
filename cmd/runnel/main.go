// Command runnel is a WAMP router for the edge, and the tools to look into one. "runnel help" lists its commands.
// Each has its own file here, which parses its flags, calls a package below internal and prints. internal/config
// reads the configuration; internal/node makes a running router of it.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/explain"
	"runnel/cmd/runnel/internal/durables"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
)

// version is set by the linker, see the Makefile.
var version = "development"

// Exit statuses.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitConfig   = 3
	exitTimedOut = 124
)

func main() {
	// With SIGPIPE caught, a closed standard output is an error of the write, and the command ends without a message.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(execute(os.Args[1:]))
}

// execute runs the command line and returns the exit status.
func execute(args []string) int {
	root, started := rootCommand()
	root.SetArgs(cli.MaskNumbers(root, args))
	cmd, err := root.ExecuteC()
	if err == nil || errors.Is(err, term.ErrClosed) {
		return exitDone
	}
	if err == explain.ErrDenied || err == errUnhealthy {
		return exitFailed
	}
	if err == errInvalid {
		return exitConfig
	}
	var usage cli.UsageError
	if !*started || errors.As(err, &usage) {
		fmt.Fprintf(os.Stderr, "runnel: %s\nUsage: %s\nTry \"%s --help\".\n", term.SafeLines(err.Error()), cmd.UseLine(), cmd.CommandPath())
		return exitUsage
	}
	var problems config.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(os.Stderr, err) // each line begins with a file's name, the format that editors parse
		return exitConfig
	}
	if refused := (remote.Error{}); errors.As(err, &refused) {
		fmt.Fprintln(os.Stderr, term.Safe(err.Error())) // the URI comes first, which helps scripts
		return exitFailed
	}
	fmt.Fprintf(os.Stderr, "runnel: %s\n", term.SafeLines(err.Error()))
	if errors.Is(err, cli.ErrTimedOut) {
		return exitTimedOut
	}
	return exitFailed
}

// rootCommand makes the tree of commands. After Execute, started reports whether a command has run: an earlier error
// is a usage error.
func rootCommand() (root *cobra.Command, started *bool) {
	started = new(bool)
	root = &cobra.Command{
		Use:   "runnel",
		Short: "A WAMP router for the edge",
		Long: `Runnel is a WAMP router for the edge: local programs reach it over a Unix socket,
browsers over WebSocket, microcontrollers over a serial line, and it links its
realms to a central router.`,
		Example: `  runnel demo                                   see all of it at work
  runnel run                                    start a router on this machine
  runnel sub com.example. --match prefix        print what is published
  runnel pub com.example.weather 21.5           publish
  runnel call com.example.add 2 3               call a procedure`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.FlagsFromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			if err := cli.NotNegative(cmd, "timeout", "count", "for", "each", "baud"); err != nil {
				return err
			}
			if cmd.Root().PersistentFlags().Changed("node") && cmd.LocalNonPersistentFlags().Lookup("node") == nil {
				return cli.UsageError("--node is for status, doctor, reload, queue and fleet apply")
			}
			*started = true
			return nil
		},
	}
	root.AddCommand(initCommand(), runCommand(), checkCommand(), doctorCommand(), reloadCommand(), passwdCommand(), keygenCommand(), demoCommand(), subCommand(), pubCommand(), callCommand(), regCommand(),
		serialCommand(), tokenCommand(), fleetCommand(), statusCommand(), queueCommand(), durables.Command(version), versionCommand(), manCommand())
	root.Version = version                        // a custom template would link text/template, and with it 1.7 MB of methods
	root.PersistentFlags().String("node", "", "") // so that it may precede the command, which also has the flag
	root.PersistentFlags().MarkHidden("node")
	root.SetHelpCommand(cli.HelpCommand())
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.HasSubCommands() {
			cli.OnlySubcommands(cmd)
		}
	}
	cli.PlainErrors(root)
	return root, started
}
