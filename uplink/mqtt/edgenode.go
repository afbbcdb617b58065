package mqtt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"runnel/edge/client"
	"runnel/edge/codec"
	"runnel/edge/wamp"
	"runnel/transport/mqtt/naming"
	"runnel/transport/mqtt/packet"
	"runnel/uplink/mqtt/sparkplug"
	"runnel/uplink/spool"
)

// Sparkplug makes the link an Edge Node; see package sparkplug. Events of rules with Format SparkplugB are data of devices.
//
// Sparkplug requires QoS 0. So an event leaves the spool when the broker has answered a PINGREQ sent after its data. If the
// connection ends before that, the link sends the event again in the next one.
type Sparkplug struct {
	Group, Node string
	Host        string // primary host application, for which the link waits; "": none
	Devices     []sparkplug.Device
}

// hostTime is how long a link with several brokers waits at one for the primary host application.
const hostTime = 30 * time.Second

var (
	errEdgeTopic  = errors.New("Sparkplug defines the topics; write device, the name of the device")
	errEdgeRetain = errors.New("Sparkplug has no retained data; remove it")
	errEdgeName   = errors.New(`it is empty or has "/", "+" or "#", which no name in Sparkplug has`)
	errOnlyEdge   = errors.New("only for exported topics with format = \"sparkplug\"")
	errEdgeImport = errors.New("commands of Sparkplug become events below a prefix; write match = \"prefix\" and a topic that ends with a dot")
	errNoEdgeNode = errors.New("the uplink has no sparkplug")
)

// CheckEdgeName returns an error if a name can't be that of a group, an Edge Node, a device or a host.
func CheckEdgeName(name string) error {
	if name == "" || naming.Check(name, "/+#") != nil {
		return errEdgeName
	}
	return nil
}

// isEdge reports whether a rule's messages are Sparkplug's.
func (r *Rule) isEdge() bool { return r.Form != nil && r.Form.Format == SparkplugB }

// checkEdge checks the keys of a rule for Sparkplug.
func (r *Rule) checkEdge(imported bool) error {
	switch {
	case r.Device != "" && (imported || !r.isEdge() || r.Procedure != ""):
		return ofKey("device", errOnlyEdge)
	case !r.isEdge():
		return nil
	case r.MQTTTopic != "":
		return ofKey(topicKey, errEdgeTopic)
	case r.Retain:
		return ofKey("retain", errEdgeRetain)
	case imported && (r.Match != wamp.Prefix || !strings.HasSuffix(r.Topic, ".")):
		return errEdgeImport
	case r.Device != "":
		_, err := r.deviceTemplate()
		return ofKey("device", err)
	}
	return nil
}

// deviceTemplate returns the template of a rule's devices.
func (r *Rule) deviceTemplate() (naming.Template, error) {
	t, err := naming.Parse(r.Device)
	if err != nil {
		return t, err
	}
	if !t.OneLevel() {
		return t, errEdgeName
	}
	return t.Resolve(r.Topic, r.Match)
}

