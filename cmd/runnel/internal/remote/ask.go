package remote

import (
	"encoding/json"
	"fmt"
	"time"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
)

// Ask calls one of the router's own procedures and returns the first argument of the result, as JSON.
func (r *Router) Ask(procedure string, args ...any) (string, error) {
	return r.AskWith(procedure, nil, args...)
}

// AskWith is Ask with keyword arguments.
func (r *Router) AskWith(procedure string, kwargs map[string]any, args ...any) (string, error) {
	ctx, stop := cli.UntilSignal(30 * time.Second)
	defer stop()
	c, err := r.Connect(ctx)
	if err != nil {
		return "", cli.Because(ctx, err)
	}
	defer Close(c)
	result, err := r.call(ctx, c, procedure, client.Payload{Args: args, Kwargs: kwargs})
	if err != nil {
		return "", cli.Because(ctx, r.Explain(r.asked(procedure), CallError(err)))
	}
	values, _, err := result.Decode()
	if err != nil || len(values) == 0 {
		return "", fmt.Errorf("%s: cannot read the answer: %v", procedure, err)
	}
	return term.JSONText(values[0])
}

// Read calls one of the router's own procedures and decodes the first argument of its result into result, unless that is nil.
func (r *Router) Read(procedure string, kwargs map[string]any, result any, args ...any) error {
	text, err := r.AskWith(procedure, kwargs, args...)
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal([]byte(text), result); err != nil {
		return fmt.Errorf("call %s: cannot read the answer: %w", procedure, err)
	}
	return nil
}
