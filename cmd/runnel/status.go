package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"runnel/edge"
	"runnel/edge/client"
)

// statusProcedure tells what a running router does. It is registered in every realm; who may call it is up to the
// permissions there.
const statusProcedure = "runnel.status"

// report is what runnel.status returns.
type report struct {
	Version   string         `json:"version"`
	Node      string         `json:"node"`
	Uptime    float64        `json:"uptime"` // seconds
	Router    edge.Status    `json:"router"`
	Listeners []listenReport `json:"listeners"`
	Serial    []serialReport `json:"serial"`
	Uplinks   []uplinkReport `json:"uplinks"`
}

type listenReport struct {
	URL string `json:"url"`
}

type serialReport struct {
	Name    string    `json:"name"`
	Realm   string    `json:"realm"`
	State   string    `json:"state"`
	Since   time.Time `json:"since"`
	Device  string    `json:"device,omitempty"`
	Error   string    `json:"error,omitempty"`
	Opens   uint64    `json:"opens"`
	Losses  uint64    `json:"losses"`
	Peers   uint64    `json:"peers"`
	In      uint64    `json:"in"`  // octets
	Out     uint64    `json:"out"` // octets
	Skipped uint64    `json:"skipped"`
}

type uplinkReport struct {
	Name       string    `json:"name"`
	Realm      string    `json:"realm"`
	Up         bool      `json:"up"`
	Since      time.Time `json:"since"`
	URL        string    `json:"url,omitempty"`
	Error      string    `json:"error,omitempty"`
	Reconnects uint64    `json:"reconnects"`
	Refused    []string  `json:"refused,omitempty"`
	EventsUp   flow      `json:"events_up"` // from here to the centre
	EventsDown flow      `json:"events_down"`
	CallsUp    flow      `json:"calls_up"`
	CallsDown  flow      `json:"calls_down"`
}

// flow counts what crossed an uplink one way.
type flow struct {
	Forwarded uint64 `json:"forwarded"`
	Dropped   uint64 `json:"dropped"`
}

// report answers runnel.status and runnel.reload in one realm until ctx is done.
func (n *node) report(ctx context.Context, c *client.Client) error {
	how := client.RegisterOptions{Persist: true}
	for procedure, answer := range map[string]client.Handler{
		statusProcedure: func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args(n.status()), nil },
		reloadProcedure: n.answerReload,
	} {
		if _, err := c.Register(ctx, procedure, how, answer); err != nil {
			return fmt.Errorf("offer %s: %w", procedure, err)
		}
	}
	return c.Run(ctx)
}

func (n *node) status() report {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := report{
		Version: version, Node: n.config.nodeID(), Uptime: time.Since(n.began).Seconds(), Router: n.router.Status(),
		Listeners: []listenReport{}, Serial: []serialReport{}, Uplinks: []uplinkReport{},
	}
	for _, l := range n.listeners {
		r.Listeners = append(r.Listeners, listenReport{URL: l.URL()})
	}
	for _, l := range n.lines {
		r.Serial = append(r.Serial, l.report())
	}
	for _, u := range n.uplinks {
		r.Uplinks = append(r.Uplinks, u.report())
	}
	return r
}

func (l *line) report() serialReport {
	s := l.State()
	return serialReport{
		Name: l.config.Name, Realm: l.config.Realm, State: string(s.Phase), Since: s.Since, Device: s.Device, Error: errorText(s.Err),
		Opens: s.Opens, Losses: s.Losses, Peers: s.Peers, In: s.In, Out: s.Out, Skipped: s.Skipped,
	}
}

