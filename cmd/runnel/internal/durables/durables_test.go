package durables

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge"
	"runnel/edge/auth"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/transport"
	"runnel/transport/memory"
)

// plant is a router with the durable subscription "billing", and two clients of it: a session does not get its own events.
type plant struct {
	*client.Client
	publisher *client.Client
	url       string
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	url := "unix://" + filepath.Join(kit.ShortDir(t), "r.sock")
	quiet := slog.New(slog.DiscardHandler)
	r := edge.NewRouter(edge.Options{Log: quiet})
	all := auth.NewRole("all", []auth.Permission{{Match: wamp.Prefix, Allow: auth.Everything}}).WithDurable()
	kit.Must(t, r.AddRealm(edge.RealmOptions{
		Name: "realm1", Anonymous: "all", Roles: []*auth.Role{all}, State: filepath.Join(t.TempDir(), "state"),
		Durable: []edge.DurableRule{{Name: "billing", URI: "com.example.bill", Match: wamp.Exact}},
	}))
	l, err := transport.Listen(url, transport.ListenOptions{Log: quiet})
	kit.Must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { l.Run(ctx, func(c transport.Conn) { r.Serve(c) }) })
	join := func() *client.Client {
		c, err := client.Connect(ctx, client.Options{Realm: "realm1", Log: quiet, Dial: func(context.Context) (client.Conn, error) {
			ours, theirs := memory.Internal(memory.Options{Name: "test", Authid: "test", Role: "all", Realm: "realm1"})
			running.Go(func() { r.Serve(theirs) })
			return ours, nil
		}})
		kit.Must(t, err)
		return c
	}
	p := &plant{join(), join(), url}
	t.Cleanup(func() {
		stop()
		p.Close(context.Background())
		p.publisher.Close(context.Background())
		r.Close(context.Background())
		running.Wait()
	})
	return p
}

func (p *plant) publish(t *testing.T, args ...any) {
	t.Helper()
	for _, arg := range args {
		kit.Must(t, p.publisher.Publish(t.Context(), "com.example.bill", client.PublishOptions{Acknowledge: true}, client.Args(arg)))
	}
}

// run runs "runnel durable" with arguments, and returns its output.
func (p *plant) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	before := term.Stdout
	term.Stdout = &out
	defer func() { term.Stdout = before }()
	cmd := Command("1.0")
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(append(args, "--url", p.url))
	err := cmd.Execute()
	return out.String(), err
}

// line returns the line of a table that begins with a name.
func line(table, name string) string {
	for text := range strings.Lines(table) {
		if strings.HasPrefix(text, name) {
			return text
		}
	}
	return ""
}

// The commands show, move and remove a durable subscription.
func TestCommands(t *testing.T) {
	p := newPlant(t)
	p.publish(t, "a", "b", "c")
	for _, c := range []struct {
		args string
		want []string // of the output, or of the error
		fail bool
	}{
		{"ls", []string{"DURABLE", "billing", "com.example.bill", "3, "}, false},
		{"ls --json", []string{`"name":"billing"`}, false},
		{"peek billing -n 2", []string{`"a"`, `"b"`}, false},
		{"peek billing --json", []string{`"c"`}, false},
		{"peek billing --owner x", []string{"billing"}, true},
		{"peek other", []string{"other"}, true},
		{"peek billing -n 0", []string{"-n 0: use 1 to"}, true},
		{"peek billing -n 1001", []string{"-n 1001: use 1 to"}, true},
		{"reset billing", []string{"--from START"}, true},
		{"reset billing --from yesterday", []string{"--from START"}, true},
		{"reset billing --from all", []string{"3 events to deliver"}, false},
		{"reset billing --from now", []string{"0 events to deliver"}, false},
		{"reset other --from now", []string{"other"}, true},
		{"drop other", []string{"other"}, true},
		{"drop billing", []string{"configuration"}, true}, // it is declared
	} {
		out, err := p.run(t, strings.Fields(c.args)...)
		if err != nil {
			out += err.Error()
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: %q has no %q", c.args, out, want)
			}
		}
		if (err != nil) != c.fail {
			t.Errorf("%s: %v", c.args, err)
		}
	}
	if out, _ := p.run(t, "peek", "billing", "-n", "2"); strings.Contains(out, `"a"`) {
		t.Errorf("after a reset to now: %q", out)
	}
}

// With --durable, the events that were kept are printed and acknowledged; without, only later ones are.
func TestReading(t *testing.T) {
	p := newPlant(t)
	p.publish(t, "a", "b")
	printed := make(chan string, 9)
	print := func(topic string, e *client.Event) error {
		printed <- topic + " " + e.Args()[0].(string)
		return nil
	}
	failed := make(chan error, 1)
	r := &Reading{Durable: client.Durable{Name: "billing"}}
	kit.Must(t, r.Subscribe(t.Context(), p.Client, "com.example.bill", client.SubscribeOptions{}, print, func(err error) { failed <- err }))
	for _, want := range []string{"com.example.bill a", "com.example.bill b"} {
		if got := kit.Receive(t, want, printed); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	kit.Eventually(t, "no event is kept", func() bool { out, _ := p.run(t, "ls"); return strings.Contains(line(out, "billing"), "0, 0B") }, func() string { out, _ := p.run(t, "ls"); return out })

	plain, heard := &Reading{}, make(chan string, 9)
	kit.Must(t, plain.Subscribe(t.Context(), p.Client, "com.example.now", client.SubscribeOptions{}, func(topic string, _ *client.Event) error { heard <- topic; return nil }, nil))
	kit.Must(t, p.publisher.Publish(t.Context(), "com.example.now", client.PublishOptions{Acknowledge: true}, client.Args("x")))
	if got := kit.Receive(t, "an event", heard); got != "com.example.now" {
		t.Error(got)
	}
}

// If an operator drops a subscription, its consumer gets the reason and the topic.
func TestDropped(t *testing.T) {
	p := newPlant(t)
	r, ended := &Reading{Durable: client.Durable{Name: "own"}}, make(chan error, 1)
	kit.Must(t, r.Subscribe(t.Context(), p.Client, "com.example.own", client.SubscribeOptions{}, func(string, *client.Event) error { return nil }, func(err error) { ended <- err }))
	if out, err := p.run(t, "drop", "own"); err != nil || !strings.Contains(out, "removed, with 0 events") {
		t.Errorf("%q, %v", out, err)
	}
	if err := kit.Receive(t, "the end", ended); !strings.HasPrefix(err.Error(), "subscribe to com.example.own: ") {
		t.Error(err)
	}
}

// Contradicting flags are rejected before the command runs.
func TestFlags(t *testing.T) {
	for args, want := range map[string]string{
		"a.b": "", "a.b c.d --retained": "", "a.b --durable x": "", "a.b --durable x --from all": "", "--durable x": "", "a.b --durable x --json": "",
		"a.b --from all": "--from needs --durable", "a.b c.d --durable x": "has one topic", "a.b --durable x --retained": "--retained can't be combined",
		"a.b --durable=": "the name is empty", "a.b --durable= --from all": "the name is empty",
	} {
		var r Reading
		cmd := &cobra.Command{Use: "sub", SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error { return nil }}
		cmd.Flags().Bool("retained", false, "")
		cmd.Flags().Bool("json", false, "")
		r.Flags(cmd)
		cmd.SetArgs(strings.Fields(args))
		if err := cmd.Execute(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
		if r.asJSON != strings.Contains(args, "--json") {
			t.Errorf("%s: JSON is %v", args, r.asJSON)
		}
	}
}
