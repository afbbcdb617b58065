package durables

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
)

// Reading is the part of "runnel sub" that reads a durable subscription. Without the flag --durable it subscribes as usual.
type Reading struct {
	client.Durable
	asJSON bool
}

// Flags adds the flags, which are checked before the command runs.
func (r *Reading) Flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.Name, "durable", "", "the name of a durable subscription, which keeps events while no program reads them")
	cmd.Flags().StringVar(&r.From, "from", "", "where a new durable subscription begins: now, all, a time or a publication id")
	cmd.PreRunE = func(cmd *cobra.Command, topics []string) error {
		retained, _ := cmd.Flags().GetBool("retained")
		r.asJSON, _ = cmd.Flags().GetBool("json")
		return r.check(topics, retained, cmd.Flags().Changed("durable"))
	}
}

func (r *Reading) check(topics []string, retained, named bool) error {
	switch {
	case r.Name == "" && named: // an unset variable of a script; the subscription would keep nothing
		return cli.UsageError("--durable NAME: the name is empty; write one, such as billing")
	case r.Name == "" && r.From != "":
		return cli.UsageError("--from needs --durable NAME")
	case r.Name != "" && len(topics) > 1:
		return cli.UsageError("a durable subscription has one topic or pattern; run a command for each, with a name of its own")
	case r.Name != "" && retained:
		return cli.UsageError("--retained can't be combined with --durable; use --from all")
	}
	return nil
}

// Subscribe subscribes to a topic. It acknowledges an event of a durable subscription once print has returned nil. It
// calls ended if an operator drops the subscription.
func (r *Reading) Subscribe(
	ctx context.Context, c *client.Client, topic string, how client.SubscribeOptions, print func(string, *client.Event) error, ended func(error),
) error {
	var err error
	r.Dropped = func(err error) { ended(fmt.Errorf("subscribe to %s: %w", topic, err)) }
	if r.Name == "" {
		_, err = c.Subscribe(ctx, topic, how, func(e *client.Event) { print(topic, e) })
	} else {
		_, err = c.SubscribeDurable(ctx, topic, how, r.Durable, func(e *client.Event) error { return r.event(topic, e, print) })
	}
	return err
}

// event prints an event or, on standard error, a gap. In JSON a gap is an object like an event.
func (r *Reading) event(topic string, e *client.Event, print func(string, *client.Event) error) error {
	events, reason, isGap := e.Gap()
	if !isGap || r.asJSON {
		return print(topic, e)
	}
	fmt.Fprintf(os.Stderr, "runnel: the router has dropped %d events here (%s)\n", events, term.Printable(reason))
	return nil
}