// newEdgeNode makes the Edge Node, once the rules are known. It announces a metric of the configuration if a rule
// exports its topic. The metric is writable if a rule exports its procedure.
func (l *Link) newEdgeNode(commands *Rule) error {
	o := l.opts.Sparkplug
	for _, name := range []string{o.Group, o.Node, cmp.Or(o.Host, "any")} {
		if err := CheckEdgeName(name); err != nil {
			return fmt.Errorf("sparkplug: %q: %w", name, err)
		}
	}
	so := sparkplug.Options{
		Group: o.Group, Node: o.Node, Host: o.Host, Devices: o.Devices, File: sparkplug.Record(l.opts.Dir), Agent: l.opts.Agent, Log: l.log,
		Waited:  func() uint64 { return l.opts.Spool.State().Last },
		Call:    l.callEdge,
		Dropped: func(name string, err error) { l.refuse(&l.status.CallsDown, "command not executed", name, err) },
		Work:    l.calls.work.Go,
	}
	if commands != nil {
		so.Publish = func(ctx context.Context, device, metric string, value any) error {
			return l.publishEdge(ctx, commands.ToLocal(commands.Topic), device, metric, value)
		}
	}
	n := sparkplug.New(so)
	l.node = n
	for _, f := range n.Filters() {
		l.filters = append(l.filters, subscription{filter: f, options: 1, rule: "sparkplug"})
	}
	for i := range o.Devices {
		d := &o.Devices[i]
		name := d.Name
		for j := range d.Metrics {
			m := &d.Metrics[j]
			if r, _ := l.exported.Best(m.URI); m.URI != "" && (r == nil || !r.isEdge()) {
				continue
			} else if t, named := l.templates[r]; m.URI != "" && named {
				var err error
				if name, err = t.Topic(m.URI); err != nil {
					continue // its events are refused
				}
			}
			offer, _ := l.offered.Best(m.Write)
			if err := n.Configure(name, d, m, m.Write != "" && offer != nil); err != nil {
				return fmt.Errorf("sparkplug: %s of %s: %w", m.Name, d.Name, err)
			}
		}
	}
	return nil
}

func (l *Link) callEdge(ctx context.Context, procedure string, value any) error {
	_, err := l.local.Call(ctx, procedure, client.CallOptions{}, client.Args(value))
	if err == nil {
		l.status.CallsDown.Forward()
	}
	return err
}

// publishEdge publishes a command as an event.
func (l *Link) publishEdge(ctx context.Context, topic, device, metric string, value any) error {
	if device != "" {
		topic += naming.Component(device) + "."
	}
	levels := strings.Split(metric, "/")
	for i := range levels {
		levels[i] = naming.Component(levels[i])
	}
	topic += strings.Join(levels, ".")
	if wamp.Reserved(topic) || !wamp.ValidURI(topic, wamp.Exact, false) {
		return naming.ErrReserved
	}
	err := l.local.Publish(ctx, topic, client.PublishOptions{ForwardFor: l.way}, client.Args(value))
	if err == nil {
		l.status.EventsDown.Forward()
	}
	return err
}

// watchLines subscribes to the states of the serial lines.
func (l *Link) watchLines(ctx context.Context) error {
	if l.node == nil || len(l.opts.Sparkplug.Devices) == 0 {
		return nil
	}
	_, err := l.local.Subscribe(ctx, sparkplug.LineStates, client.SubscribeOptions{
		Match: wamp.Prefix, GetRetained: true, Persist: true, Refused: func(error) {},
	}, func(e *client.Event) {
		if args := e.Args(); len(args) > 0 {
			state, _ := args[0].(map[string]any)
			l.node.LineState(state)
		}
	})
	return err
}

// arguments returns the arguments of an event that are values.
func arguments(p codec.Payload, uri string) (list []sparkplug.Argument, err error) {
	if p.Items == 0 {
		return nil, nil
	}
	if p, err = p.In(wamp.CBOR, nil); err != nil {
		return nil, err
	}
	args, kwargs, err := p.Split()
	if err != nil {
		return nil, err
	}
	found, err := members(args, kwargs, uri)
	for i := 0; i < len(found) && err == nil; i++ {
		var v any
		v, err = found[i].value.Any()
		list = append(list, sparkplug.Argument{Key: found[i].key, Value: v})
	}
	return list, err
}

// noteEdge records the values of an event before it is stored, and sets the device in its route.
func (l *Link) noteEdge(e *client.Event, way *route, at time.Time) error {
	if l.node == nil {
		return errNoEdgeNode
	}
	list, err := arguments(e.Payload, e.Topic())
	if err != nil {
		return err
	}
	if way.topic, err = l.node.Note(way.topic, e.Topic(), list, at); err == nil {
		err = CheckEdgeName(way.topic)
	}
	return err
}

