package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	var file string
	var printDefault bool
	cmd := &cobra.Command{
		Use:   "check [-c FILE]",
		Short: "Say whether a config is valid",
		Long: `Reads a config as "runnel run" would, with the conf.d/*.toml beside it, and names
all that is wrong with it: file, line, key, what is wrong and what to do. It
starts nothing. The exit status is 0 if the config is valid, else 3.`,
		Example: `  runnel check
  runnel check -c gateway.toml
  runnel check --print-default > gateway.toml   a file to start from`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if printDefault {
				_, err := fmt.Fprint(stdout, defaultConfig)
				return err
			}
			return check(file)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&printDefault, "print-default", false, "print the built-in default instead")
	return cmd
}

// configFlag adds -c.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "", "configuration `FILE` (default: /etc/runnel/runnel.toml, else the built-in default)")
}

func check(file string) error {
	c, err := loadConfig(file)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s is valid: %s, %s, %s, %s\n", c.Name, count(len(c.Realms), "realm"), count(len(c.Listens), "listener"),
		count(len(c.Serials), "serial line"), count(len(c.Uplinks), "uplink"))
	return err
}

// count writes "no listeners", "1 listener", "2 listeners".
func count(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun + "s"
	case 1:
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
