package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// heldReport is what a spool holds because the far side rejects it.
type heldReport struct {
	HeldEvents int         `json:"held_events"`
	HeldTopics int         `json:"held_topics"`
	HeldOctets int64       `json:"held_octets"`
	Held       []heldTopic `json:"held,omitempty"` // those that are held longest
}

// heldTopic is a topic that is held.
type heldTopic struct {
	Topic  string    `json:"topic"` // as it is named at the far side
	Events int       `json:"events"`
	Octets int64     `json:"octets"`
	Reason string    `json:"reason"` // what the far side says
	Since  time.Time `json:"since"`
}

// maxHeld is how many held topics a report names.
const maxHeld = 10

func (l *link) held(h spool.Held) heldReport {
	r := heldReport{HeldEvents: h.Events, HeldTopics: h.Topics, HeldOctets: h.Octets}
	if h.Topics == 0 {
		return r
	}
	for _, t := range l.spool.HeldTopics(maxHeld) {
		r.Held = append(r.Held, heldTopic(t))
	}
	return r
}

// alarm is what a change of makes news: not how many events there are.
func (h *heldReport) alarm() string {
	if len(h.Held) == 0 {
		return ""
	}
	return fmt.Sprintf("%d topics held; %s: %s", h.HeldTopics, h.Held[0].Topic, h.Held[0].Reason)
}

// printHeld names what is held.
func printHeld(w io.Writer, list []queueReport) {
	for _, q := range list {
		if q.HeldTopics == 0 {
			continue
		}
		fmt.Fprintf(w, "%s:\n", printable(q.Uplink))
		for _, t := range q.Held {
			fmt.Fprintf(w, "  held: %s, %s since %s: %s\n", printable(t.Topic), counted(t.Events, "event"), t.Since.Format(time.DateTime), harmless(t.Reason))
		}
		if more := q.HeldTopics - len(q.Held); more > 0 {
			fmt.Fprintf(w, "  held: %s more\n", counted(more, "topic"))
		}
	}
}

// answerRetry makes the procedure that tries held events again.
func (n *node) answerRetry(realm string) client.Handler {
	return func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		links := n.linksOf(realm)
		if args := inv.Args(); len(args) > 0 && args[0] != "" {
			name, ok := args[0].(string)
			if !ok {
				return client.Payload{}, client.NewError(wamp.InvalidArgument.Error(), "the uplink's name must be a string")
			}
			l, _, err := n.queueOf(realm, []any{name})
			if err != nil {
				return client.Payload{}, err
			}
			links = []*link{l}
		}
		events := 0
		for _, l := range links {
			events += l.spool.Retry()
		}
		return client.Args(events), nil
	}
}

// retryHeld tries again what is held, after a reload.
func (n *node) retryHeld() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.uplinks {
		l.spool.Retry()
	}
}

// discard drops what an operator asks for: count events, or what is held, or what is held of a topic.
func (l *link) discard(count int, kwargs map[string]any) int {
	topic, _ := kwargs["topic"].(string)
	if held, _ := kwargs["held"].(bool); held || topic != "" {
		return l.spool.DiscardHeld(topic)
	}
	return l.spool.Discard(count)
}

func dropOptions(held bool, topic string) map[string]any {
	switch {
	case topic != "":
		return map[string]any{"topic": topic}
	case held:
		return map[string]any{"held": true}
	}
	return nil
}

// choices counts those that are made.
func choices(made ...bool) (n int) {
	for _, m := range made {
		if m {
			n++
		}
	}
	return n
}

func queueRetryCommand() *cobra.Command {
	var p peer
	cmd := &cobra.Command{
		Use: "retry [UPLINK]", Short: "Try held events again now", Args: cobra.MaximumNArgs(1),
		Long: `Tries events again that the far side has rejected, and that are held for that
reason: of each topic the first one, and when it is accepted the rest. Without
UPLINK, those of all uplinks of the realm.`,
		Example: "  runnel queue retry central",
		RunE: func(_ *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			text, err := p.ask(queueRetry, name)
			if err != nil {
				return err
			}
			return printed(stdout, text+" held, trying again", nil)
		},
	}
	p.flags(cmd)
	return cmd
}
