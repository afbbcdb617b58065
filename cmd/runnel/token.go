package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Manage the tokens with which gateways enrol at this centre",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(tokenNewCommand(), listCommand("List the tokens, without their secrets", fleet.TokenList, fleet.PrintTokens), tokenRevokeCommand())
	return cmd
}

func tokenNewCommand() *cobra.Command {
	var p remote.Router
	var role string
	var uses int
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "new --role ROLE",
		Short: "Create a token and print it",
		Long: `Creates a token with which gateways enrol at the running router. Each gateway joins
with it once and registers its public key. From then on it joins with its key, and
has the token's role. The token is printed only once: the router stores a verifier,
not the token.`,
		Example: `  runnel token new --role gateway
  runnel token new --role gateway --uses 200 --expires 24h
  runnel init gateway --centre tls://centre.local:8443 --pin SHA256 --token TOKEN     at the gateway`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if role == "" {
				return cli.UsageError("--role is missing; name the role of the gateways, like --role gateway")
			}
			if uses < 1 || uses > fleet.MostUses {
				return cli.UsageError(fmt.Sprintf("--uses must be 1 to %d", fleet.MostUses))
			}
			if expires < time.Second || expires > fleet.LongestLife {
				return cli.UsageError(fmt.Sprintf("--expires must be 1s to %v", fleet.LongestLife))
			}
			var made struct {
				Token string
				About fleet.TokenReport
			}
			seconds := int64((expires + time.Second - 1) / time.Second)
			err := p.Read(fleet.TokenNew, map[string]any{"role": role, "uses": uses, "expires": seconds}, &made)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "token %s: role %s, %s, until %s\n", made.About.ID, made.About.Role, term.Count(made.About.Uses, "use"), made.About.Expires.Local().Format(time.DateTime))
			_, err = fmt.Fprintln(term.Stdout, made.Token)
			return err
		},
	}
	p.Flags(cmd, version)
	cmd.Flags().StringVar(&role, "role", "", "`NAME` of the role of the gateways")
	cmd.Flags().IntVar(&uses, "uses", 1, "number of gateways that may enrol with the token")
	cmd.Flags().DurationVar(&expires, "expires", 24*time.Hour, "how long the token is valid")
	return cmd
}

func tokenRevokeCommand() *cobra.Command {
	var p remote.Router
	cmd := &cobra.Command{
		Use:   "revoke TOKEN",
		Short: "Remove a token; gateways that have enrolled with it stay enrolled",
		Long: `Removes a token, named by its id as "runnel token ls" prints it, or by the token
itself. Gateways that enrolled with it stay enrolled; "runnel fleet forget" removes one.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id := args[0]
			if whole, _, err := fleet.ParseToken(id); err == nil {
				id = whole
			}
			if err := p.Read(fleet.TokenRevoke, nil, nil, id); err != nil {
				return err
			}
			_, err := fmt.Fprintf(term.Stdout, "token %s revoked\n", id)
			return err
		},
	}
	p.Flags(cmd, version)
	return cmd
}
