package edge

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// welcoming is a connection whose first write, that of WELCOME, does something else before it returns.
type welcoming struct {
	*memory.Conn
	meanwhile func()
}

func (c *welcoming) Write(batch []byte, wait bool) (int, error) {
	n, err := c.Conn.Write(batch, wait)
	c.meanwhile()
	return n, err
}

// A peer that has WELCOME gets GOODBYE, even if the router or the peer's listener closes at that moment.
func TestCloseAfterWelcome(t *testing.T) {
	for name, end := range map[string]func(*Router){
		"router":   func(r *Router) { r.Close(context.Background()) },
		"listener": func(r *Router) { r.CloseSessions(func(*wamp.Transport) bool { return true }, wamp.CloseShutdown, "") },
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, Options{}, RealmOptions{}, func(s *story) {
				ours, theirs := memory.Pipe(memory.Options{Serializer: wamp.JSON})
				p := &peer{story: s, conn: ours, speaks: wamp.JSON, ended: make(chan error, 1)}
				meanwhile := sync.OnceFunc(func() {
					go end(s.router)
					synctest.Wait()
				})
				s.served.Go(func() { p.ended <- s.router.Serve(&welcoming{theirs, meanwhile}) })
				p.listen()
				p.say(helloAll)
				p.hear(`[2,"*","*"]`, `[6,"*","wamp.close.system_shutdown"]`)
			})
		})
	}
}
