// Package rollout sends a file of conf.d to nodes of a fleet and waits for the outcome at each.
package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"runnel/cmd/runnel/internal/fleet"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
)

// Options of a rollout.
type Options struct {
	Nodes      []string // their ids
	Name, Text string   // of the file
	Parallel   int      // nodes at a time
	Dry        bool     // the nodes only check the file
	After      time.Duration
}

const (
	pollInterval = 500 * time.Millisecond
	patience     = 90 * time.Second // for the outcome, beyond the time until a rollback
	callTime     = time.Minute

	notAuthorized = "wamp.error.not_authorized"

	reconnectMax = 2 * time.Second // the centre may restart meanwhile
)

// rollout is a Run.
type rollout struct {
	Options
	client *client.Client
	router *remote.Router

	mu sync.Mutex
	// Guarded by mu.
	out    io.Writer
	failed int
}

// Run sends the file to all nodes and prints a line for each. The error gives the number of nodes that did not apply
// it.
func Run(ctx context.Context, router *remote.Router, o Options, out io.Writer) error {
	opts, err := router.Options()
	if err != nil {
		return err
	}
	opts.Reconnect.Max = reconnectMax
	c, err := router.ConnectLasting(ctx, opts)
	if err != nil {
		return err
	}
	defer remote.Close(c)
	r := &rollout{Options: o, client: c, router: router, out: out}
	nodes := make(chan string)
	var work sync.WaitGroup
	for range min(o.Parallel, len(o.Nodes)) {
		work.Go(func() {
			for id := range nodes {
				outcome, err := r.apply(ctx, id)
				r.print(id, outcome, err)
			}
		})
	}
	for _, id := range o.Nodes {
		nodes <- id
	}
	close(nodes)
	work.Wait()
	if r.failed > 0 {
		return fmt.Errorf("%s not applied at %d of %s", o.Name, r.failed, term.Count(len(o.Nodes), "node"))
	}
	return nil
}

func (r *rollout) print(id, outcome string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failed++
		outcome = "failed: " + strings.ReplaceAll(term.SafeLines(err.Error()), "\n", "\n  ")
	}
	fmt.Fprintf(r.out, "%s: %s\n", term.Printable(id), outcome)
}

// apply sends the file to a node and waits for the outcome.
func (r *rollout) apply(ctx context.Context, node string) (string, error) {
	request := client.Payload{Args: []any{r.Name, r.Text}, Kwargs: map[string]any{"dry_run": r.Dry, "rollback_after": int64(r.After.Round(time.Second) / time.Second)}}
	var id string
	err := r.read(ctx, &id, func(ctx context.Context) (*client.Result, error) {
		return remote.CallNode(ctx, r.client, node, fleet.Apply, request)
	})
	if err != nil {
		return "", r.explain(fleet.NodePrefix+node+"."+fleet.Apply, err)
	}
	if r.Dry {
		return "valid", nil
	}
	return r.await(ctx, node, id)
}

// await polls the centre for the outcome. It repeats a poll that fails, because the centre may restart or be busy
// meanwhile.
func (r *rollout) await(ctx context.Context, node, id string) (string, error) {
	var failure error // of the last poll
	for deadline := time.Now().Add(r.After + patience); time.Now().Before(deadline); client.Sleep(ctx, pollInterval) {
		var n fleet.NodeReport
		failure = r.read(ctx, &n, func(ctx context.Context) (*client.Result, error) {
			return r.client.Call(ctx, fleet.NodeGet, client.CallOptions{}, client.Args(node))
		})
		switch a := n.Applied; {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case isFinal(failure):
			return "", r.explain(fleet.NodeGet, failure)
		case failure != nil || a == nil || a.ID != id || a.State == fleet.AppliedPending:
		case a.State == fleet.AppliedDone:
			return "applied" + changes(a.Changes), nil
		default:
			return "", errors.New(strings.TrimSuffix(a.State+": "+a.Error, ": "))
		}
	}
	if failure != nil {
		return "", fmt.Errorf("the outcome is not known: %w; runnel fleet show %s prints it", r.explain(fleet.NodeGet, failure), node)
	}
	return "", fmt.Errorf("no outcome after %v; the node is offline, and restores its previous file", r.After+patience)
}

// isFinal reports whether the next poll would fail in the same way.
func isFinal(err error) bool {
	refused := (*client.Error)(nil)
	return errors.As(err, &refused) && (refused.URI == fleet.NoSuchNode || refused.URI == notAuthorized)
}

func changes(list []string) string {
	if len(list) == 0 {
		return ", nothing has changed"
	}
	return ": " + term.Harmless(strings.Join(list, ", "))
}

// read calls a procedure of the centre and decodes the first argument of the result. It waits for the connection.
func (r *rollout) read(ctx context.Context, result any, call func(context.Context) (*client.Result, error)) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if err := r.client.WaitUp(ctx); err != nil {
		return fmt.Errorf("no connection to the centre: %w", err)
	}
	got, err := call(ctx)
	if err != nil {
		return err
	}
	args := got.Args()
	if len(args) == 0 {
		return errors.New("cannot read the answer of the centre")
	}
	text, err := term.JSONText(args[0])
	if err == nil {
		err = json.Unmarshal([]byte(text), result)
	}
	return err
}

// explain returns the texts of a node's error; for a configuration, one problem per line.
func (r *rollout) explain(procedure string, err error) error {
	refused := (*client.Error)(nil)
	if !errors.As(err, &refused) {
		return err
	}
	var lines []string
	for _, arg := range refused.Args() {
		if text, ok := arg.(string); ok {
			lines = append(lines, text)
		}
	}
	if strings.HasPrefix(refused.URI, "runnel.error.") && len(lines) > 0 {
		return errors.New(strings.Join(lines, "\n"))
	}
	return r.router.Explain(procedure, remote.CallError(refused))
}
