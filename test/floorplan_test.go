// Package test checks rules for the project as a whole.
package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path that the project's own imports begin with.
const module = "runnel/"

// topLevel lists the files and directories allowed at the top. Files beginning with a dot belong to tools.
var topLevel = []string{"cmd", "edge", "transport", "uplink", "boards", "test", "docs", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE",
	"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "examples",
	"bin", "dist"} // the last two are built

// floors lists the project's packages that the packages under a path may import: the listed paths and all below them.
// The longest matching path applies; a path after "=" means that package only. Imports point only down, so that each
// part can be read, tested and replaced without the parts above it.
var floors = map[string][]string{
	"cmd":                   {"cmd/runnel/internal", "uplink", "transport", "edge", "boards"},
	"edge":                  {"edge/codec", "edge/auth", "edge/budget", "edge/buffers", "edge/dedup", "edge/durable", "edge/filter", "edge/journal", "edge/logbook", "edge/patience", "edge/patterns", "edge/store", "edge/wamp"},
	"edge/logbook":          {},
	"edge/wamp":             {},
	"edge/budget":           {},
	"edge/buffers":          {},
	"edge/patience":         {},
	"edge/auth":             {"edge/atomicfile", "edge/saslprep", "edge/wamp"},
	"edge/saslprep":         {},
	"edge/codec":            {"edge/wamp"},
	"edge/journal":          {},
	"edge/patterns":         {"edge/wamp"},
	"edge/filter":           {"edge/codec", "edge/wamp"},
	"edge/store":            {"edge/budget", "edge/codec", "edge/filter", "edge/journal", "edge/wamp"},
	"edge/durable":          {"edge/codec", "edge/journal", "edge/store", "edge/wamp"},
	"edge/dedup":            {"edge/codec", "edge/journal", "edge/wamp"},
	"edge/client":           {"edge/codec", "edge/saslprep", "edge/wamp"},
	"transport":             {"transport", "edge/budget", "edge/logbook", "edge/wamp"},
	"uplink":                {"uplink/spool", "edge/client", "edge/codec", "edge/wamp"},
	"uplink/spool":          {"edge/codec", "edge/journal", "edge/wamp"},
	"uplink/wamp":           {"=uplink", "uplink/spool", "edge/client", "edge/codec", "edge/wamp"},                                                                                               // beside each other: no link
	"uplink/mqtt":           {"=uplink", "uplink/spool", "transport/mqtt/naming", "uplink/mqtt/sparkplug", "transport/mqtt/packet", "edge/atomicfile", "edge/client", "edge/codec", "edge/wamp"}, // knows the other
	"uplink/nats":           {"=uplink", "uplink/spool", "uplink/nats", "edge/client", "edge/codec", "edge/wamp"},
	"uplink/nats/subject":   {"edge/wamp"},
	"uplink/nats/payload":   {"edge/client", "edge/codec", "edge/wamp"},
	"uplink/nats/conn":      {"transport/batch"},
	"uplink/nats/jetstream": {"uplink/nats/conn"},
	"transport/mqtt/naming": {"edge/wamp"},
	"uplink/mqtt/sparkplug": {"edge/atomicfile", "edge/codec", "edge/wamp"},
	"boards":                {},
	"examples":              {"edge/client", "transport"},
	"test":                  {"test", "edge", "transport", "uplink", "boards"},
	"test/say":              {"edge/wamp"},
	testKit:                 {},
	"test/devices":          {},
	"transport/wire":        {"edge/budget", "edge/wamp"},

	"edge/atomicfile": {}, // for small files of all floors

	// Peers that speak no WAMP have a session of their own, as a client over the in-process transport.
	"transport/guest/mqtt": {"edge/atomicfile", "edge/budget", "edge/client", "edge/codec", "edge/logbook", "edge/wamp", "transport/guest", "transport/mqtt", "transport/wire"},
	"transport/guest":      {"edge/client", "edge/codec", "edge/wamp", "transport/guest", "transport/memory", "transport/mqtt/packet", "transport/serial"},

	// The configuration is read and checked without a router that runs: of cmd, only the router's account is below it. The node
	// makes parts of it, and knows the reports that the parts fill in; neither knows a command.
	"cmd/runnel/internal/account": {"transport"},
	"cmd/runnel/internal/config": {"cmd/runnel/internal/account", "cmd/runnel/internal/config/check", "cmd/runnel/internal/config/decode", "cmd/runnel/internal/config/directory", "cmd/runnel/internal/config/line", "cmd/runnel/internal/config/position",
		"cmd/runnel/internal/config/profiles", "cmd/runnel/internal/config/spelling", "cmd/runnel/internal/config/values", "uplink", "transport", "edge"},
	"cmd/runnel/internal/config/check":  {"cmd/runnel/internal/config/position", "cmd/runnel/internal/config/values", "edge/wamp", "transport"},
	"cmd/runnel/internal/config/decode": {"cmd/runnel/internal/config/position", "cmd/runnel/internal/config/profiles", "cmd/runnel/internal/config/redact", "cmd/runnel/internal/config/spelling", "cmd/runnel/internal/config/values"},
	"cmd/runnel/internal/config/line": {"cmd/runnel/internal/config/check", "cmd/runnel/internal/config/decode", "cmd/runnel/internal/config/directory", "cmd/runnel/internal/config/position", "cmd/runnel/internal/config/profiles",
		"cmd/runnel/internal/config/spelling", "cmd/runnel/internal/config/values", "edge/wamp", "transport/serial"},
	"cmd/runnel/internal/config/explain":   {"=cmd/runnel/internal/config", "cmd/runnel/internal/config/spelling", "edge/auth", "edge/wamp"},
	"cmd/runnel/internal/config/directory": {},
	"cmd/runnel/internal/config/position":  {},
	"cmd/runnel/internal/config/profiles":  {"cmd/runnel/internal/packed"},
	"cmd/runnel/internal/config/redact":    {},
	"cmd/runnel/internal/config/spelling":  {},
	"cmd/runnel/internal/config/values":    {"edge/wamp", "transport/serial"},
	"cmd/runnel/internal/term":             {"edge/codec", "edge/wamp"},
	"cmd/runnel/internal/cli":              {"cmd/runnel/internal/config", "cmd/runnel/internal/config/spelling", "cmd/runnel/internal/term", "edge/client", "edge/wamp"},
	"cmd/runnel/internal/remote": {"cmd/runnel/internal/cli", "cmd/runnel/internal/config", "cmd/runnel/internal/doctor", "cmd/runnel/internal/report",
		"cmd/runnel/internal/term", "edge/client", "edge/wamp", "transport"},
	"cmd/runnel/internal/rollout": {"cmd/runnel/internal/fleet", "cmd/runnel/internal/remote", "cmd/runnel/internal/term", "edge/client"},
	"cmd/runnel/internal/manual":  {},
	"cmd/runnel/internal/console": {"cmd/runnel/internal/packed"},
	"cmd/runnel/internal/packed":  {},
	"cmd/runnel/internal/static":  {"edge/budget", "edge/logbook"},
	"cmd/runnel/internal/doctor":  {"cmd/runnel/internal/account", "cmd/runnel/internal/config", "cmd/runnel/internal/report", "cmd/runnel/internal/term", "uplink", "transport", "edge", "boards"},
	"cmd/runnel/internal/setup":   {"cmd/runnel/internal/config", "cmd/runnel/internal/term", "uplink", "transport", "edge", "boards"},
	"cmd/runnel/internal/feed":    {"cmd/runnel/internal/cli", "cmd/runnel/internal/term", "edge/client", "edge/wamp"},
	"cmd/runnel/internal/daemon":  {"cmd/runnel/internal/config", "cmd/runnel/internal/member", "cmd/runnel/internal/node", "cmd/runnel/internal/service", "boards"},
	"cmd/runnel/internal/program": {"cmd/runnel/internal/term", "edge/client", "edge/codec", "edge/wamp"},
	"cmd/runnel/internal/service": {"cmd/runnel/internal/config", "cmd/runnel/internal/term", "edge/atomicfile"},
	"cmd/runnel/internal/report":  {"cmd/runnel/internal/config", "cmd/runnel/internal/term", "uplink", "transport", "edge"},
	"cmd/runnel/internal/fleet":   {"cmd/runnel/internal/config", "cmd/runnel/internal/term", "transport", "edge"},
	"cmd/runnel/internal/member":  {"cmd/runnel/internal/config", "cmd/runnel/internal/fleet", "cmd/runnel/internal/report", "edge"},
	"cmd/runnel/internal/node":    {"cmd/runnel/internal/config", "cmd/runnel/internal/console", "cmd/runnel/internal/doctor", "cmd/runnel/internal/fleet", "cmd/runnel/internal/member", "cmd/runnel/internal/report", "cmd/runnel/internal/static", "cmd/runnel/internal/term", "uplink", "transport", "edge", "boards"},
	"cmd/runnel/internal/demo":    {"cmd/runnel/internal/config", "cmd/runnel/internal/node", "cmd/runnel/internal/term", "transport", "edge"},

	// The forms of names and frames, without a connection.
	"transport/punycode":        {},
	"transport/websocket/frame": {},

	// The packets of MQTT serve links and listeners.
	"transport/mqtt/packet": {"transport/batch"},
	"transport/batch":       {},

	// The formats of devices without WAMP depend neither on ports nor on the router: cmd connects the three.
	"transport/serial/reading": {"edge/wamp"},
	"transport/serial/lines":   {"transport/serial/reading", "transport/serial/sml"},
	"transport/serial/sml":     {},
	"transport/serial/modbus":  {"transport/serial/reading"},
}

