package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"runnel/boards"
	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/node"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/setup"
	"runnel/cmd/runnel/internal/term"
)

func initCommand() *cobra.Command {
	i := setup.Init{Out: term.Stdout}
	var yes bool
	var token string
	var listens, centres []string
	cmd := &cobra.Command{
		Use:   "init [gateway|centre|standalone]",
		Short: "Write a complete configuration",
		Long: `Writes a complete configuration with roles, listeners and keys, and a comment on
each table. It asks for values that no flag sets; with --yes it uses the defaults.

  gateway      serves devices and programs here, and links to a centre
  centre       gateways link to it over TLS; init creates its certificate
  standalone   serves this machine only

A configuration that was edited is replaced only with --force, which keeps it as
FILE.old. Existing keys are used, not replaced. The new configuration is checked
together with the files of conf.d before it is written. A router that runs with
it reloads it.

With --token the gateway enrols at its centre: it joins once with a token that
"runnel token new" created there, and registers its public key.`,
		Example: `  runnel init
  runnel init centre --yes
  runnel init gateway --centre tls://centre.local:8443 --pin SHA256 --token TOKEN
  runnel init standalone -c ./runnel.toml --yes`,
		Args: cobra.MaximumNArgs(1), ValidArgs: setup.Kinds,
		RunE: func(_ *cobra.Command, args []string) error {
			i.Kind = strings.Join(args, "")
			i.Listen, i.Centres = splitURLs(listens), splitURLs(centres)
			if err := withToken(&i, token); err != nil {
				return err
			}
			return runInit(&i, setup.NewPrompter(os.Stdin, os.Stderr, yes))
		},
	}
	configFlag(cmd, &i.File)
	cmd.Flags().Lookup("config").Usage = "configuration `FILE` to write (default: /etc/runnel/runnel.toml)"
	f := cmd.Flags()
	f.BoolVarP(&yes, "yes", "y", false, "ask nothing and use the defaults")
	f.BoolVar(&i.Force, "force", false, "replace a configuration that was edited, and keep it as FILE.old")
	f.StringVar(&i.ID, "id", "", "`ID` of this node (default: the host name)")
	f.StringVar(&i.Realm, "realm", "", "`NAME` of the realm (default: realm1)")
	f.StringVar(&i.Prefix, "prefix", "", "`PREFIX` of the application's URIs (default: com.example.)")
	f.StringArrayVar(&listens, "listen", nil, "`URL` to listen at instead of the defaults; separate several with commas")
	f.BoolVar(&i.OpenNetwork, "open-network", false, "let peers of the network join without authentication, with the role sensor")
	f.StringArrayVar(&centres, "centre", nil, "`URL` of a gateway's centre; several, separated by commas, are tried in turn")
	f.StringVar(&i.Remote, "remote-realm", "", "`NAME` of the realm at the centre (default: as here)")
	f.StringVar(&i.Pin, "pin", "", "`SHA256` of the centre's certificate or public key")
	f.StringVar(&i.CA, "ca", "", "`FILE` with the certificate authorities that may sign the centre's certificate")
	f.StringVar(&token, "token", "", "`TOKEN` of the centre, with which the gateway enrols there (a literal, file:PATH or env:NAME)")
	f.StringVar(&i.Certificate, "certificate", "", "`FILE` with the certificate of tls:// listeners (default: init creates one)")
	f.StringVar(&i.CertificateKey, "certkey", "", "`FILE` with the certificate's key")
	return cmd
}

// splitURLs returns the URLs of a flag that may be repeated and may hold several URLs separated by commas. It returns
// nil if the flag is missing, and an empty list if it is empty.
func splitURLs(values []string) []string {
	if values == nil {
		return nil
	}
	urls := []string{}
	for _, value := range values {
		if value != "" {
			urls = append(urls, strings.Split(value, ",")...)
		}
	}
	return urls
}

// withToken sets i.Enrol, so that the gateway enrols at its centre with the token.
func withToken(i *setup.Init, token string) error {
	if token == "" {
		return nil
	}
	text, err := config.NewSecret(token).Value()
	if err != nil {
		return fmt.Errorf("read token: %w", err)
	}
	if _, _, err := fleet.ParseToken(text); err != nil {
		return cli.UsageError("--token: " + err.Error())
	}
	i.Enrol = func(e setup.Enrolment) error {
		ctx, stop := cli.UntilSignal(0)
		defer stop()
		n, err := fleet.Join(ctx, text, fleet.Request{Node: e.Node, Key: e.PublicKey, Board: boards.Detect().String(), Version: version}, e.Uplink, "runnel/"+version)
		if err == nil {
			fmt.Fprintf(term.Stdout, "enrolled at the centre as %s, with the role %s\n", n.ID, n.Role)
		}
		return err
	}
	return nil
}

func runInit(i *setup.Init, ask *setup.Prompter) error {
	i.Check = node.CheckUplink
	if err := i.Complete(ask); err != nil {
		return cli.UsageError(err.Error())
	}
	if i.Enrol != nil && i.Kind != setup.Gateway {
		return cli.UsageError("--token is for a gateway: runnel init gateway")
	}
	before, _ := config.Load(i.File, nil) // on an error no router runs with it
	c, err := i.Run()
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(os.Stderr, "warning: %v\n", w)
	}
	lines, url, err := remote.ReloadRunning(version, before, c)
	switch {
	case errors.Is(err, remote.ErrNoRouter):
		_, err = fmt.Fprintf(term.Stdout, "\nStart the router:\n\n  %s\n", i.NextCommand())
		return err
	case err != nil:
		return fmt.Errorf("reload the router at %s: %w; the configuration is written, so restart the router (%s)", url, err, i.NextCommand())
	}
	if len(lines) == 0 {
		_, err = fmt.Fprintf(term.Stdout, "\nThe router at %s runs with it already.\n", url)
		return err
	}
	fmt.Fprintf(term.Stdout, "\nThe router at %s has applied it:\n", url)
	for _, line := range lines {
		fmt.Fprintln(term.Stdout, "  "+line)
	}
	return nil
}
