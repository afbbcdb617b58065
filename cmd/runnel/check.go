package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/explain"
	"runnel/cmd/runnel/internal/node"
	"runnel/cmd/runnel/internal/term"
)

func checkCommand() *cobra.Command {
	var file string
	var printDefault, explaining bool
	var realm, match string
	cmd := &cobra.Command{
		Use:   "check [-c FILE]",
		Short: "Check a config, or explain what it permits",
		Long: `Reads a config as "runnel run" would, with the conf.d/*.toml beside it, and prints
every problem with file, line, key and remedy. It starts nothing. The exit status is
0 if the config is valid, else 3. For an invalid config it also names the
configuration with which a router would start.

With --explain it shows whether a session may do something. AUTHID is the authid of a
principal, a serial line or a listener, or "anonymous", or "anonymous at URL" for a
listener that gives anonymous sessions a role of its own, or "role:NAME". ACTION is
publish, subscribe, call or register. The command names the permission that decides,
with file and line. The exit status is 0 if the action is allowed, 1 if not.`,
		Example: `  runnel check
  runnel check -c gateway.toml
  runnel check --print-default > gateway.toml   a file to start from
  runnel check --explain pump-7 publish com.example.pump.7.pressure
  runnel check --explain anonymous subscribe com.example. --match prefix`,
		Args: func(cmd *cobra.Command, args []string) error {
			if explaining {
				return cobra.ExactArgs(3)(cmd, args)
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if explaining {
				return checkPermission(file, realm, match, args)
			}
			if printDefault {
				_, err := fmt.Fprint(term.Stdout, config.Default)
				return err
			}
			return check(file)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&printDefault, "print-default", false, "print the built-in default instead")
	cmd.Flags().BoolVar(&explaining, "explain", false, "say whether AUTHID may do ACTION at URI, and which setting decides")
	cmd.Flags().StringVar(&realm, "realm", "", "`NAME` of the realm to explain, if there are several")
	cmd.Flags().StringVar(&match, "match", "exact", "explain a pattern: exact, prefix or wildcard")
	return cmd
}

func checkPermission(file, realm, match string, args []string) error {
	m, err := config.ParseMatch(match)
	if err != nil {
		return cli.UsageError("--match: " + err.Error())
	}
	c, err := node.Load(file)
	if err != nil {
		return err
	}
	err = explain.Permission(c, realm, m, args, term.Stdout)
	var question explain.QuestionError
	if errors.As(err, &question) {
		return cli.UsageError(question.Error())
	}
	return err
}

// configFlag adds the flag -c.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "configuration `FILE` (default: /etc/runnel/runnel.toml, else the built-in default)")
}

func check(file string) error {
	c, err := node.Load(file)
	if c != nil {
		for _, w := range c.Warnings {
			fmt.Fprintf(os.Stderr, "warning: %v\n", w)
		}
	}
	if problems := (config.Problems)(nil); errors.As(err, &problems) {
		fmt.Fprintln(os.Stderr, problems) // each line begins with a file's name, the format that editors parse
		fmt.Fprintln(term.Stdout, untilValid(file))
		return errInvalid
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(term.Stdout, "%s is valid: %s, %s, %s, %s\n", c.Name, term.Count(len(c.Realms), "realm"), term.Count(len(c.Listens), "listener"),
		term.Count(len(c.Serials), "serial line"), term.Count(len(c.Uplinks), "uplink"))
	return err
}

// errInvalid ends "runnel check" with status 3 after it has printed the problems.
var errInvalid = errors.New("invalid")

// untilValid describes what a router does with an invalid configuration, and the next step.
func untilValid(file string) string {
	name := config.File(file)
	c, err := config.LoadFallback(file, node.CheckUplink)
	if err != nil {
		return fmt.Sprintf("%s is invalid, and no router can start with it. A running router goes on with the configuration that it has.", name)
	}
	start := "leaves out what fails"
	if c.Fallback != nil {
		start = "uses " + c.Fallback.Describe()
	}
	return fmt.Sprintf("%s is invalid. A running router goes on with the configuration that it has; a start %s. Correct the files, then: runnel reload", name, start)
}