// testKit lists the packages that all tests may import.
const testKit = "test/kit"

// testFloors lists further packages that the tests of a path may import.
var testFloors = map[string][]string{
	"edge":        {"edge/client", "transport", "test/say"},                                    // its example listens
	"edge/auth":   {"edge/codec", "edge/client"},                                               // its client is the other side
	"edge/client": {"edge", "edge/auth", "transport", "transport/memory"},                      // TLS is real
	"uplink":      {"edge", "edge/auth", "transport/memory", "test/program", "test/sparkplug"}, // sessions of programs, a host application

	"transport/guest": {"edge", "edge/auth", "transport/memory"}, // the router that its sessions join

	"cmd/runnel/internal/config":  {"test/devices"},                      // those of the profiles
	"cmd/runnel/internal/remote":  {"edge", "edge/auth", "test/standin"}, // the router that it talks to
	"cmd/runnel/internal/member":  {"transport/memory"},                  // the centre that it reports to
	"cmd/runnel/internal/rollout": {"edge", "test/standin"},              // the centre that it asks
	"cmd/runnel/internal/fleet":   {"test/standin"},                      // the centre
	"cmd/runnel/internal/term":    {"transport/serial/pty"},              // a terminal that hides what is typed
}

// standardOnly lists packages without any dependency.
var standardOnly = []string{"edge/wamp", "edge/budget", "transport/mqtt/packet", "boards"}

