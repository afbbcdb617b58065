package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/rollout"
	"runnel/cmd/runnel/internal/term"
)

func fleetApplyCommand() *cobra.Command {
	var p remote.Router
	var o rollout.Options
	var pattern, name string
	cmd := &cobra.Command{
		Use:   "apply FILE --node PATTERN",
		Short: "Send a file of conf.d to nodes, which check and apply it",
		Long: `Sends a file to the conf.d of all nodes whose id matches the pattern. Each node
checks the file together with its other files and reloads. A problem is printed
with file and line, and changes nothing. If the link to this centre does not come
back in time, the node rolls the file back by itself, also after a power cut.

It prints a line for each node. The exit status is 1 if one of them has not applied
the file. A node takes files if its [[uplink]] has remote = true.`,
		Example: `  runnel fleet apply serial.toml --node 'gw-*' --dry-run
  runnel fleet apply serial.toml --node 'gw-*' --parallel 16`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			if _, err := filepath.Match(pattern, ""); err != nil || pattern == "" {
				return cli.UsageError(fmt.Sprintf("--node %q: write an id, or a pattern such as 'gw-*'", pattern))
			}
			if o.Parallel < 1 || o.Parallel > 256 {
				return cli.UsageError(fmt.Sprintf("--parallel %d: use 1 to 256", o.Parallel))
			}
			if o.After < time.Second || o.After > time.Hour {
				return cli.UsageError(fmt.Sprintf("--rollback-after %v: use 1s to 1h", o.After))
			}
			if o.Name = name; name == "" {
				o.Name = filepath.Base(args[0])
			}
			o.Text = string(text)
			var nodes []fleet.NodeReport
			if err := p.Read(fleet.NodeList, nil, &nodes); err != nil {
				return err
			}
			for _, n := range nodes {
				if matches, _ := filepath.Match(pattern, n.ID); matches {
					o.Nodes = append(o.Nodes, n.ID)
				}
			}
			if len(o.Nodes) == 0 {
				return fmt.Errorf("no node matches %q; runnel fleet ls lists them", pattern)
			}
			ctx, stop := cli.UntilSignal(0)
			defer stop()
			return rollout.Run(ctx, &p, o, term.Stdout)
		},
	}
	p.Flags(cmd, version)
	cmd.Flags().StringVar(&pattern, "node", "", "the nodes: an id, or a `PATTERN` with * and ?")
	cmd.Flags().StringVar(&name, "as", "", "`NAME` of the file in the nodes' conf.d (default: that of FILE)")
	cmd.Flags().IntVar(&o.Parallel, "parallel", 8, "`COUNT` of nodes at a time")
	cmd.Flags().BoolVar(&o.Dry, "dry-run", false, "only check the file at the nodes")
	cmd.Flags().DurationVar(&o.After, "rollback-after", time.Minute, "`TIME` after which a node without its link rolls back")
	return cmd
}
