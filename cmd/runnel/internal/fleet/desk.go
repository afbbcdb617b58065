package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// The procedures for nodes. The authid of its session identifies a node, so a node can report only about itself.
const (
	nodePrefix = "runnel.fleet.node."

	Attend = nodePrefix + "attend"  // a Report; the call lasts as long as the link. Progressive results are requests
	Tell   = nodePrefix + "report"  // a Report
	Answer = nodePrefix + "answer." // followed by the id of a request; the arguments are the result
	Fail   = nodePrefix + "fail."   // followed by the id of a request; the arguments are the URI of an error and its arguments
)

// NodePrefix is the prefix of the procedures that a node answers through its link: runnel.node.ID.status calls runnel.status
// at the node. In a realm with strict URIs, ID is wamp.Component of the node's id.
const NodePrefix = "runnel.node."

// Apply is the command with which a node applies a file of conf.d: name, text; dry_run=, rollback_after= seconds.
const Apply = "apply"

// Commands are the commands that a node answers. Except for the last two, each is a procedure of the node's own
// router.
var Commands = []string{"status", "reload", "queue.ls", "queue.peek", "queue.drop", "queue.retry", "doctor", Apply}

// onState is the topic of the retained events with the state of a node: its id follows.
const onState = "runnel.fleet.on_state."

const (
	// MostAnswer is the longest message in bytes that a node sends as an answer.
	MostAnswer = 512 << 10
	mostAsk    = 16 << 10  // bytes of the arguments of a command
	mostApply  = 160 << 10 // bytes of those of Apply
	askTime    = 2 * time.Minute

	settleTime = 200 * time.Millisecond // changes within this time make one event
)

// order is a command for a node.
type order struct {
	id      wamp.ID
	command string
	args    []any
	kwargs  map[string]any
}

// question is an order that waits for its answer.
type question struct {
	link   *link
	answer chan answer // holds one
}

type answer struct {
	payload client.Payload
	err     error
}

// Desk serves the nodes of a realm: it receives their reports, publishes their states and passes commands on. Its
// session needs the role config.FleetRole.
type Desk struct {
	registry *Registry
	realm    string
	strict   func() bool // reports whether the realm has strict URIs
	client   *client.Client
	log      *slog.Logger
	changed  chan struct{} // holds one

	mu sync.Mutex
	// Guarded by mu.
	news      map[string]bool // nodes whose state must be published
	questions map[wamp.ID]*question
}

// NewDesk returns the desk of a realm. c is a client of the realm that does not run yet.
func NewDesk(r *Registry, realm string, strict func() bool, c *client.Client, log *slog.Logger) *Desk {
	d := &Desk{registry: r, realm: realm, strict: strict, client: c, log: log, changed: make(chan struct{}, 1), news: map[string]bool{}, questions: map[wamp.ID]*question{}}
	r.watch(d)
	d.note(r.states.ids(realm)...) // a state from before the start may be retained
	return d
}

// Run serves until ctx is done.
func (d *Desk) Run(ctx context.Context) error {
	defer d.registry.unwatch(d)
	for _, p := range []struct {
		uri    string
		match  wamp.Match
		handle client.Handler
	}{{Attend, wamp.Exact, d.attend}, {Tell, wamp.Exact, d.report}, {Answer, wamp.Prefix, d.answered}, {Fail, wamp.Prefix, d.failed}, {NodePrefix, wamp.Prefix, d.ask}} {
		handle := func(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
			result, err := p.handle(ctx, inv)
			if refused := (*Error)(nil); errors.As(err, &refused) {
				err = client.NewError(refused.URI, refused.Text)
			}
			return result, err
		}
		o := client.RegisterOptions{Match: p.match, DiscloseCaller: p.uri != NodePrefix, Persist: true}
		if _, err := d.client.Register(ctx, p.uri, o, handle); err != nil {
			return fmt.Errorf("register %s: %w", p.uri, err)
		}
	}
	var work sync.WaitGroup
	work.Go(func() { d.publish(ctx) })
	defer work.Wait()
	return d.client.Run(ctx)
}

// identify returns the node that a session belongs to. Only the node itself may call, with an identity that it has proved.
func (d *Desk) identify(inv *client.Invocation) (key, error) {
	authid := inv.CallerAuthid()
	if len(inv.ForwardFor()) > 0 || authid == "" || strings.HasPrefix(authid, tokenAuthid("")) {
		return key{}, &Error{"wamp.error.not_authorized", "a node reports only for itself, over its own link"}
	}
	return key{d.realm, authid}, nil
}

