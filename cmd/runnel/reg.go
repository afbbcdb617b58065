package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/program"
	"runnel/cmd/runnel/internal/remote"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

func regCommand() *cobra.Command {
	var r callee
	cmd := &cobra.Command{
		Use:   "reg URI (--exec CMD [ARG...] | --echo)",
		Short: "Offer a procedure from the shell",
		Long: `Registers a procedure and answers its calls until Ctrl-C. It registers again when
the router restarts.

--echo returns its arguments. --exec runs a program for each call, without a
shell: CMD, its own ARGs, then the call's arguments, strings as they are and
others as JSON. (CMD may also hold arguments itself, separated by spaces.) The
program finds {"procedure", "args", "kwargs"} as JSON on its standard input and
the procedure's URI in RUNNEL_PROCEDURE. What it prints is the result: JSON if it
parses as JSON, else a string. If it fails, the caller gets the error
runnel.error.exec with the end of its standard error and the exit status.

The caller chooses a call's arguments: if CMD takes options, end its own ARGs with
"--". Canceling a call kills the program. At most --parallel calls run at a time;
further ones wait.`,
		Example: `  runnel reg com.example.echo --echo
  runnel reg com.example.uptime --exec uptime
  runnel reg com.example.grep --exec grep -- -c -- ERROR
  runnel reg com.example.job. --match prefix --exec ./job.py --parallel 2`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if r.echo == cmd.Flags().Changed("exec") {
				return cli.UsageError("write one of --exec CMD and --echo")
			}
			if r.echo && len(args) > 1 {
				return cli.UsageError("--echo takes no arguments")
			}
			return r.run(args[0], cli.Unmask(args[1:]))
		},
	}
	r.peer.Flags(cmd, version)
	f := cmd.Flags()
	f.StringVar(&r.command, "exec", "", "`CMD` to run for each call")
	f.BoolVar(&r.echo, "echo", false, "return the arguments")
	f.StringVar(&r.match, "match", "exact", "exact, prefix or wildcard")
	f.StringVar(&r.invoke, "invoke", "single", "which callee gets a call if several register: single, first, last, roundrobin or random")
	f.IntVar(&r.parallel, "parallel", 8, "number of concurrent calls")
	return cmd
}

type callee struct {
	peer          remote.Router
	command       string
	echo          bool
	match, invoke string
	parallel      int
}

func (r *callee) run(procedure string, args []string) error {
	how, handler, err := r.prepare(args)
	if err != nil {
		return err
	}
	opts, err := r.peer.Options()
	if err != nil {
		return err
	}
	opts.Invocations = r.parallel
	ctx, stop := cli.UntilSignal(0)
	defer stop()
	c, err := r.peer.ConnectLasting(ctx, opts)
	if err != nil {
		return err
	}
	defer remote.Close(c)
	if _, err := c.Register(ctx, procedure, how, handler); err != nil {
		return fmt.Errorf("register %s: %w", procedure, err)
	}
	<-ctx.Done()
	return nil
}

func (r *callee) prepare(args []string) (how client.RegisterOptions, h client.Handler, err error) {
	var ok bool
	if how.Match, err = cli.MatchFlag(r.match); err != nil {
		return how, nil, err
	}
	if how.Invoke, ok = wamp.ParseInvoke(r.invoke); !ok {
		return how, nil, cli.UsageError(fmt.Sprintf("--invoke %q: use single, first, last, roundrobin or random", r.invoke))
	}
	if r.parallel < 1 {
		return how, nil, cli.UsageError("--parallel: at least 1")
	}
	if r.echo {
		return how, echo, nil
	}
	p, err := program.Find(r.command, args)
	return how, p.Answer, err
}

// echo returns the payload without decoding it.
func echo(_ context.Context, i *client.Invocation) (client.Payload, error) {
	return client.Raw(i.Payload.Clone()), nil
}
