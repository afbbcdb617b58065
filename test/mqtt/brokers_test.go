// Package mqtt proves the uplink to MQTT brokers from outside: the program as users run it, brokers and clients as Debian
// ships them. It needs mosquitto, mosquitto-clients and nats-server, so it runs only where RUNNEL_BROKERS is set, and fails
// there without them.
package mqtt

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/test/kit"
	"runnel/test/program"
)

var executable program.Binary

func TestMain(m *testing.M) {
	if os.Getenv("RUNNEL_BROKERS") == "" {
		fmt.Println("RUNNEL_BROKERS is not set: no brokers are started")
		return
	}
	kit.Main(m, kit.Programs("mosquitto", "mosquitto_sub", "mosquitto_pub", "mosquitto_passwd", "nats-server"), program.BuiltPlain(&executable))
}

// start runs a program until the test's end. It is ready when its standard error matches a pattern.
func start(t *testing.T, cmd *exec.Cmd, ready string) *program.Process {
	t.Helper()
	p, err := program.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if ready != "" {
		if _, err := p.Logs(ready); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// broker is an MQTT broker.
type broker struct {
	*program.Process
	port int
}

func (b *broker) url() string { return fmt.Sprintf("mqtt://127.0.0.1:%d", b.port) }

// mosquitto starts Debian's broker, with lines of its configuration.
func mosquitto(t *testing.T, config string) *broker {
	t.Helper()
	b, dir := &broker{port: kit.FreePort(t)}, t.TempDir()
	file := filepath.Join(dir, "mosquitto.conf")
	write(t, file, fmt.Sprintf("listener %d 127.0.0.1\nlog_dest stderr\nlog_type all\nuser root\n%s", b.port, config))
	b.Process = start(t, exec.Command("mosquitto", "-c", file), `mosquitto version \S+ running`)
	return b
}

const open = "allow_anonymous true\n"

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// subscribed waits until a mosquitto has accepted a client's n-th SUBSCRIBE. Before, it drops messages for the client.
func (b *broker) subscribed(t *testing.T, client string, n int) {
	t.Helper()
	accepted := func() bool { return strings.Count(b.Stderr.Text(), "Sending SUBACK to "+client+"\n") >= n }
	kit.Eventually(t, "SUBACK for "+client, accepted, b.Stderr.Text)
}

// nats starts nodes of a nats-server that speak MQTT; more than one are a cluster.
func nats(t *testing.T, nodes int) []*broker {
	t.Helper()
	var list []*broker
	var routes []string
	for range nodes {
		routes = append(routes, fmt.Sprintf("nats-route://127.0.0.1:%d", kit.FreePort(t)))
	}
	for i := range nodes {
		b, dir := &broker{port: kit.FreePort(t)}, t.TempDir()
		config := fmt.Sprintf(`
			server_name: n%d
			listen: "127.0.0.1:%d"
			jetstream { store_dir: %q, max_memory_store: 64MB, max_file_store: 256MB }
			mqtt { listen: "127.0.0.1:%d", ack_wait: "2s" }
			`, i, kit.FreePort(t), dir, b.port)
		if nodes > 1 {
			config += fmt.Sprintf("cluster { name: test, listen: %q, routes: [%s] }\n", strings.TrimPrefix(routes[i], "nats-route://"), strings.Join(routes, ", "))
		}
		file := filepath.Join(dir, "nats.conf")
		write(t, file, config)
		b.Process = start(t, exec.Command("nats-server", "-c", file), "")
		list = append(list, b)
	}
	for _, b := range list {
		if _, err := b.Logs(`Server is ready`); err != nil {
			t.Fatal(err)
		}
	}
	if nodes > 1 {
		leader(t, list)
	}
	return list
}

// leader waits until the nodes of a cluster have elected a leader.
func leader(t *testing.T, nodes []*broker) {
	t.Helper()
	kit.Eventually(t, "a leader of JetStream", func() bool {
		for _, b := range nodes {
			if strings.Contains(b.Stderr.Text(), "JetStream cluster new metadata leader") || strings.Contains(b.Stderr.Text(), "Self is new JetStream cluster metadata leader") {
				return true
			}
		}
		return false
	})
}

// watcher is a client of the broker that prints its messages: "topic|qos|retained|payload".
type watcher struct{ *program.Process }

// watch subscribes with mosquitto_sub and returns when the broker has agreed.
func watch(t *testing.T, b *broker, topic string, qos int, args ...string) *watcher {
	t.Helper()
	args = append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(b.port), "-t", topic, "-q", fmt.Sprint(qos), "-F", "%t|%q|%r|%p", "-d"}, args...)
	for end := time.Now().Add(kit.Patience); ; {
		w := &watcher{start(t, exec.Command("stdbuf", append([]string{"-oL", "mosquitto_sub"}, args...)...), "")}
		kit.Eventually(t, "mosquitto_sub", func() bool { return strings.Contains(w.Stdout.Text(), "Subscribed (") || ended(w.Process) })
		if !ended(w.Process) {
			return w
		}
		if time.Now().After(end) { // a cluster that has just started may reject connections at first
			t.Fatalf("mosquitto_sub: %v", w.Process)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func ended(p *program.Process) bool { return syscall.Kill(p.PID(), 0) != nil }

// lines are the received messages of the watcher.
func (w *watcher) lines() (list []string) {
	for line := range strings.Lines(w.Stdout.Text()) {
		if strings.Count(line, "|") >= 3 && strings.HasSuffix(line, "\n") {
			list = append(list, strings.TrimSuffix(line, "\n"))
		}
	}
	return list
}

// gets waits for a line.
func (w *watcher) gets(t *testing.T, line string) {
	t.Helper()
	if err := w.Sees(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// tell publishes a message for each line with mosquitto_pub.
func tell(t *testing.T, b *broker, topic string, lines string, args ...string) {
	t.Helper()
	args = append([]string{"-h", "127.0.0.1", "-p", fmt.Sprint(b.port), "-t", topic, "-q", "1", "-l"}, args...)
	cmd := exec.Command("mosquitto_pub", args...)
	cmd.Stdin = strings.NewReader(lines)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_pub: %v\n%s", err, out)
	}
}