func (d *Desk) attend(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
	k, err := d.identify(inv)
	if err != nil {
		return client.Payload{}, err
	}
	report, err := readReport(inv)
	if err != nil {
		return client.Payload{}, err
	}
	address, err := d.address(ctx, inv.Caller())
	if err != nil {
		return client.Payload{}, err
	}
	l := newLink(inv.Caller())
	if err := d.registry.states.add(k, inv.CallerAuthrole(), address, l, report, d.registry.enrolled(k)); err != nil {
		return client.Payload{}, err
	}
	defer d.remove(k, l)
	d.note(k.id)
	d.log.Info("node is online", "realm", k.realm, "node", k.id, "address", address, "version", report.Version, "board", report.Board)
	if err := inv.Progress(client.Args(0, "")); err != nil {
		return client.Payload{}, err
	}
	for {
		select {
		case q := <-l.requests:
			if err := inv.Progress(client.Args(q.id, q.command, q.args, q.kwargs)); err != nil {
				return client.Payload{}, err
			}
		case <-l.dropped:
			return client.Payload{}, &Error{NotAttending, "the centre has forgotten this node; it is listed again when its link reports again"}
		case <-ctx.Done():
			return client.Payload{}, context.Cause(ctx)
		}
	}
}

func (d *Desk) remove(k key, l *link) {
	if d.registry.states.remove(k, l) {
		d.log.Info("node is offline", "realm", k.realm, "node", k.id)
	}
	d.note(k.id)
}

// address returns the address of a session, which must have authenticated.
func (d *Desk) address(ctx context.Context, session wamp.ID) (string, error) {
	result, err := d.client.Call(ctx, "wamp.session.get", client.CallOptions{}, client.Args(session))
	if err != nil {
		return "", err
	}
	args := result.Args()
	if len(args) == 0 {
		return "", errors.New("the session is not known")
	}
	details, _ := args[0].(map[string]any)
	if details["authmethod"] == "anonymous" {
		return "", &Error{"wamp.error.not_authorized", "the link does not authenticate, so the fleet cannot list the node; give its uplink an authid and a key"}
	}
	way, _ := details["transport"].(map[string]any)
	address, _ := way["peer"].(string)
	return address, nil
}

func (d *Desk) report(_ context.Context, inv *client.Invocation) (client.Payload, error) {
	k, err := d.identify(inv)
	if err != nil {
		return client.Payload{}, err
	}
	report, err := readReport(inv)
	if err == nil {
		err = d.registry.states.report(k, inv.Caller(), report)
	}
	if err == nil {
		d.note(k.id)
	}
	return client.Payload{}, err
}

// ask passes a command on to a node, and returns its answer.
func (d *Desk) ask(ctx context.Context, inv *client.Invocation) (client.Payload, error) {
	id, command := splitCommand(inv.Procedure())
	if command == "" {
		return client.Payload{}, &Error{wamp.NoSuchProcedure.Error(), fmt.Sprintf("nodes do not answer %q; %sID. is followed by one of: %s", inv.Procedure(), NodePrefix, strings.Join(Commands, ", "))}
	}
	most := mostAsk
	if command == Apply {
		most = mostApply
	}
	if len(inv.Payload.Raw) > most {
		return client.Payload{}, &Error{wamp.PayloadSizeExceeded.Error(), fmt.Sprintf("the arguments are longer than %d bytes", most)}
	}
	args, kwargs, err := inv.Decode()
	if err != nil {
		return client.Payload{}, err
	}
	if d.strict() {
		if id, err = d.registry.states.named(d.realm, id); err != nil {
			return client.Payload{}, err
		}
	}
	l, r, known := d.registry.states.link(key{d.realm, id})
	switch {
	case !known:
		return client.Payload{}, noSuchNode(d.realm, id)
	case l == nil:
		return client.Payload{}, &Error{NodeOffline, fmt.Sprintf("node %s is offline since %s", id, local(r.OfflineSince))}
	case !r.Report.Remote:
		return client.Payload{}, &Error{NotRemote, fmt.Sprintf("node %s does not answer commands; write remote = true in its [[uplink]] and reload it there", id)}
	}
	q := &question{l, make(chan answer, 1)}
	number := d.open(q)
	defer d.close(number)
	select {
	case l.requests <- order{number, command, args, kwargs}:
	default:
		return client.Payload{}, &Error{wamp.Unavailable.Error(), fmt.Sprintf("node %s has too many commands in progress; try again", id)}
	}
	timer := time.NewTimer(askTime)
	defer timer.Stop()
	select {
	case a := <-q.answer:
		return a.payload, a.err
	case <-l.ended:
		return client.Payload{}, &Error{NodeOffline, fmt.Sprintf("the link of node %s ended before its answer", id)}
	case <-timer.C:
		return client.Payload{}, &Error{wamp.Timeout.Error(), fmt.Sprintf("node %s has not answered for %v", id, askTime)}
	case <-ctx.Done():
		return client.Payload{}, context.Cause(ctx)
	}
}

