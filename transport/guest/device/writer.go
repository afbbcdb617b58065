package device

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// maxWrite bounds what one call writes to a device, in bytes: some seconds on a slow line.
const maxWrite = 4 << 10

// writer writes to the device while its port is open. Calls take turns.
type writer struct {
	lineEnd string
	turn    chan struct{} // holds one element while a call writes

	mu   sync.Mutex
	port io.Writer // guarded by mu; nil while the port is closed
}

func newWriter(lineEnd string) *writer {
	return &writer{lineEnd: lineEnd, turn: make(chan struct{}, 1)}
}

func (w *writer) set(port io.Writer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.port = port
}

// write is the procedure. It writes a string as a line, with the line's end added, and a byte string unchanged.
func (w *writer) write(ctx context.Context, i *client.Invocation) (client.Payload, error) {
	data, err := w.argument(i.Args())
	if err != nil {
		return client.Payload{}, client.NewError(wamp.InvalidArgument.Error(), err.Error())
	}
	if err := w.send(ctx, data); ctx.Err() != nil {
		return client.Payload{}, ctx.Err()
	} else if err != nil {
		return client.Payload{}, client.NewError(wamp.Unavailable.Error(), err.Error())
	}
	return client.Payload{}, nil
}

var errAbsent = errors.New("the device is missing")

// send writes data to the device.
func (w *writer) send(ctx context.Context, data []byte) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	w.mu.Lock()
	port := w.port
	w.mu.Unlock()
	if port == nil {
		return errAbsent
	}
	_, err := port.Write(data)
	return err
}

func (w *writer) argument(args []any) ([]byte, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("%d arguments; want one, a string or bytes", len(args))
	}
	var data []byte
	switch v := args[0].(type) {
	case string:
		if strings.ContainsAny(v, "\r\n") {
			return nil, errors.New("a string is one line; make one call for each line, or pass bytes")
		}
		data = []byte(v + w.lineEnd)
	case []byte:
		data = v
	default:
		return nil, errors.New("want a string or bytes")
	}
	if len(data) > maxWrite {
		return nil, fmt.Errorf("%d bytes; want at most %d", len(data), maxWrite)
	}
	return data, nil
}
