package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/report"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/systemd"
)

// Reload makes the router read its configuration again, and returns the changes. reconnected means that the reload
// has ended the session that asked for it, because its listener has changed.
func (r *Router) Reload(ctx context.Context) (lines []string, reconnected bool, err error) {
	lines, err = r.reload(ctx)
	if errors.Is(err, wamp.NetworkFailure) || r.nodeLeft(err) {
		lines, err = r.reloadAgain(ctx) // a second reload does no harm, and reports the outcome of the first one
		reconnected = true
	}
	if err != nil {
		err = cli.Because(ctx, r.Explain(r.asked(report.ProcedureReload), reloadError(err)))
	}
	return lines, reconnected, err
}

func (r *Router) reload(ctx context.Context) ([]string, error) {
	c, err := r.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer Close(c)
	result, err := r.call(ctx, c, report.ProcedureReload, client.Payload{})
	if err != nil {
		return nil, err
	}
	return texts(result.Args()), nil
}

// reloadAgain reloads as soon as the router can be reached again, within some seconds.
func (r *Router) reloadAgain(ctx context.Context) (lines []string, err error) {
	patience := 5 * time.Second
	if r.node != "" {
		patience = 30 * time.Second // until its link is up again
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		lines, err = r.reload(ctx)
		if answered := new(client.Error); err == nil || errors.As(err, &answered) && !errors.Is(err, wamp.NetworkFailure) && !r.nodeLeft(err) {
			return lines, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// nodeLeft reports whether the node's link ended before the answer, for example after a reload that changes it.
func (r *Router) nodeLeft(err error) bool {
	e := new(client.Error)
	return r.node != "" && errors.As(err, &e) && e.URI == errorNodeOffline
}

// errorNodeOffline is the error of a command for a node whose link is down.
const errorNodeOffline = "runnel.error.node_offline"

// reloadError returns the router's problems with its configuration as "runnel check" would print them.
func reloadError(err error) error {
	var e *client.Error
	if !errors.As(err, &e) || e.URI != report.ErrorConfig {
		return CallError(err)
	}
	args, _, _ := e.Decode()
	var problems config.Problems
	for _, line := range texts(args) {
		problems = append(problems, config.Problem{Text: line})
	}
	return problems
}

// texts returns the strings among args, escaped for a terminal.
func texts(args []any) (lines []string) {
	for _, arg := range args {
		if text, ok := arg.(string); ok {
			lines = append(lines, term.Harmless(text))
		}
	}
	return lines
}

// ErrNoRouter means that no process listens at the Unix sockets of a configuration.
var ErrNoRouter = errors.New("no router runs with this configuration")

// ReloadRunning makes the router that runs with one of the configurations reload, and returns the changes and the
// router's URL. It looks for the router at their Unix sockets, because only these always allow it. version is that of
// the program.
func ReloadRunning(version string, configs ...*config.Config) (lines []string, url string, err error) {
	for _, c := range configs {
		if c == nil {
			continue
		}
		for _, l := range c.Listens {
			url, err := config.ListenURL(l.URL)
			if _, passed := systemd.Name(url); passed {
				url = existingSocket()
			}
			path, isUnix := strings.CutPrefix(url, "unix://")
			if err != nil || !isUnix || !answers(path) {
				continue
			}
			r := Router{URL: url, Realm: c.Realms[0].Name, Serializer: "cbor", version: version}
			ctx, stop := cli.UntilSignal(time.Minute)
			defer stop()
			lines, _, err := r.Reload(ctx)
			return lines, url, err
		}
	}
	return nil, "", ErrNoRouter
}

// ReloadFile makes the running router reload a new file, and checks that the router has the new part.
func ReloadFile(w io.Writer, version string, c *config.Config, file, part string) error {
	lines, url, err := ReloadRunning(version, c)
	switch {
	case errors.Is(err, ErrNoRouter):
		_, err = fmt.Fprintf(w, "no router runs with this configuration; \"runnel run%s\" starts one\n", configArgument(c))
		return err
	case err != nil:
		return fmt.Errorf("reload the router at %s: %w; %s is written, so \"runnel reload\" applies it", url, err, file)
	}
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, part+" ") }) {
		return fmt.Errorf("the router at %s has reloaded, but has no %s: it does not read %s; stop it, or name its file with -c", url, part, c.Name)
	}
	return nil
}

// configArgument returns " -c FILE", or "" for the default configuration.
func configArgument(c *config.Config) string {
	if c.Name == config.File("") || c.Name == "built-in default" {
		return ""
	}
	return " -c " + c.Name
}

// answers reports whether a process listens at a Unix socket.
func answers(path string) bool {
	conn, err := net.DialTimeout("unix", path, 5*time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}