// dependencies lists the modules that the code under a path may use. The longest matching path applies.
var dependencies = map[string][]string{
	"cmd":                        {"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/sys"},
	"cmd/runnel/internal/config": {"github.com/BurntSushi/toml", "golang.org/x/sys"},
	"edge":                       {},
	"edge/auth":                  {"golang.org/x/crypto"}, // Argon2
	"edge/client":                {"golang.org/x/crypto"},
	"edge/saslprep":              {"golang.org/x/text"},
	"transport":                  {"golang.org/x/sys"},
	"transport/punycode":         {"golang.org/x/text"}, // NFKC
	"transport/mdns":             {"golang.org/x/net"},  // DNS messages, multicast sockets
	"transport/serial":           {"go.bug.st/serial", "golang.org/x/sys"},
	"uplink":                     {},
	"boards":                     {},
	"examples":                   {},
	"test":                       testDependencies,
	// Routers of other makes, in a module of their own: the project itself depends on none of them.
	"test/federation/centres": {"github.com/gammazero/nexus/v3", "github.com/xconnio/xconn-go"},
	// A real browser, in a module of its own.
	"test/console": {"github.com/chromedp/chromedp", "github.com/chromedp/cdproto"},
}

// testDependencies lists the modules for tests and for code that serves only tests, such as independent implementations and
// tools.
var testDependencies = []string{"go.uber.org/goleak", "github.com/fxamacker/cbor/v2", "github.com/tinylib/msgp", "github.com/coder/websocket", "golang.org/x/crypto", "golang.org/x/net", "golang.org/x/sys",
	"github.com/pion/mdns/v2", "github.com/eclipse/paho.mqtt.golang"}

