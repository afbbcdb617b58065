package wamp

import (
	"errors"
	"fmt"
	"testing"

	"runnel/edge/wamp"
	"runnel/uplink/spool"
)

// The publisher of an event for which the spool has no room is to retry.
func TestPublisherError(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		err  error
		want error
	}{
		{nil, nil},
		{spool.ErrFull, wamp.Unavailable},
		{fmt.Errorf("put: %w", spool.ErrClosed), wamp.Unavailable},
		{broken, broken},
	} {
		if got := publisherError(c.err); !errors.Is(got, c.want) {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
