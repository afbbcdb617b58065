package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runnel/test/kit"
)

// protocol is the language in which a broker is spoken to.
type protocol string

const (
	wampProtocol  protocol = "wamp"
	natsProtocol  protocol = "nats"
	mqttProtocol  protocol = "mqtt"
	limitProtocol protocol = "limit" // WAMP as far as the relay knows it
)

// broker is a program that can be started. Its command gets the folder for its files, the port on 127.0.0.1 to listen at,
// and the scenario.
type broker struct {
	name     string
	protocol protocol
	command  func(dir string, port int, s scenario) (*exec.Cmd, error)
}

// programs lists the directories of programs outside PATH.
type programs struct {
	runnel, relay string
	nats          string // another nats-server than the installed one
}

// brokers are all that are installed on this machine.
func (p programs) brokers() []broker {
	found := []broker{{"runnel", wampProtocol, p.startRunnel}}
	if path := lookPath("nats-server"); path != "" {
		found = append(found, broker{"nats", natsProtocol, startNATS(path)})
	}
	if p.nats != "" {
		found = append(found, broker{"nats-other", natsProtocol, startNATS(p.nats)})
	}
	if path := lookPath("mosquitto"); path != "" {
		found = append(found, broker{"mosquitto", mqttProtocol, startMosquitto(path)})
	}
	if p.relay != "" {
		found = append(found, broker{"limit", limitProtocol, func(_ string, port int, _ scenario) (*exec.Cmd, error) {
			return exec.Command(p.relay, fmt.Sprint(port)), nil
		}})
	}
	return found
}

// lookPath finds a server, even outside the user's PATH.
func lookPath(name string) string {
	for _, dir := range []string{"", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

// choose picks brokers by name; without names, all of them.
func choose(found []broker, names []string) ([]broker, error) {
	if len(names) == 0 {
		return found, nil
	}
	var chosen []broker
	for _, name := range names {
		i := slices.IndexFunc(found, func(b broker) bool { return b.name == name })
		if i < 0 {
			return nil, fmt.Errorf("broker %q is not installed or not known; install Debian's nats-server or mosquitto, or name the relay by -relay", name)
		}
		chosen = append(chosen, found[i])
	}
	return chosen, nil
}

func (p programs) startRunnel(dir string, port int, s scenario) (*exec.Cmd, error) {
	listen := fmt.Sprintf("[[listen]]\nurl = \"tcp://127.0.0.1:%d\"\n", port)
	if s.devices {
		listen = fmt.Sprintf("[[listen]]\nurl = \"mqtt://127.0.0.1:%d\"\n", port)
	}
	if s.secure {
		cert, key, err := certificate(dir)
		if err != nil {
			return nil, err
		}
		listen = fmt.Sprintf("[[listen]]\nurl = \"tls://127.0.0.1:%d\"\ncertificate = %q\nkey = %q\n", port, cert, key)
	}
	listen += "max_connections = 20000\n"
	if s.relay {
		listen += fmt.Sprintf("[[listen]]\nurl = \"unix://%s\"\n", filepath.Join(dir, relaySocket))
	}
	node, size, durable := keptRunnel(dir, s)
	config := "version = 1\n" + node + "[limits]\nmax_subscriptions = 1000000\n[[realm]]\nname = \"realm1\"\nanonymous = \"bench\"\n" + size + "[[realm.role]]\nname = \"bench\"\n" +
		"[[realm.role.permission]]\nuri = \"bench.\"\nmatch = \"prefix\"\nallow = [\"publish\", \"subscribe\", \"call\", \"register\"]\n" + durable + listen
	file := filepath.Join(dir, "runnel.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return exec.Command(p.runnel, "run", "-c", file), nil
}

// relaySocket is the name of the socket for a program between two devices.
const relaySocket = "wamp.sock"

func startMosquitto(path string) func(string, int, scenario) (*exec.Cmd, error) {
	return func(dir string, port int, s scenario) (*exec.Cmd, error) {
		config := fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\npersistence %v\n", port, s.kept)
		if s.kept {
			config += keptMosquitto(dir, s)
		}
		if s.qos > 0 {
			config += "max_inflight_messages 1000\nmax_queued_messages 0\n" // a window of 20 is the default
		}
		if s.secure {
			cert, key, err := certificate(dir)
			if err != nil {
				return nil, err
			}
			config += fmt.Sprintf("certfile %s\nkeyfile %s\n", cert, key)
		}
		if os.Geteuid() == 0 {
			config += "user root\n" // the folder is for this user alone
		}
		file := filepath.Join(dir, "mosquitto.conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			return nil, err
		}
		return exec.Command(path, "-c", file), nil
	}
}

// running is a started broker.
type running struct {
	process
	addr string
	cmd  *exec.Cmd
	dir  string
	done chan struct{} // closed when the process has ended
}

// start runs the broker in its own folder and waits until it accepts connections.
func (b broker) start(s scenario) (*running, error) {
	dir, err := os.MkdirTemp("", "runnel-load-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd, err := b.command(dir, port, s)
	if err != nil {
		return nil, err
	}
	var said strings.Builder
	cmd.Stderr = &said
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &running{process: process(cmd.Process.Pid), addr: fmt.Sprintf("127.0.0.1:%d", port), cmd: cmd, dir: dir, done: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(r.done)
	}()
	if err := r.ready(); err != nil {
		r.stop()
		return nil, fmt.Errorf("start %s: %w: %s", b.name, err, strings.TrimSpace(said.String()))
	}
	return r, nil
}

func (r *running) ready() error {
	for deadline := time.Now().Add(kit.Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-r.done:
			return fmt.Errorf("it ended: %s", r.cmd.ProcessState)
		default:
		}
		if c, err := net.Dial("tcp", r.addr); err == nil {
			c.Close()
			time.Sleep(200 * time.Millisecond) // start-up is not part of the figures
			return nil
		}
	}
	return fmt.Errorf("nothing listens at %s", r.addr)
}

// stop ends the broker and removes its files.
func (r *running) stop() {
	r.cmd.Process.Signal(os.Interrupt)
	select {
	case <-r.done:
	case <-time.After(kit.Patience):
		r.cmd.Process.Kill()
		<-r.done
	}
	os.RemoveAll(r.dir)
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
