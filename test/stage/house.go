// Package stage sets up a router for the suites that test its behaviour on the wire. It runs one binary and reaches it by all
// transports and in all serializers.
//
//	house.go   the router, its configuration and its realms
//	way.go     the ways to it; link.go, poll.go and serial.go carry messages over them, with none of the router's code
//	scene.go   one case: its peers, its names
//	peer.go    what a peer sends and receives
//	shape.go   what holds for each message that the router sends
package stage

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"runnel/test/kit"
	"runnel/test/program"
)

// Config configures the router of a suite.
type Config struct {
	Top   string // TOML before all tables
	Realm string // TOML of each way's realm and of the strict one: keys, roles and principals
	Extra string // TOML after everything else

	// Realms returns the TOML of further realms, by name.
	Realms func(*House) (map[string]string, error)

	// Lines is the number of serial lines to each realm of a serial way, and Strict the number to the strict realm.
	// They limit the peers of a scene. After a failed peer, a line accepts no other for a moment, so more lines may be
	// faster.
	Lines, Strict int
}

// House is a running router.
type House struct {
	*program.Process
	TCP, TLS, Unix string   // addresses
	More           []string // URLs of the listeners of Config.Extra
	Dir            string

	ca    *authority
	tls   *tls.Config
	lines map[string]chan *line
	all   []*line
}

// Strict is the realm with strict checks of the specification.
const Strict = "stage.strict"

// TestMain is the TestMain of a suite whose tests all use one router, house. It builds the router unless RUNNEL_BIN names one.
// parts are the programs that the suite needs besides the router.
func TestMain(m *testing.M, house **House, c Config, parts ...kit.Part) {
	flag.Parse()
	flag.Set("test.parallel", "32") // most of a case's time is spent waiting
	opened := func(dir string) (end func() error, err error) {
		if *house, err = open(dir, c); err != nil {
			return nil, err
		}
		return (*house).close, nil
	}
	kit.Leakproof(m, append([]kit.Part{opened}, parts...)...)
}

// Open starts a router for the duration of a test.
func Open(t *testing.T, c Config) *House {
	t.Helper()
	h, err := open(kit.ShortDir(t), c)
	kit.Must(t, err)
	t.Cleanup(func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// open starts a router. It puts the router's files into dir.
func open(dir string, c Config) (*House, error) {
	h := &House{Dir: dir, lines: map[string]chan *line{}}
	if err := h.start(c); err != nil {
		if h.Process != nil {
			h.Signal(syscall.SIGTERM)
			h.Wait()
		}
		h.unplug()
		return nil, err
	}
	return h, nil
}

func (h *House) start(c Config) (err error) {
	if h.ca, err = newAuthority(); err != nil {
		return err
	}
	h.tls = h.ca.client()
	if err := h.ca.write(h.Dir); err != nil {
		return err
	}
	text, err := h.config(c)
	if err != nil {
		return err
	}
	file := filepath.Join(h.Dir, "runnel.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	var binary program.Binary
	if _, err := program.Built(&binary)(h.Dir); err != nil {
		return err
	}
	if h.Process, err = program.Start(binary.Command("run", "-c", file)); err != nil {
		return err
	}
	return h.listen(strings.Count(text, "[[listen]]"))
}

// listen waits until the router listens everywhere.
func (h *House) listen(listeners int) error {
	line := `(?s)` + strings.Repeat(`msg=listening url=(\S+).*?`, listeners)
	urls, err := h.Logs(line)
	if err != nil {
		return err
	}
	for i, into := range []*string{&h.TCP, &h.Unix, &h.TLS} {
		_, *into, _ = strings.Cut(urls[1+i], "://")
	}
	h.More = urls[4:]
	for _, l := range h.all {
		if _, err := h.Logs(`serial port open" line=` + regexp.QuoteMeta(l.name) + ` `); err != nil {
			return err
		}
	}
	return nil
}

func (h *House) config(c Config) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "version = 1\n%s\n[node]\ndata = \"data\"\n", c.Top)
	for _, w := range Ways() {
		h.realm(&b, w.Realm(), c.Realm)
	}
	h.realm(&b, Strict, "strict = true\n"+c.Realm)
	if c.Realms != nil {
		realms, err := c.Realms(h)
		if err != nil {
			return "", err
		}
		for name, text := range realms {
			h.realm(&b, name, text)
		}
	}
	b.WriteString("[[listen]]\nurl = \"tcp://127.0.0.1:0\"\n[[listen]]\nurl = \"unix://runnel.sock\"\n" +
		"[[listen]]\nurl = \"tls://127.0.0.1:0\"\ncertificate = \"router.pem\"\nkey = \"router.key\"\nclient_ca = \"ca.pem\"\n")
	for _, w := range Ways() {
		if !w.isSerial() {
			continue
		}
		if err := h.plug(&b, w.Realm(), c.Lines); err != nil {
			return "", err
		}
	}
	if err := h.plug(&b, Strict, c.Strict); err != nil {
		return "", err
	}
	b.WriteString(c.Extra)
	return b.String(), nil
}

func (h *House) realm(b *strings.Builder, name, text string) {
	fmt.Fprintf(b, "[[realm]]\nname = %q\n%s\n%s", name, text, janitor)
}

// plug connects devices whose serial lines lead to a realm.
func (h *House) plug(b *strings.Builder, realm string, n int) error {
	free := make(chan *line, n)
	h.lines[realm] = free
	for i := range n {
		name := fmt.Sprintf("%s-%d", realm, i)
		path := filepath.Join(h.Dir, name)
		l, err := newLine(name, path, free)
		if err != nil {
			return err
		}
		h.all = append(h.all, l)
		free <- l
		fmt.Fprintf(b, "[[serial]]\nname = %q\ndevice = %q\nframing = \"none\"\nrealm = %q\n", name, path, realm)
	}
	return nil
}

// TLSClient is the TLS configuration of a client that has a certificate with the common name, signed by the authority
// that the router trusts.
func (h *House) TLSClient(name string) (*tls.Config, error) {
	made, err := h.ca.sign(name)
	if err != nil {
		return nil, err
	}
	c := h.tls.Clone()
	c.ClientSessionCache = nil // a resumed session would present the previous certificate
	c.Certificates = []tls.Certificate{made}
	return c, nil
}

// close ends the router. It returns an error if the router does not exit cleanly or has panicked.
func (h *House) close() error {
	h.Signal(syscall.SIGTERM)
	status, err := h.Wait()
	if err == nil && status != 0 {
		err = fmt.Errorf("the router ended with %d", status)
	}
	h.unplug()
	return errors.Join(err, h.Crashed())
}

// Crashed returns the report of a panic or a data race in the router's log.
func (h *House) Crashed() error {
	log := h.Stderr.Text()
	for _, word := range []string{"panic", "DATA RACE", "fatal error"} {
		if at := strings.Index(log, word); at >= 0 {
			return fmt.Errorf("the router's log: ... %.5000s", log[at:])
		}
	}
	return nil
}

func (h *House) unplug() {
	for _, l := range h.all {
		l.unplug()
	}
}
