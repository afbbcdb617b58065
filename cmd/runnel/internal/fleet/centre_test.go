package fleet

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/standin"
	"runnel/transport"
)

// centre is a router with a fleet in realm1. Its sessions without an identity have the role operator.
type centre struct {
	*Registry
	router *edge.Router
	conf   *config.Config
	url    string

	mu     sync.Mutex
	linked map[string]string
	deaf   error // of Linked and Refresh
	strict bool
}

var centreText = "version = 1\n" + realmText("realm1", false, `"call", "register", "subscribe"`, "pump", "valve") + realmText("narrow", true, `"call", "subscribe"`, "Pump-2")

// realmText returns a realm whose sessions are operators, with gateways.
func realmText(name string, strict bool, allow string, gateways ...string) string {
	text := fmt.Sprintf(`[[realm]]
name = %q
strict = %v
anonymous = "operator"
[[realm.role]]
name = "operator"
[[realm.role.permission]]
uri = ""
match = "prefix"
allow = [%s]
[[realm.role]]
name = "gateway"
forward = true
`, name, strict, allow)
	for _, authid := range gateways {
		text += fmt.Sprintf(`[[realm.principal]]
authid = %q
role = "gateway"
ticket = "a-long-ticket-for-the-pump"
`, authid)
	}
	return text
}

// newCentre runs a centre until the test ends.
func newCentre(t *testing.T) *centre {
	t.Helper()
	dir := t.TempDir()
	conf, err := config.Load(kit.Write(t, dir, "runnel.toml", centreText), nil)
	kit.Must(t, err)
	quiet := slog.New(slog.DiscardHandler)
	c := &centre{Registry: open(t, dir), router: edge.NewRouter(edge.Options{Log: quiet}), conf: conf}
	for _, realm := range conf.Realms {
		opts, err := config.RealmOptions(conf, realm)
		kit.Must(t, err)
		kit.Must(t, c.router.AddRealm(opts))
	}
	c.url = fmt.Sprint("tcp://", standin.Serve(t, c.router, "tcp://127.0.0.1:0", "realm1", c.Procedures("realm1", c)))
	return c
}

func (c *centre) Roles(string) []string { return []string{"operator", "gateway"} }

func (c *centre) Strict(string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.strict
}

func (c *centre) Configured(_, authid string) bool { return authid == "pump" }

func (c *centre) Refresh(string) error {
	if err := c.lost(); err != nil {
		return err
	}
	opts, err := config.RealmOptions(c.conf, c.conf.Realms[0], c.Principals(c.conf.Realms[0])...)
	if err == nil {
		err = c.router.UpdateRealm(opts)
	}
	return err
}

func (c *centre) Linked(context.Context, string) (map[string]string, error) {
	err := c.lost()
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.linked), err
}

func (c *centre) lost() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deaf
}