// source is one Go file's imports.
type source struct {
	file    string // from the top
	pkg     string // its directory
	test    bool
	imports []string
}

func TestTopLevel(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) {
			t.Errorf("%s: the top level is fixed; find it a place below %v", name, topLevel[:6])
		}
	}
}

// linkWord matches the words for links to other routers, which the router does not know.
var linkWord = regexp.MustCompile(`(?i)\b((up)?link(s|ed)?|away)\b`)

// The router has no word for its links to other routers. Its client does: links use it.
func TestRouterKnowsNoLinks(t *testing.T) {
	packages := 0
	for dir, files := range productFiles(t) {
		if top, _, _ := strings.Cut(dir, "/"); top != "edge" || dir == "edge/client" {
			continue
		}
		packages++
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if word := linkWord.Find(text); word != nil {
				t.Errorf("%s has the word %q: name what the session may do, such as \"internal\" or \"forwards\"", file, word)
			}
		}
	}
	if packages < 10 {
		t.Errorf("only %d packages found", packages)
	}
}

func TestImports(t *testing.T) {
	sources := read(t)
	if len(sources) < 50 {
		t.Fatalf("only %d Go files found", len(sources))
	}
	for _, s := range sources {
		for _, imported := range s.imports {
			if why := s.objection(imported); why != "" {
				t.Errorf("%s imports %s: %s", s.file, imported, why)
			}
		}
	}
}

// httpClient lists the names that link the HTTP client of net/http, which takes 250 kB. The router's only request is
// the handshake of a WebSocket, which transport/websocket writes itself.
var httpClient = []string{"Client", "DefaultClient", "DefaultTransport", "Get", "Head", "NewRequest", "NewRequestWithContext", "Post", "PostForm", "Transport"}

// TestNoHTTPClient checks that the product does not use net/http's client.
func TestNoHTTPClient(t *testing.T) {
	for _, s := range read(t) {
		if s.test || below(s.pkg, "test") || below(s.pkg, "examples") || !slices.Contains(s.imports, "net/http") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", s.file), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			name, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of, ok := name.X.(*ast.Ident); ok && of.Name == "http" && slices.Contains(httpClient, name.Sel.Name) {
				t.Errorf("%s uses http.%s, which links net/http's client", s.file, name.Sel.Name)
			}
			return true
		})
	}
}

