package stories

import (
	"context"
	"fmt"
	"net"
	"net/http"
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
)

func config(t *testing.T, r *router) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, "runnel.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// If one part of a reload fails, nothing changes: listeners, roles, realms, uplinks and metrics stay as they are.
func TestReloadAllOrNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := serve(t, "[[listen]]\nurl = \"unix://second.sock\"\n[metrics]\nurl = \"http://127.0.0.1:0/metrics\"\n")
	metrics := r.logs(`metrics.* url=(\S+)`)[1]
	sub := r.subscribe(t, "unix://"+r.dir+"/second.sock", "story.a")
	whole := config(t, r)
	grown := strings.NewReplacer("second.sock", "third.sock", `allow = ["publish", "subscribe", "call", "register"]`, `allow = ["subscribe", "call"]`).Replace(whole) +
		"[[realm]]\nname = \"realm2\"\n[[uplink]]\nname = \"central\"\nrealm = \"realm1\"\nurl = \"tcp://127.0.0.1:1\"\n[[uplink.export]]\ntopic = \"story.a\"\n"
	for what, c := range map[string]struct{ text, want string }{
		"metrics":  {strings.Replace(grown, "http://127.0.0.1:0", "http://"+taken.Addr().String(), 1), "address already in use"},
		"listener": {grown + "[[listen]]\nurl = \"tcp://" + taken.Addr().String() + "\"\n", "address already in use"},
		"socket":   {grown + "[[listen]]\nurl = \"unix://runnel.toml/a.sock\"\n", ""},
	} {
		write(t, r.dir, "runnel.toml", c.text)
		answer := r.reload(t)
		if answer.status != 1 && answer.status != 3 || !strings.Contains(answer.stderr, c.want) {
			t.Errorf("%s: %+v", what, answer)
		}
		runnel(t, "pub", "story.a", what, "--ack", "--url", "unix://"+r.dir+"/second.sock").expect(t, 0, "", "")
		sub.sees("story.a \"" + what + "\"")
		if _, err := os.Stat(r.dir + "/third.sock"); err == nil {
			t.Errorf("%s: a listener was opened", what)
		}
		if answer, err := http.Get(metrics); err != nil {
			t.Errorf("%s: %v", what, err)
		} else {
			answer.Body.Close()
		}
		var report struct {
			Uplinks []struct{ Name string }
			Router  struct{ Realms []counts }
		}
		if r.status(t, &report); len(report.Uplinks) > 0 || len(report.Router.Realms) != 1 {
			t.Errorf("%s: %+v", what, report)
		}
	}
	if text := sub.Stderr.Text(); text != "" {
		t.Errorf("a session says %s", text)
	}
	write(t, r.dir, "runnel.toml", whole)
	r.reload(t).expect(t, 0, "nothing has changed", "")
}

// Listeners swap their addresses, which may overlap, with each other and with the metrics.
func TestReloadAddressesChangeHands(t *testing.T) {
	r := serve(t, "[metrics]\nurl = \"http://127.0.0.1:0/metrics\"\n")
	metrics := strings.TrimSuffix(strings.TrimPrefix(r.logs(`metrics.* url=(\S+)`)[1], "http://"), "/metrics")
	r.change(t, "tcp://127.0.0.1:0", "tcp://"+metrics)
	r.change(t, "http://127.0.0.1:0", "http://"+r.address())
	r.reload(t).expect(t, 0, "listener tcp://"+metrics+" opened", "")
	runnel(t, "pub", "story.a", "--ack", "--url", "tcp://"+metrics).expect(t, 0, "", "")
	if answer, err := http.Get("http://" + r.address() + "/metrics"); err != nil || answer.StatusCode != http.StatusOK {
		t.Error(answer, err)
	}
	_, port, _ := strings.Cut(metrics, ":")
	r.change(t, "tcp://"+metrics, "tcp://0.0.0.0:"+port)
	r.reload(t).expect(t, 0, "listener tcp://0.0.0.0:"+port+" opened", "")
	runnel(t, "pub", "story.a", "--ack", "--url", "tcp://"+metrics).expect(t, 0, "", "")
	r.change(t, "tcp://0.0.0.0:"+port, "ws://127.0.0.1:"+port+"/ws")
	r.reload(t).expect(t, 0, "listener ws://127.0.0.1:"+port+"/ws opened", "")
	runnel(t, "pub", "story.a", "--ack", "--url", "ws://"+metrics+"/ws").expect(t, 0, "", "")
}

