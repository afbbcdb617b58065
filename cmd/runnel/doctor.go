package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/doctor"
	"runnel/cmd/runnel/internal/node"
	"runnel/cmd/runnel/internal/report"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
)

// errUnhealthy ends "runnel doctor" with status 1: the findings are printed.
var errUnhealthy = errors.New("unhealthy")

func doctorCommand() *cobra.Command {
	var p peer
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [-c FILE]",
		Short: "Check an installation, and say what to do",
		Long: `Checks an installation for what goes wrong in the field, and prints what it finds
with what to type: the config; the router's user and the files it reads; the
clock; the disk; serial ports; addresses of listeners that others have;
certificates; names of centres; each uplink, as far as the permissions at its
centre; and the alarms of the running router. It changes nothing.

The exit status is 0 if the installation is healthy, 1 if there are findings.
Notes do not count. As root it sees more, such as which program holds a port.`,
		Example: `  sudo runnel doctor
  runnel doctor -c gateway.toml --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			ctx, stop := untilSignal(0)
			defer stop()
			r, err := doctor.Examine(ctx, doctor.Options{File: file, Check: node.CheckUplink, Agent: "runnel/" + version, Status: p.statusOf})
			if err != nil {
				return err
			}
			return printExamination(term.Stdout, r, asJSON)
		},
	}
	configFlag(cmd, &file)
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// statusOf asks the router that runs with a configuration for its status: at --url, or where the configuration listens
// for programs of this machine.
func (p *peer) statusOf(ctx context.Context, c *config.Config) ([]byte, error) {
	ask := *p
	if ask.url == "" {
		ask.url = localURL(c)
		ask.realm = c.Realms[0].Name
	}
	if ask.url == "" {
		return nil, doctor.ErrNotRunning
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := ask.once(ctx)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist) {
		return nil, doctor.ErrNotRunning
	}
	if err != nil {
		return nil, err
	}
	defer leave(conn)
	result, err := conn.Call(ctx, report.ProcedureStatus, client.CallOptions{}, client.Payload{})
	if err != nil {
		return nil, ask.denied(report.ProcedureStatus, callError(err))
	}
	args, _, err := result.Decode()
	if err != nil || len(args) == 0 {
		return nil, fmt.Errorf("%s: the answer can't be read: %v", report.ProcedureStatus, err)
	}
	return json.Marshal(args[0])
}

// localURL returns the first Unix socket at which a configuration listens, else a loopback address; "" if it has neither.
func localURL(c *config.Config) (found string) {
	for _, l := range c.Listens {
		at, err := config.ListenURL(l.URL)
		u, bad := url.Parse(at)
		if err != nil || bad != nil {
			continue
		}
		if u.Scheme == "unix" {
			return at
		}
		ip := net.ParseIP(u.Hostname())
		if found == "" && u.Port() != "0" && (u.Scheme == "tcp" || u.Scheme == "ws") && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
			found = at
		}
	}
	return found
}

func printExamination(w io.Writer, r *doctor.Report, asJSON bool) error {
	if asJSON {
		text, err := json.MarshalIndent(r, "", "  ")
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\n", text)
		}
		if err != nil {
			return err
		}
	} else if err := printFindings(w, r); err != nil {
		return err
	}
	if !r.Healthy {
		return errUnhealthy
	}
	return nil
}

func printFindings(w io.Writer, r *doctor.Report) error {
	for _, f := range r.Findings {
		object := ""
		if f.Object != "" {
			object = f.Object + ": "
		}
		fmt.Fprintf(w, "%s: %s: %s\n", f.Level, f.Check, term.Safe(object+f.Text))
		if f.Remedy != "" {
			fmt.Fprintf(w, "    %s\n", term.Safe(f.Remedy))
		}
	}
	verdict := "healthy"
	if !r.Healthy {
		n := 0
		for _, f := range r.Findings {
			if f.Level != doctor.Note {
				n++
			}
		}
		verdict = term.Count(n, "finding")
	}
	_, err := fmt.Fprintf(w, "%s: %s (checked: %s)\n", r.Config, verdict, strings.Join(r.Checks, ", "))
	return err
}