func (c *centre) set(change func(*centre)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// operator joins the centre.
func (c *centre) operator(t *testing.T) *client.Client {
	t.Helper()
	o, err := client.Connect(t.Context(), client.Options{Realm: "realm1", Log: slog.New(slog.DiscardHandler), Dial: func(ctx context.Context) (client.Conn, error) {
		return transport.Dial(ctx, c.url, transport.DialOptions{})
	}})
	kit.Must(t, err)
	t.Cleanup(func() { o.Close(context.Background()) })
	return o
}

// ask calls a procedure and returns the first argument of the result, or the URI of the error.
func ask(t *testing.T, o *client.Client, procedure string, p client.Payload) (result any, failure string) {
	t.Helper()
	r, err := o.Call(t.Context(), procedure, client.CallOptions{}, p)
	if refused := (*client.Error)(nil); errors.As(err, &refused) {
		return nil, string(refused.URI)
	}
	kit.Must(t, err)
	if args := r.Args(); len(args) > 0 {
		return args[0], ""
	}
	return nil, ""
}

// token makes the operator create a token for one node.
func token(t *testing.T, o *client.Client, more map[string]any) string {
	t.Helper()
	options := map[string]any{"role": "gateway", "uses": 1, "expires": 3600}
	maps.Copy(options, more)
	made, failure := ask(t, o, TokenNew, client.Kwargs(options))
	if failure != "" {
		t.Fatalf("no token: %s", failure)
	}
	return made.(map[string]any)["token"].(string)
}

func (c *centre) uplink(urls ...string) config.Uplink {
	return config.Uplink{URL: urls, RemoteRealm: "realm1"}
}

// A node joins with a token, and the fleet has the node's description of itself. The token is then used up.
func TestJoin(t *testing.T) {
	c := newCentre(t)
	o := c.operator(t)
	text := token(t, o, nil)
	q := request(t, "gw-1")
	q.Board, q.Version = "Pi", "1.2"
	down := fmt.Sprint("tcp://127.0.0.1:", kit.FreePort(t))
	n, err := Join(t.Context(), text, q, c.uplink(down, c.url), "test") // the first URL that answers
	if err != nil || n.ID != "gw-1" || n.Role != "gateway" || n.Board != "Pi" || n.Version != "1.2" || n.Key != q.Key {
		t.Fatalf("%+v, %v", n, err)
	}
	if list := c.Nodes("realm1"); len(list) != 1 || list[0].ID != n.ID {
		t.Errorf("%+v", list)
	}
	unknown := text[:len(text)-8] + "aaaaaaaa"
	other := c.uplink(c.url)
	other.RemoteRealm = "nowhere"
	for _, x := range []struct {
		what, token string
		q           Request
		u           config.Uplink
		want        string // in the error
	}{
		{"used up", text, request(t, "gw-2"), c.uplink(c.url), "is used up (1 of 1 uses"},
		{"a wrong secret", unknown, q, c.uplink(c.url, down), "the centre does not know the token"},
		{"another realm", text, q, other, `the centre has no realm "nowhere"`},
		{"no centre", text, q, c.uplink(down, down), "run \"runnel init\" again to retry"},
		{"no token", "x", q, c.uplink(c.url), "this is not a token"},
		{"an authority that is missing", text, q, config.Uplink{URL: []string{c.url}, CA: "/nowhere/ca.pem"}, "/nowhere/ca.pem"},
	} {
		n, err := Join(t.Context(), x.token, x.q, x.u, "test")
		if err == nil || !strings.Contains(err.Error(), x.want) || n.ID != "" {
			t.Errorf("%s: %+v, %v", x.what, n, err)
		}
	}
	if _, err := Join(t.Context(), text, q, c.uplink(c.url), "test"); err == nil || strings.Contains(err.Error(), "retry") {
		t.Errorf("a centre that has decided is asked again: %v", err)
	}
}

// In a strict realm two nodes must not have ids that make the same component of a URI. A node may enrol again.
func TestNamesakes(t *testing.T) {
	c := newCentre(t)
	text := token(t, c.operator(t), map[string]any{"uses": 3})
	first := request(t, "gw-1")
	for _, x := range []struct {
		strict bool
		q      Request
		taken  bool
	}{
		{true, first, false}, {true, first, false}, {true, request(t, "GW_1"), true}, {true, request(t, "gw-2"), false}, {false, request(t, "GW_1"), false},
	} {
		c.set(func(c *centre) { c.strict = x.strict })
		_, err := Join(t.Context(), text, x.q, c.uplink(c.url), "test")
		if (err != nil) != x.taken || err != nil && !strings.Contains(err.Error(), "GW_1 and the node gw-1 have the same name gw_1") {
			t.Errorf("%s, strict %v: %v", x.q.Node, x.strict, err)
		}
	}
}

// The id of a node in a procedure may have dots. The command is the last part.
func TestSplitCommand(t *testing.T) {
	for procedure, want := range map[string][2]string{
		NodePrefix + "gw-1.status": {"gw-1", "status"}, NodePrefix + "gw.1.queue.ls": {"gw.1", "queue.ls"}, NodePrefix + "status.status": {"status", "status"},
		NodePrefix + ".status": {}, NodePrefix + "status": {}, NodePrefix + "gw-1.token.new": {}, NodePrefix + "gw-1": {},
	} {
		if id, command := splitCommand(procedure); id != want[0] || command != want[1] {
			t.Errorf("%s: %q, %q", procedure, id, command)
		}
	}
}

// A centre without the procedure does not support enrolment.
func TestExplain(t *testing.T) {
	u := config.Uplink{RemoteRealm: "plant"}
	for _, x := range []struct {
		err  error
		want string
	}{
		{client.NewError(string(wamp.NoSuchProcedure), "x"), "the centre does not support enrolment"},
		{client.NewError("runnel.error.taken", "taken"), "enrol at tcp://c: taken"},
		{client.NewError("runnel.error.taken"), "enrol at tcp://c: runnel.error.taken"},
		{errors.New("odd"), "enrol at tcp://c: odd"},
	} {
		if err := explain("tcp://c", u, x.err); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%v: %v", x.err, err)
		}
	}
	if err := explain("tcp://c", u, nil); err != nil {
		t.Error(err)
	}
}

