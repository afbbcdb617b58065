// Package natsd runs nats-servers for tests.
package natsd

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
	"runnel/test/program"
)

// Server is a nats-server. It can be killed and started again.
type Server struct {
	Port int

	t       testing.TB
	file    string
	process *program.Process // nil: it is not running
}

// Find returns the nats-server to test: that of RUNNEL_NATS_SERVER, or the installed one. It skips the test without one, or has it
// fail where RUNNEL_BROKERS is set.
func Find(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath(cmp.Or(os.Getenv("RUNNEL_NATS_SERVER"), "nats-server"))
	switch {
	case err == nil:
		return path
	case os.Getenv("RUNNEL_BROKERS") != "":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	return ""
}

// JetStream is the configuration of JetStream for New and Cluster.
const JetStream = "jetstream { max_memory_store: 64MB, max_file_store: 256MB }\n"

// New returns a server with this configuration, beside address and store. It is not started.
func New(t testing.TB, config string) *Server {
	t.Helper()
	Find(t)
	s := &Server{t: t, Port: kit.FreePort(t)}
	dir := t.TempDir()
	config = strings.Replace(config, "jetstream {", fmt.Sprintf("jetstream { store_dir: %q, ", dir), 1)
	s.file = kit.Write(t, dir, "nats.conf", fmt.Sprintf("listen: \"127.0.0.1:%d\"\n%s", s.Port, config))
	t.Cleanup(s.Kill)
	return s
}

// Cluster returns the servers of a cluster with JetStream. They are not started.
func Cluster(t testing.TB, n int) (list []*Server) {
	t.Helper()
	var routes []string
	for range n {
		routes = append(routes, fmt.Sprintf("\"nats-route://127.0.0.1:%d\"", kit.FreePort(t)))
	}
	for i := range n {
		listen := strings.Replace(routes[i], "nats-route://", "", 1)
		list = append(list, New(t, fmt.Sprintf("server_name: n%d\n%scluster { name: test, listen: %s, routes: [%s] }\n",
			i, JetStream, listen, strings.Join(routes, ", "))))
	}
	return list
}

// Start starts the server, and returns when it accepts clients.
func (s *Server) Start() {
	s.t.Helper()
	p, err := program.Start(exec.Command(Find(s.t), "-c", s.file))
	kit.Must(s.t, err)
	s.process = p
	_, err = p.Logs(`Server is ready`)
	kit.Must(s.t, err)
}

// Kill ends the server as a crash would.
func (s *Server) Kill() {
	if s.process != nil {
		s.process.Signal(syscall.SIGKILL)
		s.process.Wait()
		s.process = nil
	}
}

// URL returns the server's URL.
func (s *Server) URL() string { return "nats://" + s.Address() }

// Address returns the server's address.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.Port) }