// No event of any class is lost or rejected while reloads replace an uplink repeatedly.
func TestReloadLosesNoEvent(t *testing.T) {
	centre := serve(t, "")
	link := "[[uplink]]\nname = \"central\"\nurl = \"" + centre.tcp + "\"\nmax_hops = 2\n"
	for _, class := range []string{"memory", "disk", "durable"} {
		link += "[[uplink.export]]\ntopic = \"story." + class + "\"\nstore = \"" + class + "\"\n"
	}
	r := serve(t, "[node]\nid = \"first\"\ndata = \"data\"\n"+link)
	arrived := struct {
		sync.Mutex
		numbers map[string]map[int64]int
	}{numbers: map[string]map[int64]int{"story.memory": {}, "story.disk": {}, "story.durable": {}}}
	far := connect(t, centre.unix)
	_, err := far.Subscribe(t.Context(), "story.", client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) {
		arrived.Lock()
		defer arrived.Unlock()
		arrived.numbers[e.Topic()][e.Args()[0].(int64)]++
	})
	if err != nil {
		t.Fatal(err)
	}
	r.logs(`link is up`)

	near := connect(t, r.unix)
	ctx, stop := context.WithCancel(t.Context())
	var publishing sync.WaitGroup
	var published atomic.Int64
	for topic := range arrived.numbers {
		publishing.Go(func() {
			for i := int64(0); ctx.Err() == nil; i++ {
				if err := near.Publish(t.Context(), topic, client.PublishOptions{Acknowledge: true}, client.Args(i)); err != nil {
					t.Errorf("%s %d: %v", topic, i, err)
					return
				}
				published.Add(1)
			}
		})
	}
	more := func(n int64) {
		t.Helper()
		until := published.Load() + n
		kit.Eventually(t, "publications", func() bool { return published.Load() >= until || t.Failed() })
	}
	for i := range 5 {
		more(50)
		r.change(t, fmt.Sprintf("max_hops = %d", i+2), fmt.Sprintf("max_hops = %d", i+3))
		r.reload(t).expect(t, 0, "uplink central started again\n", "")
	}
	more(50)
	r.change(t, `id = "first"`, `id = "second"`)
	r.change(t, `name = "central"`, "name = \"central\"\nmax_size = \"8MB\"")
	r.reload(t).expect(t, 0, "[node] id: the node is second\nuplink central started again: the node's id has changed\n", "")
	more(50)
	stop()
	publishing.Wait()
	kit.Eventually(t, "all events at the centre", func() bool {
		arrived.Lock()
		defer arrived.Unlock()
		sum := 0
		for _, numbers := range arrived.numbers {
			sum += len(numbers)
		}
		return int64(sum) >= published.Load()
	})
}

