package uplink

import (
	"context"
	"time"

	"runnel/edge/client"
)

// Connections describes how a link opens one connection to the far side after another.
type Connections struct {
	Ready     <-chan struct{} // closed when the link has joined the local realm for the first time
	Local     *client.Client  // there is a connection only while this client is up
	Reconnect client.Reconnect

	Connect func(ctx context.Context) (up bool, err error) // opens a connection and serves it; up: it succeeded in opening it
	Proven  func(lasted time.Duration) bool                // whether the pauses start again with the shortest one
	Failed  func(err error)                                // logs why there is no connection
}

// Run opens and serves connections until ctx is done.
func (c *Connections) Run(ctx context.Context) {
	select {
	case <-c.Ready:
	case <-ctx.Done():
		return
	}
	pause := c.Reconnect.Backoff()
	for failed := 0; c.Local.WaitUp(ctx) == nil; {
		start := time.Now()
		up, err := c.Connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if up {
			failed = 0
		}
		// Log the end of a connection, and then the failures 1, 2, 4, 8 and so on. A long outage must not flood the
		// log.
		if failed&(failed-1) == 0 {
			c.Failed(err)
		}
		failed++
		if lasted := time.Since(start); up && c.Proven(lasted) {
			pause.Reset()
		}
		if !client.Sleep(ctx, pause.Next()) {
			return
		}
	}
}
