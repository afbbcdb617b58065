package main

import (
	"fmt"
	"io"
	"time"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
)

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
	return term.JSONText(values[0])
}
