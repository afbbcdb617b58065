package node

import (
	"context"
	"sync"
)

// group is a set of parts that run and stop together.
type group struct {
	ctx  context.Context
	stop context.CancelFunc
	fail func(error) // called when a part ends with an error before it is stopped
	work sync.WaitGroup
}

// work is one running part.
type work struct {
	stop context.CancelFunc
	done chan struct{} // closed when the part has ended
}

func newGroup(fail func(error)) *group {
	ctx, stop := context.WithCancel(context.Background())
	return &group{ctx: ctx, stop: stop, fail: fail}
}

func (g *group) start(run func(context.Context) error) *work {
	ctx, stop := context.WithCancel(g.ctx)
	w := &work{stop, make(chan struct{})}
	g.work.Go(func() {
		defer close(w.done)
		defer stop()
		if err := run(ctx); err != nil && ctx.Err() == nil {
			g.fail(err)
		}
	})
	return w
}

// close stops the parts and waits for them.
func (g *group) close() {
	g.stop()
	g.work.Wait()
}

// close stops the part and waits for it.
func (w *work) close() {
	w.stop()
	<-w.done
}
