// Package lines tests devices that do not support WAMP. It runs the program as users do, with simulated devices on
// pseudo-terminals.
package lines

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/program"
	"runnel/transport/serial/pty"
)

var runnel program.Binary

func TestMain(m *testing.M) { kit.Main(m, program.Built(&runnel)) }

const realm = "version = 1\n" + kit.OpenRealm + `
[[realm.role]]
name = "sensor"
[[realm.role.permission]]
uri = "com.example."
match = "prefix"
allow = ["publish", "register"]
[[listen]]
url = "unix://runnel.sock"
`

// router is a running router.
type router struct {
	*program.Process
	*client.Client // joined to it
	url, file      string
}

// start runs a router with serial lines.
func start(t *testing.T, config string) *router {
	t.Helper()
	dir, err := os.MkdirTemp("", "lines-") // a Unix socket's path must be short
	kit.Must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "runnel.toml")
	kit.Must(t, os.WriteFile(file, []byte(realm+config), 0o600))
	return startWith(t, dir, file)
}

// startWith runs a router with a configuration file in a directory.
func startWith(t *testing.T, dir, file string) *router {
	t.Helper()
	r := &router{url: "unix://" + filepath.Join(dir, "runnel.sock"), file: file}
	p, err := program.Start(runnel.Command("run", "-c", r.file))
	kit.Must(t, err)
	t.Cleanup(func() {
		p.Signal(syscall.SIGTERM)
		if status, err := p.Wait(); err != nil || status != 0 {
			t.Errorf("the router ended with %d, %v", status, err)
		}
		if strings.Contains(p.Stderr.Text(), "not connected to router; retrying") {
			t.Error("a sensor's session did not end in good order")
		}
		if t.Failed() {
			t.Log(p)
		}
	})
	r.Process = p
	_, err = r.Logs("msg=listening")
	kit.Must(t, err)
	r.Client = r.join(t, r.url)
	return r
}

// write writes the router's configuration.
func (r *router) write(t *testing.T, config string) {
	t.Helper()
	kit.Must(t, os.WriteFile(r.file, []byte(realm+config), 0o600))
}

// join joins the router at a URL.
func (r *router) join(t *testing.T, url string) *client.Client {
	t.Helper()
	return program.Join(t, url, client.Options{RequestTimeout: kit.Patience})
}

// event is an event that a subscriber has received.
type event struct {
	topic  string
	kwargs map[string]any
}

// hear subscribes to all topics of the example.
func (r *router) hear(t *testing.T) chan event {
	t.Helper()
	events := make(chan event, 1000)
	_, err := r.Subscribe(t.Context(), "com.example.", client.SubscribeOptions{Match: wamp.Prefix}, func(e *client.Event) {
		kit.Send(t, events, event{e.Topic(), e.Kwargs()})
	})
	kit.Must(t, err)
	return events
}

func next(t *testing.T, events chan event) event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(kit.Patience):
		t.Fatal("no event")
		return event{}
	}
}

// state holds the fields of runnel.status for a line that the stories check.
type state struct {
	Name, State, Error string
	Opens              int
	Alarms             []string
	Lines              struct {
		Good, Bad, Long, Ignored int
		NotUTF8                  int    `json:"not_utf8"`
		Unanswered               int    `json:"unanswered"`
		CheckErrors              int    `json:"check_errors"`
		BadLine                  string `json:"bad_line"`
		BadReason                string `json:"bad_reason"`
		BadFields                int    `json:"bad_fields"`
		BadField                 string `json:"bad_field"`
		BadInARow                int    `json:"bad_in_a_row"`
	}
	Modbus struct {
		Slaves []struct {
			Slave, Requests, Answers, Timeouts, Exceptions int
			Silent                                         bool
		}
	}
	Sensor struct {
		Published, Refused, Dropped int
		Refusal                     string
		Silent                      bool
		LastGood                    string `json:"last_good"`
	}
}

func (r *router) state(t *testing.T, name string) state {
	t.Helper()
	result, err := r.Call(t.Context(), "runnel.status", client.CallOptions{}, client.Payload{})
	kit.Must(t, err)
	text, err := json.Marshal(result.Args()[0])
	kit.Must(t, err)
	var report struct{ Serial []state }
	kit.Must(t, json.Unmarshal(text, &report))
	for _, s := range report.Serial {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no line %s in %s", name, text)
	return state{}
}

// opened waits until the router has opened the line's port.
func (r *router) opened(t *testing.T, name string, times int) {
	t.Helper()
	kit.Eventually(t, name+" open", func() bool {
		s := r.state(t, name)
		return s.State == "serving" && s.Opens == times
	})
}

// plug plugs in a simulated device.
func plug(t *testing.T, link string) *pty.Device {
	t.Helper()
	d, err := pty.Plug(link)
	kit.Must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func say(t *testing.T, d *pty.Device, text string) {
	t.Helper()
	_, err := d.Write([]byte(text))
	kit.Must(t, err)
}

// run runs a command to its end and returns its output.
func run(t *testing.T, status int, args ...string) (stdout, stderr string) {
	t.Helper()
	p, err := program.Start(runnel.Command(args...))
	kit.Must(t, err)
	got, err := p.Wait()
	kit.Must(t, err)
	if got != status {
		t.Fatalf("%s ended with %d, want %d\n%v", strings.Join(args, " "), got, status, p)
	}
	return p.Stdout.Text(), p.Stderr.Text()
}
