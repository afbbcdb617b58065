package main

import (
	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/daemon"
)

func runCommand() *cobra.Command {
	var file string
	var strict bool
	cmd := &cobra.Command{
		Use:   "run [-c FILE]",
		Short: "Run the router in the foreground",
		Long: `Runs the router until SIGTERM or Ctrl-C. Then it sends GOODBYE to every session. A
second signal ends it at once. SIGHUP reloads the config, like "runnel reload".
Logs go to standard error.

Without a config it serves the realm "realm1" to the programs of this machine: on
127.0.0.1:8080 and on a Unix socket ("runnel check --print-default").

A remote gateway must stay reachable, so the router starts even with faults. If the
config is invalid, it runs with the last one that worked, or without the files of
conf.d that have problems. It leaves out a listener, an uplink or metrics that
cannot start, and retries. The log, "runnel status", "runnel doctor" and the metric
runnel_faults report such faults. With --strict the router ends instead, with
status 3 if the config is invalid and status 1 otherwise.`,
		Example: `  runnel run
  runnel run -c gateway.toml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return daemon.Run(file, strict, version) },
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&strict, "strict", false, "exit if the config is invalid or a part of it cannot start")
	return cmd
}
