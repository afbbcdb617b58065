package node

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/test/kit"
	"runnel/transport"
)

var quiet = slog.New(slog.DiscardHandler)

// live is a running node with a configuration file.
type live struct {
	*Node
	t     *testing.T
	dir   string
	file  string
	id    string // of the node
	brief string // a file that exists only while the configuration is read
}

// site returns the place for a node, which is not started yet.
func site(t *testing.T, id string) *live {
	dir := kit.ShortDir(t)
	return &live{t: t, dir: dir, file: filepath.Join(dir, "runnel.toml"), id: id}
}

// start runs the node until the test ends. more follows a realm, and a listener at the socket a.
func (l *live) start(more string, set ...func(*Options)) *live {
	l.t.Helper()
	l.write(more)
	opts := Options{Log: quiet, Version: "1.2.3", Load: l.load}
	for _, f := range set {
		f(&opts)
	}
	c, err := l.load()
	kit.Must(l.t, err)
	l.Node, err = New(c, opts)
	kit.Must(l.t, err)
	run(l.t, l.Node)
	return l
}

// linkTo returns an uplink to another node.
func linkTo(centre *live) string {
	return "[[uplink]]\nname = \"c\"\nurl = \"" + centre.socket("a") + "\"\nrealm = \"realm1\"\n[[uplink.export]]\ntopic = \"a.b\"\n"
}

func (l *live) load() (*config.Config, error) {
	if l.brief == "" {
		return config.Load(l.file, CheckUplink)
	}
	kit.Write(l.t, l.dir, l.brief, "t")
	defer os.Remove(filepath.Join(l.dir, l.brief))
	return config.Load(l.file, CheckUplink)
}

func (l *live) write(more string) {
	kit.Write(l.t, l.dir, "runnel.toml", planRealm+"forward = true\n[[realm.role.permission]]\nuri = \"\"\nmatch = \"prefix\"\nallow = [\"publish\", \"subscribe\", \"call\", \"register\"]\n"+
		"[node]\nid = \""+l.id+"\"\ndata = \""+l.dir+"/data\"\n"+l.listen("a")+more)
}

func (l *live) listen(name string) string { return listenAt(l.socket(name)) }

func (l *live) socket(name string) string { return "unix://" + filepath.Join(l.dir, name+".sock") }

func listenAt(url string) string { return "[[listen]]\nurl = \"" + url + "\"\n" }

// become reloads with another end of the configuration.
func (l *live) become(more string) []string {
	l.t.Helper()
	l.write(more)
	changes, err := l.Reload()
	kit.Must(l.t, err)
	return changes
}

// join joins a realm over a listener.
func join(t *testing.T, url string, o client.Options) (*client.Client, error) {
	o.Dial = func(ctx context.Context) (client.Conn, error) {
		return transport.Dial(ctx, url, transport.DialOptions{})
	}
	o.Reconnect.Disabled = true
	c, err := client.Connect(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { c.Close(context.Background()) })
	}
	return c, err
}