func (l *link) report() uplinkReport {
	s := l.State()
	return uplinkReport{
		Name: s.Name, Realm: l.config.Realm, Up: s.Up, Since: s.Since, URL: s.URL, Error: s.LastError, Reconnects: s.Reconnects,
		Refused: s.Refused, EventsUp: flow(s.EventsUp), EventsDown: flow(s.EventsDown), CallsUp: flow(s.CallsUp), CallsDown: flow(s.CallsDown),
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func statusCommand() *cobra.Command {
	var p peer
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show sessions, uplinks and serial lines of a running router",
		Long: `Asks a running router what it does, by calling runnel.status in the realm. The
realm's permissions must allow that call; the built-in default does.`,
		Example: `  runnel status
  runnel status --json --url unix:///run/runnel/runnel.sock`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return askStatus(&p, asJSON, stdout) },
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func askStatus(p *peer, asJSON bool, w io.Writer) error {
	ctx, stop := untilSignal(30 * time.Second)
	defer stop()
	c, err := p.once(ctx)
	if err != nil {
		return because(ctx, err)
	}
	defer leave(c)
	result, err := c.Call(ctx, statusProcedure, client.CallOptions{}, client.Payload{})
	if err != nil {
		return because(ctx, callError(err))
	}
	args, _, err := result.Decode()
	if err != nil || len(args) == 0 {
		return fmt.Errorf("%s: the answer can't be read: %v", statusProcedure, err)
	}
	text, err := jsonText(args[0])
	if err != nil {
		return err
	}
	if asJSON {
		_, err = fmt.Fprintln(w, text)
		return err
	}
	var r report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return fmt.Errorf("%s: the answer can't be read: %w", statusProcedure, err)
	}
	return r.print(w)
}

// print writes the report for people.
func (r *report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	up := time.Duration(r.Uptime * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(t, "runnel %s on %s, up %v\n", printable(r.Version), printable(r.Node), up)
	fmt.Fprintf(t, "%d connections, %d messages in, %d events and %d calls out, %d events dropped\n",
		r.Router.Connections, r.Router.Messages, r.Router.Events, r.Router.Calls, r.Router.Drops)
	fmt.Fprintln(t, "\nREALM\tSESSIONS\tSUBSCRIPTIONS\tREGISTRATIONS")
	for _, m := range r.Router.Realms {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", printable(m.Name), m.Sessions, m.Subscriptions, m.Registrations)
	}
	if len(r.Listeners) > 0 {
		fmt.Fprintln(t, "\nLISTENER")
	}
	for _, l := range r.Listeners {
		fmt.Fprintln(t, printable(l.URL))
	}
	r.printSerial(t)
	r.printUplinks(t)
	return t.Flush()
}

func (r *report) printSerial(w io.Writer) {
	if len(r.Serial) > 0 {
		fmt.Fprintln(w, "\nSERIAL LINE\tSTATE\tFOR\tDEVICE\tIN\tOUT\tLOST\tLAST ERROR")
	}
	for _, s := range r.Serial {
		fmt.Fprintf(w, "%s\t%s\t%v\t%s\t%d\t%d\t%d\t%s\n", printable(s.Name), s.State, since(s.Since), dash(s.Device), s.In, s.Out, s.Losses, dash(harmless(s.Error)))
	}
}

func (r *report) printUplinks(w io.Writer) {
	if len(r.Uplinks) > 0 {
		fmt.Fprintln(w, "\nUPLINK\tSTATE\tFOR\tEVENTS UP\tDOWN\tCALLS UP\tDOWN\tURL\tLAST ERROR")
	}
	for _, u := range r.Uplinks {
		state := "down"
		if u.Up {
			state = "up"
		}
		fmt.Fprintf(w, "%s\t%s\t%v\t%d\t%d\t%d\t%d\t%s\t%s\n", printable(u.Name), state, since(u.Since),
			u.EventsUp.Forwarded, u.EventsDown.Forwarded, u.CallsUp.Forwarded, u.CallsDown.Forwarded, dash(printable(u.URL)), dash(harmless(u.Error)))
		for _, refused := range u.Refused {
			fmt.Fprintf(w, "\trefused: %s\n", harmless(refused))
		}
	}
}

func since(t time.Time) time.Duration { return time.Since(t).Round(time.Second) }
