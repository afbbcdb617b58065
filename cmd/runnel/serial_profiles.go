package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/profiles"
	"runnel/cmd/runnel/internal/term"
)

func serialProfilesCommand() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "profiles [NAME]",
		Short: "List device profiles, or print one",
		Long: `Lists the devices that a [[serial]] table can name with profile = "NAME": those that
Runnel knows, and those in the files profiles.d/NAME.toml beside the config. With a
NAME it prints the profile as a [[serial]] table to start from.`,
		Example: `  runnel serial profiles
  runnel serial profiles sdm120 > meter.toml`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: completeProfile,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				p, err := config.FindProfile(file, args[0])
				if err != nil {
					return err
				}
				return printProfile(p, asJSON)
			}
			return listProfiles(file, asJSON)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	return cmd
}

// completeProfile completes the names of profiles.
func completeProfile(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return profiles.Names(), cobra.ShellCompDirectiveNoFileComp
}

func listProfiles(file string, asJSON bool) error {
	list, broken := config.Profiles(file)
	if broken != nil {
		fmt.Fprintf(os.Stderr, "warning: %s\n", term.SafeLines(broken.Error()))
	}
	table := term.NewTable(term.Stdout)
	if !asJSON {
		fmt.Fprintln(table, "NAME\tMODE\tDESCRIPTION")
	}
	for _, p := range list {
		if asJSON {
			if err := printProfile(&p, true); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", term.Safe(p.Name), p.Mode(), term.Safe(strings.TrimSpace(p.Description)))
	}
	if err := table.PrintWide(); err != nil || asJSON {
		return err
	}
	_, err := fmt.Fprintf(os.Stderr, "Your own profiles are files in %s: NAME.toml, as \"runnel serial profiles NAME\" prints one.\n", config.ProfileDir(file))
	return err
}

// printProfile prints a profile as configuration, or as a line of JSON.
func printProfile(p *config.Profile, asJSON bool) error {
	if !asJSON {
		_, err := fmt.Fprint(term.Stdout, term.SafeLines(p.Start()))
		return err
	}
	out := json.NewEncoder(term.Stdout)
	out.SetEscapeHTML(false)
	return out.Encode(struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Mode        string `json:"mode"`
		Config      string `json:"config"`
	}{p.Name, p.Description, p.Mode(), p.Start()})
}