// Operators create and revoke tokens, and see and forget nodes.
func TestProcedures(t *testing.T) {
	c := newCentre(t)
	o := c.operator(t)
	for _, x := range []struct {
		what string
		more map[string]any
		want string
	}{
		{"a role that the realm lacks", map[string]any{"role": "admin"}, Invalid},
		{"no role", map[string]any{"role": 7}, Invalid},
		{"no uses", map[string]any{"uses": 0}, Invalid},
		{"too many uses", map[string]any{"uses": int64(1) << 40}, Invalid},
		{"a life beyond the longest", map[string]any{"expires": int64(LongestLife/time.Second) + 1}, Invalid},
		{"a life beyond what a duration holds", map[string]any{"expires": int64(1) << 62}, Invalid},
		{"the longest life", map[string]any{"expires": int64(LongestLife / time.Second)}, ""},
	} {
		options := map[string]any{"role": "gateway", "uses": 1, "expires": 60}
		maps.Copy(options, x.more)
		if _, failure := ask(t, o, TokenNew, client.Kwargs(options)); failure != x.want {
			t.Errorf("%s: %q", x.what, failure)
		}
	}
	text := token(t, o, map[string]any{"uses": 2})
	for _, id := range []string{"gw-1", "gw-2"} {
		_, err := Join(t.Context(), text, request(t, id), c.uplink(c.url), "test")
		kit.Must(t, err)
	}
	c.set(func(c *centre) { c.linked = map[string]string{"gw-2": "192.0.2.7:1"} })
	list, _ := ask(t, o, NodeList, client.Payload{})
	var got []string
	for _, n := range list.([]any) {
		about := n.(map[string]any)
		got = append(got, fmt.Sprintf("%v %v %v", about["id"], about["up"], about["address"]))
	}
	if !slices.Equal(got, []string{"gw-1 false <nil>", "gw-2 true 192.0.2.7:1"}) {
		t.Errorf("%q", got)
	}
	if n, _ := ask(t, o, NodeGet, client.Args("gw-2")); n.(map[string]any)["id"] != "gw-2" {
		t.Errorf("%v", n)
	}
	id, _, _ := ParseToken(text)
	for _, x := range []struct {
		procedure string
		args      client.Payload
		want      string
	}{
		{NodeGet, client.Args("gw-3"), NoSuchNode}, {NodeGet, client.Payload{}, NoSuchNode}, {NodeForget, client.Args("gw-3"), NoSuchNode},
		{NodeForget, client.Args("gw-1"), ""}, {NodeForget, client.Args("gw-1"), NoSuchNode},
		{TokenRevoke, client.Args(7), NoSuchToken}, {TokenRevoke, client.Args(id), ""}, {TokenRevoke, client.Args(id), NoSuchToken},
		{NodeEnrol, client.Kwargs(map[string]any{"node": "gw-9"}), "wamp.error.not_authorized"}, // the caller has no token
	} {
		if _, failure := ask(t, o, x.procedure, x.args); failure != x.want {
			t.Errorf("%s %v: %q, want %q", x.procedure, x.args.Args, failure, x.want)
		}
	}
	if tokens, _ := ask(t, o, TokenList, client.Payload{}); len(tokens.([]any)) != 1 || len(c.Nodes("realm1")) != 1 {
		t.Errorf("%v", tokens)
	}
	if _, err := Join(t.Context(), text, request(t, "gw-4"), c.uplink(c.url), "test"); err == nil || !strings.Contains(err.Error(), "the centre does not know the token") {
		t.Errorf("a revoked token: %v", err)
	}
	if _, err := Join(t.Context(), token(t, o, nil), request(t, "pump"), c.uplink(c.url), "test"); err == nil || !strings.Contains(err.Error(), "already has a principal") {
		t.Errorf("a principal of the configuration: %v", err)
	}
	if _, err := Join(t.Context(), token(t, o, nil), request(t, tokenAuthid("12345678")), c.uplink(c.url), "test"); err == nil || !strings.Contains(err.Error(), "already has a principal") {
		t.Errorf("the id of a token's session: %v", err)
	}
}

// If the router does not take over a change, or cannot say which nodes are linked, the caller gets the error.
func TestRouterThatFails(t *testing.T) {
	c := newCentre(t)
	o := c.operator(t)
	text := token(t, o, nil)
	id, _, _ := ParseToken(text)
	_, err := c.Enrol("realm1", id, request(t, "gw-1"), untaken)
	kit.Must(t, err)
	c.set(func(c *centre) { c.deaf = errors.New("lost") })
	for procedure, p := range map[string]client.Payload{
		TokenNew:  client.Kwargs(map[string]any{"role": "gateway", "uses": 1, "expires": 60}),
		NodeList:  {},
		NodeGet:   client.Args("gw-1"),
		TokenList: {},
	} {
		if _, failure := ask(t, o, procedure, p); (failure != "") != (procedure != TokenList) {
			t.Errorf("%s: %q", procedure, failure)
		}
	}
	for procedure, arg := range map[string]string{NodeForget: "gw-1", TokenRevoke: id} {
		if _, failure := ask(t, o, procedure, client.Args(arg)); failure == "" {
			t.Errorf("%s does not fail", procedure)
		}
	}
}