// edgeConn is the connection of the Edge Node: a session.
type edgeConn struct{ *session }

func (c edgeConn) Open() context.Context { return c.open }

func (c edgeConn) Room() error { return c.out.Room(c.open) }

func (c edgeConn) Born() { close(c.born) }

func (c edgeConn) Send(topic string, payload []byte, qos byte) {
	p := newPublish(topic, payload, qos)
	if qos > 0 {
		p.ID = idLinkState
	}
	c.send(p)
}

// Disconnect leaves the broker if there may be others, or if err says that the link has to start again.
func (c edgeConn) Disconnect(err error) {
	if err == nil && len(c.link.ways) == 1 {
		return
	}
	c.out.Send(c.prepareDisconnect())
	c.link.calls.work.Go(func() { // the reader, which calls Disconnect, must not wait for the writer
		c.out.Flush(c.open)
		c.close(sparkplug.ErrHostOffline)
	})
}

// disconnectWithWill is the reason of a DISCONNECT after which the broker publishes the last will (MQTT 5, 3.14.2.1).
const disconnectWithWill = 0x04

// prepareDisconnect sends NDEATH, and returns the DISCONNECT that follows. With MQTT 5, the specification requires the
// last will as well. Hosts ignore it, because they have its number already.
func (s *session) prepareDisconnect() *packet.Disconnect {
	d := new(packet.Disconnect)
	if s.link.node != nil {
		s.link.node.Finish(edgeConn{s})
		if s.version >= packet.V5 {
			d.Code = disconnectWithWill
		}
	}
	return d
}

// beginEdge begins with the births, or waits for the primary host application.
func (s *session) beginEdge() {
	if s.link.node == nil {
		return
	}
	s.link.node.Subscribed(edgeConn{s})
	if s.link.opts.Sparkplug.Host == "" || len(s.link.ways) == 1 {
		return
	}
	giveUp := time.AfterFunc(hostTime, func() {
		select {
		case <-s.born:
		default:
			s.close(sparkplug.ErrHostOffline) // it may be at another broker
		}
	})
	context.AfterFunc(s.open, func() { giveUp.Stop() })
}

// awaitBirth waits until data may be sent.
func (s *session) awaitBirth(ctx context.Context) error {
	if s.link.node == nil {
		return nil
	}
	select {
	case <-s.born:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// report sends an event that is data of a device. ok is false if it is not.
func (s *session) report(e *spool.Event) (ok bool, err error) {
	n := s.link.node
	if n == nil {
		return false, nil
	}
	if e.Gap != nil {
		n.Gap(edgeConn{s}, e.Gap.Count)
	} else {
		way, err := routeOf(e)
		if err != nil || s.link.form(way.form).Format != SparkplugB {
			return false, nil
		}
		list, err := arguments(e.Payload, e.Topic)
		if err == nil && len(list) > 0 {
			err = n.Data(edgeConn{s}, way.topic, e.Sequence, e.Topic, list, e.Time)
		}
		if err == sparkplug.ErrNotBorn {
			return true, err
		} else if err != nil {
			s.link.reject(e, err)
			return true, nil
		}
	}
	s.unproven = append(s.unproven, e.Sequence)
	return true, s.out.Room(s.open)
}

// prove waits until the broker has answered a PINGREQ sent after the data, and takes the events out of the spool. The broker
// handles the packets of a connection in order (MQTT 3.1.1, 4.6).
func (s *session) prove(ctx context.Context) error {
	if len(s.unproven) == 0 {
		return nil
	}
	s.link.node.Settle()
	if err := s.pings.answered(ctx, s.sendPing()); err != nil {
		return err
	}
	for _, sequence := range s.unproven {
		s.link.opts.Spool.Ack(sequence)
		s.link.status.EventsUp.Forward()
	}
	s.unproven = s.unproven[:0]
	return nil
}
