package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"runnel/edge"
	"runnel/edge/budget"
	"runnel/edge/client"
)

// statusProcedure tells what a running router does. It is registered in every realm; who may call it is up to the
// permissions there.
const statusProcedure = "runnel.status"

// report is what runnel.status returns.
type report struct {
	Version   string         `json:"version"`
	Node      string         `json:"node"`
	Began     time.Time      `json:"began"`
	Uptime    float64        `json:"uptime"` // seconds
	Router    edge.Status    `json:"router"`
	Memory    *budget.Status `json:"memory,omitempty"`
	Listeners []listenReport `json:"listeners"`
	Serial    []serialReport `json:"serial"`
	Uplinks   []uplinkReport `json:"uplinks"`
}

// report answers the router's own procedures in one realm, and publishes its own events there, until ctx is done.
func (n *node) report(ctx context.Context, c *client.Client, realm string) error {
	how := client.RegisterOptions{Persist: true}
	procedures := n.queues(realm)
	procedures[statusProcedure] = func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args(n.status()), nil }
	procedures[reloadProcedure] = n.answerReload
	maps.Copy(procedures, n.inquiries())
	for procedure, answer := range procedures {
		if _, err := c.Register(ctx, procedure, how, answer); err != nil {
			return fmt.Errorf("offer %s: %w", procedure, err)
		}
	}
	var telling sync.WaitGroup
	telling.Go(func() { n.tell(ctx, &teller{client: c, realm: realm, told: make(map[string]string)}) })
	defer telling.Wait()
	return c.Run(ctx)
}

func (n *node) status() report {
	n.mu.Lock()
	r := report{
		Version: version, Node: n.config.NodeID(), Began: n.began, Uptime: time.Since(n.began).Seconds(), Router: n.router.Status(),
	}
	n.mu.Unlock()
	r.Memory = n.memory.Status()
	r.Listeners, r.Serial, r.Uplinks = n.listenReports(), n.serialReports(), n.uplinkReports()
	return r
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
realm's permissions must allow that call; the built-in default does over the
Unix socket.`,
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
		return because(ctx, p.denied(statusProcedure, callError(err)))
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
	t := newTable(w)
	fmt.Fprintf(t, "runnel %s on %s, up %v\n", printable(r.Version), printable(r.Node), seconds(r.Uptime))
	fmt.Fprintf(t, "%s, %s in, %s and %s out, %s dropped\n", counted(r.Router.Connections, "connection"), counted(r.Router.Messages, "message"),
		counted(r.Router.Events, "event"), counted(r.Router.Calls, "call"), counted(r.Router.Drops, "event"))
	if r.Memory != nil {
		fmt.Fprintln(t, memoryText(r.Memory))
	}
	fmt.Fprintln(t, "\nREALM\tSESSIONS\tSUBSCRIPTIONS\tREGISTRATIONS")
	for _, m := range r.Router.Realms {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\n", printable(m.Name), m.Sessions, m.Subscriptions, m.Registrations)
	}
	for _, m := range r.Router.Realms {
		if m.Trouble != "" {
			fmt.Fprintf(t, "%s: not kept on disk: %s\n", printable(m.Name), harmless(m.Trouble))
		}
	}
	for _, c := range r.Router.Clashes {
		fmt.Fprintf(t, "ALARM: %s: the node id %s is used twice, by %s and by %s\n", printable(c.Realm), printable(c.Node), harmless(c.First), harmless(c.Second))
	}
	r.printListeners(t)
	r.printSerial(t)
	r.printUplinks(t)
	return t.print()
}

func since(t time.Time) time.Duration { return time.Since(t).Round(time.Second) }
