package member

import (
	"context"
	"errors"
	"strconv"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/report"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// command is a request of the centre.
type command struct {
	id     uint64
	name   string
	args   []any
	kwargs map[string]any
}

const (
	mostBusy    = 4 // commands at once
	commandTime = 100 * time.Second
)

func readCommand(r *client.Result) (c command) {
	args := r.Args()
	if len(args) < 4 {
		return c
	}
	switch id := args[0].(type) {
	case int64:
		c.id = uint64(id)
	case uint64:
		c.id = id
	}
	c.name, _ = args[1].(string)
	c.args, _ = args[2].([]any)
	c.kwargs, _ = args[3].(map[string]any)
	return c
}

// take runs a command and sends the answer.
func (m *Member) take(ctx context.Context, centre *client.Client, c command) {
	if m.busy.Add(1) > mostBusy {
		m.busy.Add(-1)
		go m.fail(ctx, centre, c, client.NewError(wamp.Unavailable.Error(), "the node has too many commands in progress; try again"))
		return
	}
	go func() {
		defer m.busy.Add(-1)
		run, cancel := context.WithTimeout(ctx, commandTime)
		defer cancel()
		p, err := m.run(run, c)
		if c.name == fleet.Apply {
			defer m.Files.Begin()
		}
		if err == nil {
			_, err = centre.Call(ctx, fleet.Answer+strconv.FormatUint(c.id, 10), client.CallOptions{}, p)
			if !errors.Is(err, wamp.PayloadSizeExceeded) {
				return
			}
		}
		m.fail(ctx, centre, c, err)
	}()
}

// fail answers a command with an error.
func (m *Member) fail(ctx context.Context, centre *client.Client, c command, err error) {
	args := []any{"wamp.error.runtime_error", err.Error()}
	if refused := (*client.Error)(nil); errors.As(err, &refused) {
		args = append([]any{refused.URI}, refused.Args()...)
	}
	if len(args) > 33 {
		args = args[:33] // the first problems of a configuration
	}
	centre.Call(ctx, fleet.Fail+strconv.FormatUint(c.id, 10), client.CallOptions{}, client.Args(args...))
}

// run runs a command of the list fleet.Commands, and no other.
func (m *Member) run(ctx context.Context, c command) (client.Payload, error) {
	if !m.Remote {
		return client.Payload{}, client.NewError(fleet.NotRemote, "the node does not answer commands; write remote = true in its [[uplink]]")
	}
	if c.name != "status" && c.name != "queue.ls" && c.name != "queue.peek" {
		m.Log.Info("command from the centre", "procedure", c.name)
	}
	switch c.name {
	case "status", "reload", "queue.ls", "queue.peek", "queue.drop", "queue.retry", "doctor":
		result, err := m.Host.Call(ctx, m.Realm, "runnel."+c.name, client.Payload{Args: c.args, Kwargs: c.kwargs})
		if err != nil {
			return client.Payload{}, err
		}
		return client.Raw(result.Payload.Clone()), nil
	case fleet.Apply:
		return m.apply(c)
	}
	return client.Payload{}, client.NewError(wamp.NoSuchProcedure.Error(), "the node does not know this command; upgrade it")
}

func (m *Member) apply(c command) (client.Payload, error) {
	var name, text string
	if len(c.args) > 1 {
		name, _ = c.args[0].(string)
		text, _ = c.args[1].(string)
	}
	seconds, _ := c.kwargs["rollback_after"].(int64)
	dry, _ := c.kwargs["dry_run"].(bool)
	after := time.Duration(min(max(seconds, 0), 3600)) * time.Second
	id, err := m.Files.Apply(name, text, m.Uplink, after, dry)
	if problems := (config.Problems)(nil); errors.As(err, &problems) {
		var lines []any
		for _, p := range problems {
			lines = append(lines, p.Error())
		}
		return client.Payload{}, client.NewError(report.ErrorConfig, lines...)
	}
	if err != nil {
		return client.Payload{}, client.NewError(fleet.NotApplied, err.Error())
	}
	return client.Args(id), nil
}