// splitCommand splits runnel.node.ID.COMMAND. The id may have dots. command is "" if there is none.
func splitCommand(procedure string) (id, command string) {
	rest := strings.TrimPrefix(procedure, NodePrefix)
	for _, c := range Commands {
		if id, ok := strings.CutSuffix(rest, "."+c); ok && id != "" {
			return id, c
		}
	}
	return "", ""
}

func (d *Desk) open(q *question) wamp.ID {
	id := wamp.NewID()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.questions[id] = q
	return id
}

func (d *Desk) close(id wamp.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.questions, id)
}

// resolve completes the question that a procedure's last component names with an answer. Only the session that was
// asked may do that.
func (d *Desk) resolve(inv *client.Invocation, prefix string, a answer) error {
	id, _ := strconv.ParseUint(strings.TrimPrefix(inv.Procedure(), prefix), 10, 64)
	d.mu.Lock()
	q := d.questions[id]
	d.mu.Unlock()
	if q == nil || q.link.session != inv.Caller() || len(inv.ForwardFor()) > 0 {
		return &Error{Invalid, "no such request"}
	}
	select {
	case q.answer <- a:
	default: // it has an answer
	}
	return nil
}

func (d *Desk) answered(_ context.Context, inv *client.Invocation) (client.Payload, error) {
	return client.Payload{}, d.resolve(inv, Answer, answer{payload: client.Raw(inv.Payload)})
}

func (d *Desk) failed(_ context.Context, inv *client.Invocation) (client.Payload, error) {
	if len(inv.Payload.Raw) > mostAsk {
		return client.Payload{}, &Error{Invalid, "the error is too long"}
	}
	uri, args := "", inv.Args()
	if len(args) > 0 {
		uri, _ = args[0].(string)
		args = args[1:]
	}
	if !wamp.ValidURI(uri, wamp.Exact, false) {
		uri = "wamp.error.runtime_error"
	}
	return client.Payload{}, d.resolve(inv, Fail, answer{err: client.NewError(uri, args...)})
}

// note schedules the states of nodes for publication.
func (d *Desk) note(ids ...string) {
	d.mu.Lock()
	for _, id := range ids {
		d.news[id] = true
	}
	d.mu.Unlock()
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// publish publishes changed states as retained events, until ctx is done.
func (d *Desk) publish(ctx context.Context) {
	for {
		select {
		case <-d.changed:
		case <-ctx.Done():
			return
		}
		if d.client.WaitUp(ctx) != nil || !client.Sleep(ctx, settleTime) {
			return
		}
		d.mu.Lock()
		news := d.news
		d.news = map[string]bool{}
		d.mu.Unlock()
		for id := range news {
			if err := d.announce(ctx, id); err != nil && ctx.Err() == nil {
				d.log.Debug("cannot publish the state of a node", "node", id, "err", err)
				d.note(id)
			}
		}
	}
}

// announce publishes the state of a node. It clears the topic of a removed node.
func (d *Desk) announce(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	n := NodeReport{Node: Node{ID: id, Realm: d.realm}}
	payload := client.Payload{}
	if d.registry.states.fill(&n) {
		payload = client.Args(n)
	}
	o := client.PublishOptions{Acknowledge: true, Retain: true}
	err := d.client.Publish(ctx, onState+id, o, payload)
	if errors.Is(err, wamp.InvalidURI) { // of a strict realm
		err = d.client.Publish(ctx, onState+wamp.Component(id), o, payload)
	}
	return err
}
