package wamp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// Only an end that the centre may have made because of an event speaks against the event.
func TestEndedByCentre(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{io.EOF, true},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), true},
		{errors.New("websocket: close status 1009: message too big"), true},
		{client.NewError(wamp.ProtocolViolation.Error()), true},
		{client.NewError(wamp.PayloadSizeExceeded.Error()), true},
		{client.NewError("wamp.close.system_shutdown"), false},
		{fmt.Errorf("GOODBYE: %w", client.NewError("wamp.close.killed")), false},
		{client.NewError(wamp.DuplicateNode.Error()), false},
		{client.ErrClosed, false},
		{fmt.Errorf("read: %w", os.ErrDeadlineExceeded), false},
		{fmt.Errorf("read: %w", syscall.ETIMEDOUT), false},
		{syscall.EHOSTUNREACH, false},
	} {
		if got := endedByCentre(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

func TestFlight(t *testing.T) {
	f := newFlight()
	f.wait(t.Context()) // nothing is under way
	f.add(shipment{sequence: 2})
	f.add(shipment{sequence: 1})
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.wait(context.Background())
	}()
	f.remove(2)
	f.remove(1)
	<-done
	f.add(shipment{sequence: 4})
	f.add(shipment{sequence: 3})
	f.end()
	f.wait(t.Context()) // the session has ended
	f.remove(3)
	f.add(shipment{sequence: 5})
	if open := f.open(); len(open) != 2 || open[0].sequence != 3 || open[1].sequence != 4 {
		t.Errorf("under way when the session ended: %v", open)
	}
}
