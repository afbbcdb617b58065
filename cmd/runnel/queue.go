package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// What waits in the spools of a realm's uplinks is told, and dropped, by procedures of that realm. Who may call them is up
// to the permissions there.
const (
	queueList  = "runnel.queue.ls"    // -> a list of queueReport
	queuePeek  = "runnel.queue.peek"  // uplink, count -> a list of events
	queueDrop  = "runnel.queue.drop"  // uplink, count; held, topic -> how many were dropped
	queueRetry = "runnel.queue.retry" // uplink, or none for all -> how many held events are tried again
)

// maxPeeked bounds what one call returns; count may ask for less.
const maxPeeked = 1000

// queueReport is how a spool is doing.
type queueReport struct {
	Uplink  string  `json:"uplink"`
	Events  int     `json:"events"` // that wait
	Octets  int64   `json:"octets"`
	OnDisk  int     `json:"on_disk"` // of the events
	Files   int64   `json:"files"`   // octets
	Oldest  float64 `json:"oldest"`  // seconds that the oldest has waited while the router ran
	Dropped uint64  `json:"dropped"`
	heldReport
	Gaps     uint64  `json:"gaps"`            // runs of drops
	Alarm    string  `json:"alarm,omitempty"` // why nothing can be written
	AlarmFor float64 `json:"alarm_for,omitempty"`
}

func (l *link) queue() queueReport {
	s := l.spool.State()
	return queueReport{
		Uplink: l.config.Name, Events: s.Events, Octets: s.Octets, OnDisk: s.OnDisk, Files: s.Files, Oldest: s.Oldest.Seconds(),
		heldReport: l.held(s.Held),
		Dropped:    s.Dropped.Events, Gaps: s.Dropped.Runs, Alarm: s.Alarm, AlarmFor: s.AlarmFor.Seconds(),
	}
}

// queues makes the procedures that a realm has for its uplinks' spools.
func (n *node) queues(realm string) map[string]client.Handler {
	of := func(do func(l *link, count int, inv *client.Invocation) any) client.Handler {
		return func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			l, count, err := n.queueOf(realm, inv.Args())
			if err != nil {
				return client.Payload{}, err
			}
			return client.Args(do(l, count, inv)), nil
		}
	}
	return map[string]client.Handler{
		queueList: func(context.Context, *client.Invocation) (client.Payload, error) {
			list := []queueReport{}
			for _, l := range n.linksOf(realm) {
				list = append(list, l.queue())
			}
			return client.Args(list), nil
		},
		queueRetry: n.answerRetry(realm),
		queuePeek:  of(func(l *link, count int, _ *client.Invocation) any { return peeked(l.spool.Peek(min(count, maxPeeked))) }),
		queueDrop: of(func(l *link, count int, inv *client.Invocation) any {
			dropped := l.discard(count, inv.Kwargs())
			n.log.Warn("events dropped by an operator", "uplink", l.config.Name, "events", dropped)
			return dropped
		}),
	}
}

func (n *node) linksOf(realm string) (list []*link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.uplinks {
		if l.config.Realm == realm {
			list = append(list, l)
		}
	}
	return list
}

// queueOf reads the arguments: an uplink's name, and how many events, which by default is all.
func (n *node) queueOf(realm string, args []any) (*link, int, error) {
	name, count := "", int64(math.MaxInt32)
	if len(args) > 0 {
		name, _ = args[0].(string)
	}
	if len(args) > 1 {
		var ok bool
		if count, ok = args[1].(int64); !ok || count < 1 {
			return nil, 0, client.NewError(wamp.InvalidArgument.Error(), "the number of events must be 1 or more")
		}
	}
	for _, l := range n.linksOf(realm) {
		if l.config.Name == name {
			return l, int(min(count, math.MaxInt32)), nil
		}
	}
	return nil, 0, client.NewError(wamp.InvalidArgument.Error(), fmt.Sprintf("realm %s has no uplink %q", realm, name))
}

// peekedEvent is an event that waits.
type peekedEvent struct {
	Epoch    uint64         `json:"epoch"`
	Sequence uint64         `json:"sequence"`
	Time     string         `json:"time"`
	Class    string         `json:"class"`
	Topic    string         `json:"topic,omitempty"`
	Held     bool           `json:"held,omitempty"` // the far side rejects it, or one before it of its topic
	Args     []any          `json:"args,omitempty"`
	Kwargs   map[string]any `json:"kwargs,omitempty"`
	Gap      map[string]any `json:"gap,omitempty"` // it stands for events that were dropped
}

// peeked makes the answer of events: what is binary in a payload stays so.
func peeked(events []spool.Event) []any {
	list := make([]any, len(events))
	for i, e := range events {
		fields := map[string]any{
			"epoch": e.Epoch, "sequence": e.Sequence, "time": e.Time.UTC().Format(time.RFC3339Nano), "class": e.Class.String(),
		}
		if g := e.Gap; g != nil {
			fields["gap"] = map[string]any{"reason": string(g.Reason), "first": g.First, "last": g.Last, "count": g.Count}
		} else {
			fields["topic"] = e.Topic
			if e.Held {
				fields["held"] = true
			}
			addPayload(fields, e.Payload)
		}
		list[i] = fields
	}
	return list
}

func addPayload(fields map[string]any, p codec.Payload) {
	args, kwargs, err := p.Decode()
	if err != nil {
		return // it is not for everybody: encrypted, say
	}
	fields["args"], fields["kwargs"] = args, kwargs
}

func queueCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "Show, drop or retry what waits in the spools of uplinks",
		Long: `Shows, drops or retries events that wait for the far side of an uplink, by calling
runnel.queue.ls, .peek, .drop and .retry in the uplink's realm. The realm's permissions
must allow that call; the built-in default does.`,
	}
	cmd.AddCommand(queueListCommand(), queuePeekCommand(), queueDropCommand(), queueRetryCommand())
	return cmd
}

func queueListCommand() *cobra.Command {
	var p peer
	var asJSON bool
	cmd := &cobra.Command{
		Use: "ls", Short: "List the spools of the realm's uplinks", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := p.ask(queueList)
			if err != nil || asJSON {
				return printed(stdout, text, err)
			}
			var list []queueReport
			if err := json.Unmarshal([]byte(text), &list); err != nil {
				return fmt.Errorf("%s: the answer can't be read: %w", queueList, err)
			}
			t := newTable(stdout)
			printQueues(t, list)
			printHeld(t, list)
			return t.print()
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	return cmd
}

func printQueues(w io.Writer, list []queueReport) {
	fmt.Fprintln(w, "QUEUE\tEVENTS\tOCTETS\tON DISK\tOLDEST\tHELD\tDROPPED\tALARM")
	for _, q := range list {
		oldest := time.Duration(q.Oldest * float64(time.Second)).Round(time.Second)
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%v\t%d\t%d\t%s\n", printable(q.Uplink), q.Events, q.Octets, q.OnDisk, oldest, q.HeldEvents, q.Dropped, dash(strings.Repeat("yes", min(len(q.Alarm), 1))))
	}
	for _, q := range list {
		if q.Alarm != "" {
			fmt.Fprintf(w, "%s:\n  ALARM, for %v: %s\n", printable(q.Uplink), seconds(q.AlarmFor), harmless(q.Alarm))
		}
	}
}

func queuePeekCommand() *cobra.Command {
	var p peer
	var count int
	var asJSON bool
	cmd := &cobra.Command{
		Use: "peek UPLINK", Short: "Print the oldest events that wait", Args: cobra.ExactArgs(1),
		Example: "  runnel queue peek central -n 3",
		RunE: func(_ *cobra.Command, args []string) error {
			if count < 1 || count > maxPeeked {
				return usageError(fmt.Sprintf("-n %d: use 1 to %d", count, maxPeeked))
			}
			text, err := p.ask(queuePeek, args[0], count)
			if err != nil || asJSON {
				return printed(stdout, text, err)
			}
			var list []peekedEvent
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber() // 1 is not 1.0
			if err := d.Decode(&list); err != nil {
				return fmt.Errorf("%s: the answer can't be read: %w", queuePeek, err)
			}
			for _, e := range list {
				if err := e.print(stdout); err != nil {
					return err
				}
			}
			return nil
		},
	}
	p.flags(cmd)
	cmd.Flags().IntVarP(&count, "count", "n", 10, "how many")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON list")
	return cmd
}

func (e *peekedEvent) print(w io.Writer) error {
	what := printable(e.Topic)
	if e.Held {
		what = "held " + what
	}
	text, err := plainText(e.Args, e.Kwargs)
	if e.Gap != nil {
		what = "gap"
		text, err = plainText(nil, e.Gap)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, e.Sequence, safe(e.Time), safe(e.Class), what, text)
	return err
}

func queueDropCommand() *cobra.Command {
	var p peer
	var count int
	var every, held bool
	var topic string
	cmd := &cobra.Command{
		Use: "drop UPLINK", Short: "Drop events that wait, the oldest first", Args: cobra.ExactArgs(1),
		Long: `Drops events that wait, the oldest first. The far side is told how many are
missing. Those that are on their way may arrive nevertheless. --held drops all events
that are held, --topic those of one topic that is held.`,
		Example: "  runnel queue drop central -n 100\n  runnel queue drop central --all\n  runnel queue drop central --topic com.example.weather",
		RunE: func(_ *cobra.Command, args []string) error {
			if ways := choices(every, count > 0, held, topic != ""); ways != 1 || count < 0 {
				return usageError("use one of -n COUNT, --all, --held and --topic URI")
			}
			text, err := p.askWith(queueDrop, dropOptions(held, topic), args[0], cmp.Or(count, math.MaxInt32))
			if err != nil {
				return err
			}
			return printed(stdout, text+" dropped", nil)
		},
	}
	p.flags(cmd)
	cmd.Flags().IntVarP(&count, "count", "n", 0, "how many")
	cmd.Flags().BoolVar(&every, "all", false, "drop all that waits now")
	cmd.Flags().BoolVar(&held, "held", false, "drop all that is held")
	cmd.Flags().StringVar(&topic, "topic", "", "drop what is held of this topic, named as at the far side")
	return cmd
}

func printed(w io.Writer, text string, err error) error {
	if err == nil {
		_, err = fmt.Fprintln(w, text)
	}
	return err
}

// ask calls one of the router's own procedures and returns the first argument of the result, as JSON.
func (p *peer) ask(procedure string, args ...any) (string, error) {
	return p.askWith(procedure, nil, args...)
}

// askWith is ask with keyword arguments.
func (p *peer) askWith(procedure string, kwargs map[string]any, args ...any) (string, error) {
	ctx, stop := untilSignal(30 * time.Second)
	defer stop()
	c, err := p.once(ctx)
	if err != nil {
		return "", because(ctx, err)
	}
	defer leave(c)
	result, err := c.Call(ctx, procedure, client.CallOptions{}, client.Payload{Args: args, Kwargs: kwargs})
	if err != nil {
		return "", because(ctx, p.denied(procedure, callError(err)))
	}
	values, _, err := result.Decode()
	if err != nil || len(values) == 0 {
		return "", fmt.Errorf("%s: the answer can't be read: %v", procedure, err)
	}
	return jsonText(values[0])
}