// The rules themselves: each must be able to fail.
func TestObjections(t *testing.T) {
	for _, c := range []struct {
		pkg      string
		test     bool
		imported string
		ok       bool
	}{
		{"edge", false, "runnel/edge/codec", true},
		{"edge", false, "runnel/edge/journal", true},
		{"edge/journal", false, "runnel/edge/codec", false},
		{"edge", false, "runnel/edge/client", false},
		{"edge", true, "runnel/edge/client", true},
		{"edge/wamp", true, "runnel/test/kit", true},
		{"edge/wamp", false, "runnel/test/kit", false},
		{"test/kit", false, "runnel/edge/wamp", false},
		{"edge", false, "runnel/transport/rawsocket", false},
		{"edge", false, "runnel/uplink", false},
		{"edge/wamp", false, "strings", true},
		{"edge/wamp", false, "golang.org/x/sys/unix", false},
		{"edge/wamp", false, "runnel/edge", false},
		{"edge/codec", false, "github.com/fxamacker/cbor/v2", false},
		{"edge/codec", true, "github.com/fxamacker/cbor/v2", true},
		{"transport/serial", false, "go.bug.st/serial", true},
		{"transport/rawsocket", false, "go.bug.st/serial", false},
		{"transport/websocket", false, "github.com/coder/websocket", false},
		{"transport/websocket", true, "github.com/coder/websocket", true},
		{"transport/rawsocket", false, "runnel/edge", false},
		{"uplink", false, "runnel/transport", false},
		{"uplink", false, "runnel/uplink/wamp", false},
		{"uplink/wamp", false, "runnel/uplink", true},
		{"uplink/wamp", false, "runnel/uplink/mqtt", false},
		{"uplink/mqtt", false, "runnel/uplink/wamp", false},
		{"uplink/spool", false, "runnel/uplink", false},
		{"boards", false, "runnel/edge/wamp", false},
		{"cmd/runnel", false, "runnel/uplink", true},
		{"cmd/runnel", false, "go.uber.org/goleak", false},
		{"cmd/runnel", false, "runnel/test", false},
		{"cmd/runnel", false, "runnel/cmd/runnel/internal/config", true},
		{"cmd/runnel/internal/config", false, "runnel/cmd/runnel", false},
		{"cmd/runnel", false, "github.com/unheard/of", false},
		{"somewhere", false, "strings", false},
	} {
		s := source{pkg: c.pkg, test: c.test}
		if why := s.objection(c.imported); (why == "") != c.ok {
			t.Errorf("%s (test %v) imports %s: %q", c.pkg, c.test, c.imported, why)
		}
	}
}

// read parses the imports of every Go file of the project.
func read(t *testing.T) (sources []source) {
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && file != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if filepath.Ext(file) != ".go" {
			return nil
		}
		s, err := parse(file)
		sources = append(sources, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sources
}

func parse(file string) (source, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		return source{}, err
	}
	name := strings.TrimPrefix(filepath.ToSlash(file), "../")
	s := source{file: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go")}
	for _, i := range f.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return s, err
		}
		s.imports = append(s.imports, imported)
	}
	return s, nil
}

// objection returns why s may not import the package, or "".
func (s source) objection(imported string) string {
	floor, ok := longest(floors, s.pkg)
	if !ok {
		return "it stands on no floor of the plan"
	}
	if own, ok := strings.CutPrefix(imported, module); ok {
		return s.ownObjection(own, floor)
	}
	if !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
		return "" // the standard library
	}
	return s.foreignObjection(imported)
}

func (s source) ownObjection(own string, floor []string) string {
	if own == s.pkg {
		return "" // an external test of the package itself
	}
	if s.test {
		more, _ := longest(testFloors, s.pkg)
		floor = append(append(slices.Clone(floor), more...), testKit)
	}
	if within(own, floor) {
		return ""
	}
	return "imports point down only; from here to " + strings.Join(floor, ", ")
}

func (s source) foreignObjection(imported string) string {
	if s.test && within(imported, testDependencies) {
		return ""
	}
	if slices.Contains(standardOnly, s.pkg) {
		return "the standard library only"
	}
	allowed, _ := longest(dependencies, s.pkg)
	if within(imported, allowed) {
		return ""
	}
	return "not among the dependencies here: " + strings.Join(allowed, ", ")
}

// within reports whether name is one of paths or lies below one.
func within(name string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return below(name, p) })
}

func below(name, p string) bool {
	if alone, ok := strings.CutPrefix(p, "="); ok {
		return name == alone
	}
	return name == p || strings.HasPrefix(name, p+"/")
}

// longest finds the entry of the longest path that pkg lies in.
func longest(rules map[string][]string, pkg string) (rule []string, ok bool) {
	best := ""
	for p, r := range rules {
		if below(pkg, p) && len(p) > len(best) {
			best, rule, ok = p, r, true
		}
	}
	return rule, ok
}
