// Package memory verifies that peers cannot exhaust the memory of a small machine. The real binary runs in a control
// group of 64 MiB. It is attacked in every way that makes a router hold memory, and must keep serving a well-behaved
// session. If no control group can be created, the router gets the limit by GOMEMLIMIT, and its peak is measured.
package memory

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport"
)

// bound is the memory limit of the router in bytes.
const bound = 64 << 20

// own is the limit of the router's own memory, in bytes. The rest is for the pages of its files.
const own = bound / 8 * 7

var runnel program.Binary

func TestMain(m *testing.M) { kit.Main(m, program.BuiltPlain(&runnel)) }

const config = "version = 1\n" + kit.OpenRealm + `
[[listen]]
url = "tcp://127.0.0.1:0"
[[listen]]
url = "unix://%s"
`

// victim is the router that is attacked.
type victim struct {
	*testing.T
	*program.Process
	tcp, unix string
	group     *group // nil without a control group

	stop  context.CancelFunc
	good  sync.WaitGroup
	round atomic.Int64
	err   atomic.Pointer[error]
}

// start runs the router with additional configuration, and a pair of well-behaved sessions.
func start(t *testing.T, more string) *victim {
	t.Helper()
	dir := t.TempDir()
	v := &victim{T: t, unix: filepath.Join(dir, "s")}
	file := filepath.Join(dir, "runnel.toml")
	if err := os.WriteFile(file, []byte(fmt.Sprintf(config, v.unix)+more), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := runnel.Command("run", "-c", file)
	var err error
	if v.group, err = newGroup(bound); err == nil {
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, v.group.dir}, cmd.Args...)
	} else {
		t.Logf("no control group: %v", err)
		cmd.Env = append(cmd.Env, fmt.Sprintf("GOMEMLIMIT=%d", bound/10*9))
	}
	if v.Process, err = program.Start(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.shutDown)
	found, err := v.Logs(`msg=listening url=tcp://(127.0.0.1:\d+)`)
	if err != nil {
		t.Fatal(err)
	}
	v.tcp = found[1]
	if _, err := v.Logs(`msg=listening url=unix://`); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	v.stop = stop
	if err := v.behave(ctx); err != nil {
		t.Fatal(err)
	}
	return v
}

// shutDown ends the router and checks its peak memory.
func (v *victim) shutDown() {
	peak := peak(v.PID())
	if v.stop != nil {
		v.stop()
		v.good.Wait()
	}
	if err := v.err.Load(); err != nil {
		v.Error(*err)
	}
	v.Signal(syscall.SIGTERM)
	if status, err := v.Wait(); err != nil || status != 0 {
		v.Errorf("the router ended with status %d, %v", status, err)
	}
	v.Logf("peak %d MiB, %d rounds of the well-behaved session", peak>>20, v.round.Load())
	if peak > own {
		v.Errorf("the router had %d MiB of its own", peak>>20)
	}
	if v.Failed() {
		text := v.String()
		v.Log(text[max(0, len(text)-5000):])
	}
	v.group.remove()
}

// dial opens a session over the Unix socket.
func (v *victim) dial(ctx context.Context) (*client.Client, error) {
	return client.Connect(ctx, client.Options{
		Dial: func(ctx context.Context) (client.Conn, error) {
			return transport.Dial(ctx, "tcp://"+v.tcp, transport.DialOptions{Serializer: wamp.CBOR})
		},
		Realm:     "realm1",
		Reconnect: client.Reconnect{Disabled: true},
	})
}

// behave runs a pair of sessions that publish and call until ctx is done.
func (v *victim) behave(ctx context.Context) error {
	one, err := v.dial(ctx)
	if err != nil {
		return err
	}
	other, err := v.dial(ctx)
	if err != nil {
		return err
	}
	heard := make(chan int64, 100)
	if _, err = other.Subscribe(ctx, "good.topic", client.SubscribeOptions{}, func(e *client.Event) {
		n, _ := e.Args()[0].(int64)
		heard <- n
	}); err != nil {
		return err
	}
	if _, err = other.Register(ctx, "good.echo", client.RegisterOptions{}, func(_ context.Context, i *client.Invocation) (client.Payload, error) {
		return client.Args(i.Args()...), nil
	}); err != nil {
		return err
	}
	v.good.Go(func() {
		for n := int64(1); ctx.Err() == nil; n++ {
			if err := turn(ctx, one, heard, n); err != nil && ctx.Err() == nil {
				err = fmt.Errorf("the well-behaved session, round %d: %w", n, err)
				v.err.Store(&err)
				return
			}
			v.round.Add(1)
		}
		one.Close(context.Background())
		other.Close(context.Background())
	})
	return nil
}

func turn(ctx context.Context, c *client.Client, heard <-chan int64, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, kit.Patience)
	defer cancel()
	if err := c.Publish(ctx, "good.topic", client.PublishOptions{Acknowledge: true}, client.Args(n)); err != nil {
		return err
	}
	result, err := c.Call(ctx, "good.echo", client.CallOptions{}, client.Args(n, strings.Repeat("x", 1000)))
	if err != nil {
		return err
	}
	if got := result.Args()[0]; got != any(n) {
		return fmt.Errorf("called with %d, got %v", n, got)
	}
	select {
	case got := <-heard:
		if got != n {
			return fmt.Errorf("published %d, received %d", n, got)
		}
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("no event"), ctx.Err())
	}
}

// publish publishes n acknowledged events of size bytes to com.a.
func (v *victim) publish(n, size int) {
	v.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	c, err := v.dial(ctx)
	kit.Must(v, err)
	defer c.Close(ctx)
	for range n {
		kit.Must(v, c.Publish(ctx, "com.a", client.PublishOptions{Acknowledge: true}, client.Args(strings.Repeat("x", size))))
	}
}

// served checks that the router serves: the well-behaved sessions make progress, and a new session can join.
func (v *victim) served() {
	v.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	for want := v.round.Load() + 20; v.round.Load() < want; {
		if err := v.err.Load(); err != nil {
			v.Fatal(*err)
		}
		if ctx.Err() != nil {
			v.Fatal("the well-behaved session does not get on")
		}
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 1000})
	}
	c, err := v.dial(ctx)
	if err != nil {
		v.Fatal("a new session cannot join: ", err)
	}
	defer c.Close(ctx)
	if err := c.Publish(ctx, "good.other", client.PublishOptions{Acknowledge: true}, client.Args(1)); err != nil {
		v.Fatal(err)
	}
}