// A realm that has lost the role of a node leaves out that node and logs a warning.
func TestRoleThatIsGone(t *testing.T) {
	var b strings.Builder
	r := Open(t.TempDir(), slog.New(slog.NewTextHandler(&b, nil)))
	for _, role := range []string{"gateway", "sensor"} {
		_, made, err := r.NewToken("realm1", role, 1, time.Hour)
		kit.Must(t, err)
		_, err = r.Enrol("realm1", made.ID, request(t, "of-"+role), untaken)
		kit.Must(t, err)
		_, elsewhere, err := r.NewToken("realm2", role, 1, time.Hour)
		kit.Must(t, err)
		_, err = r.Enrol("realm2", elsewhere.ID, request(t, "of-"+role), untaken)
		kit.Must(t, err)
	}
	const warning = "their role is missing in the realm"
	var names []string
	for _, p := range r.Principals(config.Realm{Name: "realm1", Roles: []config.Role{{Name: "gateway"}}}) {
		names = append(names, p.Authid)
	}
	if len(names) != 3 || names[0] != "of-gateway" || !strings.Contains(b.String(), warning) || !strings.Contains(b.String(), "total=1") {
		t.Errorf("%q, %s", names, &b)
	}
	b.Reset()
	if list := r.Principals(config.Realm{Name: "realm1", Roles: []config.Role{{Name: "gateway"}, {Name: "sensor"}}}); len(list) != 4 || strings.Contains(b.String(), warning) {
		t.Errorf("%d principals, %s", len(list), &b)
	}
}

// The file is read only up to its bound. Anything but a regular file is an error.
func TestFileOfTheFleet(t *testing.T) {
	dir := t.TempDir()
	file := kit.Write(t, dir, fileName, `{"version":1}`)
	kit.Must(t, os.Truncate(file, largest+1))
	r := open(t, dir)
	if _, _, err := r.NewToken("realm1", "gateway", 1, time.Hour); uri(err) != NoData || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
	if r := open(t, filepath.Join(file, "below")); r.trouble == "" {
		t.Error("a directory that is a file")
	}
	if r := open(t, filepath.Join(dir, "none")); r.trouble != "" {
		t.Error("without a file the fleet is empty: " + r.trouble)
	}
	if _, _, err := open(t, filepath.Join(dir, "none", "none")).NewToken("realm1", "gateway", 1, time.Hour); uri(err) != NoData {
		t.Errorf("a directory that is missing: %v", err)
	}
}

// The number of nodes is bounded. A node that is known may still enrol again.
func TestNodesAreBounded(t *testing.T) {
	r := open(t, t.TempDir())
	_, made, err := r.NewToken("realm1", "gateway", 9, time.Hour)
	kit.Must(t, err)
	known := request(t, "node-0")
	for i := range mostNodes - 1 {
		r.kept.Nodes = append(r.kept.Nodes, Node{ID: fmt.Sprint("node-", i), Realm: "realm1", Key: hex.EncodeToString(make([]byte, 32))})
	}
	r.kept.Nodes[0].Key = known.Key
	if _, err := r.Enrol("realm1", made.ID, request(t, "last"), untaken); err != nil {
		t.Errorf("the last node: %v", err)
	}
	if _, err := r.Enrol("realm1", made.ID, request(t, "beyond"), untaken); uri(err) != Full {
		t.Errorf("one node more: %v", err)
	}
	if _, err := r.Enrol("realm1", made.ID, known, untaken); err != nil {
		t.Errorf("a known node: %v", err)
	}
}

// failing is a writer that fails.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

func TestPrintFails(t *testing.T) {
	for what, err := range map[string]error{
		"no nodes": PrintNodes(failing{}, nil), "no tokens": PrintTokens(failing{}, nil),
		"nodes": PrintNodes(failing{}, []NodeReport{{}}), "tokens": PrintTokens(failing{}, []TokenReport{{}}), "a node": NodeReport{}.Print(failing{}),
	} {
		if err == nil {
			t.Errorf("%s: the error is lost", what)
		}
	}
}