// The same with a flood of events: the publishers do not wait for acknowledgements.
func TestReloadUnderFlood(t *testing.T) {
	centre := serve(t, "")
	r := serve(t, "[node]\ndata = \"data\"\n[[uplink]]\nname = \"central\"\nurl = \""+centre.tcp+"\"\nmax_hops = 2\n"+
		"[[uplink.export]]\ntopic = \"story.\"\nmatch = \"prefix\"\nstore = \"disk\"\n")
	var arrived sync.Map
	var sum atomic.Int64
	far := connect(t, centre.unix)
	if _, err := far.Subscribe(t.Context(), "story.", client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) {
		if _, twice := arrived.LoadOrStore(e.Args()[0], true); !twice {
			sum.Add(1)
		}
	}); err != nil {
		t.Fatal(err)
	}
	r.logs(`link is up`)
	near := connect(t, r.unix)
	const events = 20_000
	var published atomic.Int64
	var publishing sync.WaitGroup
	publishing.Go(func() {
		how := client.PublishOptions{Done: func(_ wamp.ID, err error) {
			if err != nil {
				t.Error(err)
			}
			published.Add(1)
		}}
		for i := range int64(events) {
			if err := near.Publish(t.Context(), "story.a", how, client.Args(i)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 3 {
		kit.Eventually(t, "publications", func() bool { return published.Load() > int64(i+1)*events/8 || t.Failed() })
		r.change(t, fmt.Sprintf("max_hops = %d", i+2), fmt.Sprintf("max_hops = %d", i+3))
		r.reload(t).expect(t, 0, "uplink central started again\n", "")
	}
	publishing.Wait()
	kit.Eventually(t, "all events at the centre", func() bool { return sum.Load() == events || t.Failed() })
}

// The router still answers while a reload waits for an uplink whose far side does not answer.
func TestReloadHoldsUpNobody(t *testing.T) {
	centre := serve(t, "")
	r := serve(t, "[metrics]\nurl = \"http://127.0.0.1:0/metrics\"\n[[uplink]]\nname = \"central\"\nurl = \""+centre.tcp+"\"\n[[uplink.export]]\ntopic = \"story.a\"\n")
	metrics := r.logs(`metrics.* url=(\S+)`)[1]
	r.logs(`link is up`)
	centre.Signal(syscall.SIGSTOP)
	defer centre.Signal(syscall.SIGCONT)
	runnel(t, "pub", "story.a", "--ack", "--url", r.unix).expect(t, 0, "", "") // its acknowledgement is waited for
	r.change(t, `name = "central"`, "name = \"central\"\nmax_hops = 3")
	r.count(t)
	answered := make(chan error, 1)
	go func() {
		_, err := r.asking.Call(context.Background(), "runnel.reload", client.CallOptions{}, client.Payload{})
		answered <- err
	}()
	r.logs(`(?s)(role=runnel\.uplink.*){2}`) // the new link has joined, the old one is still there
	answers := 0
	for len(answered) == 0 {
		answer, err := http.Get(metrics)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		r.count(t)
		if len(answered) == 0 {
			answers++
		}
	}
	if err := <-answered; err != nil || answers == 0 {
		t.Errorf("%d answers during the reload, %v", answers, err)
	}
}

// Secrets in files that were replaced take effect, and the reload says so.
func TestReloadRotatedSecrets(t *testing.T) {
	t.Parallel()
	centre := serve(t, "")
	r := serve(t, "")
	write(t, r.dir, "ticket", "old")
	write(t, r.dir, "password", "old")
	r.change(t, "[[listen]]", "[[realm.principal]]\nauthid = \"pump\"\nrole = \"guest\"\nticket = \"file:ticket\"\n"+
		"[[realm.principal]]\nauthid = \"drill\"\nrole = \"guest\"\nscram = { secret = \"file:password\" }\n[[listen]]")
	r.change(t, patient, patient+"[[uplink]]\nname = \"central\"\nauthid = \"a\"\nticket = \"file:ticket\"\nurl = \""+centre.tcp+"\"\n[[uplink.export]]\ntopic = \"story.a\"\n")
	r.reload(t).expect(t, 0, "uplink central started\n", "")
	pump := func(ticket string) result {
		return runnel(t, "pub", "story.b", "--ack", "--url", r.tcp, "--authid", "pump", "--ticket", ticket)
	}
	pump("old").expect(t, 0, "", "")
	write(t, r.dir, "ticket", "new")
	r.reload(t).expect(t, 0, "realm realm1: the secret of pump\n", "")
	pump("old").expect(t, 1, "", "")
	pump("new").expect(t, 0, "", "")
	write(t, r.dir, "ticket", "newer")
	write(t, r.dir, "password", "new")
	r.reload(t).expect(t, 0, "uplink central started again: a secret, a key or a CA file has changed\n", "")
	r.reload(t).expect(t, 0, "nothing has changed\n", "")
	write(t, r.dir, "password", "newer")
	r.reload(t).expect(t, 0, "realm realm1: the secret of drill\n", "")
}

// "systemctl reload" runs this command. It fails with an error if the configuration was not applied.
func TestReloadProcess(t *testing.T) {
	dir := t.TempDir()
	config := realm + "[[listen]]\nurl = \"unix://runnel.sock\"\n"
	cmd := command("run", "-c", write(t, dir, "runnel.toml", config))
	cmd.Env = append(cmd.Env, "RUNTIME_DIRECTORY="+dir)
	p := launch(t, cmd)
	p.logs(`listening`)
	ask := func() result {
		cmd := command("reload", "--pid", fmt.Sprint(p.PID()))
		cmd.Env = append(cmd.Env, "RUNTIME_DIRECTORY="+dir)
		return finish(t, cmd)
	}
	ask().expect(t, 0, "nothing has changed\n", "")
	write(t, dir, "runnel.toml", config+"[log]\nlevel = \"debug\"\n")
	ask().expect(t, 0, "[log] level\n", "")
	write(t, dir, "runnel.toml", config+"[log]\nlevel = \"loud\"\n")
	ask().expect(t, 3, "", "log.level: \"loud\"")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	write(t, dir, "runnel.toml", config+"[[listen]]\nurl = \"tcp://"+taken.Addr().String()+"\"\n")
	ask().expect(t, 1, "", "address already in use")
	runnel(t, "reload", "--pid", "x").expect(t, 2, "", "--pid")
	if _, err := os.Stat(dir + "/reload.json"); err != nil {
		t.Error(err)
	}
}
