package report

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"runnel/edge/client"
	"runnel/transport/serial"
)

// Raw holds the bytes that recently crossed the port of a serial line, as runnel.serial.raw returns them.
type Raw struct {
	Next   uint64  `json:"next"` // for the next call
	Pieces []Piece `json:"pieces"`
}

// Piece is a run of bytes that crossed a port at one time.
type Piece struct {
	At  time.Time `json:"at"`
	Out bool      `json:"out,omitempty"` // to the device
	Hex string    `json:"hex"`
}

// raw returns the procedure that returns the bytes crossing the port of a line of the realm.
func raw(realm string, s Source) client.Handler {
	return func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		name, from := "", int64(0)
		if args := inv.Args(); len(args) > 0 {
			name, _ = args[0].(string)
			if len(args) > 1 {
				from, _ = args[1].(int64)
			}
		}
		line := s.Line(realm, name)
		if line == nil {
			return client.Payload{}, client.NewError(errorNoSuchName, fmt.Sprintf("realm %s has no serial line %q", realm, name))
		}
		return client.Args(newRaw(line.Look(uint64(max(from, 0))))), nil
	}
}

func newRaw(pieces []serial.Piece, next uint64) Raw {
	r := Raw{next, []Piece{}}
	for _, p := range pieces {
		r.Pieces = append(r.Pieces, Piece{p.At, p.Out, hex.EncodeToString(p.Bytes)})
	}
	return r
}
