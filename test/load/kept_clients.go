package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
)

// wampKeeper publishes with acknowledge, and consumes a durable subscription with EVENT_RECEIVED.
type wampKeeper struct {
	*wampClient
	last uint64 // publication of the last event
}

const (
	publishedCode     = 17
	eventReceivedCode = 337
)

func (c *wampKeeper) publish(topic string, payload []byte) error {
	if c.uri != topic {
		c.uri = topic
		c.tail = append(c.text(c.dict(c.tail[:0], 1), "acknowledge"), cborTrue)
		c.tail = c.array(c.text(c.tail, topic), 1)
	}
	c.request++
	b := append(c.number(c.begin(5, publishCode), c.request), c.tail...)
	return c.send(c.binary(b, payload))
}

func (c *wampKeeper) confirmed() error {
	_, err := c.next(publishedCode)
	return err
}

func (c *wampKeeper) consume(topic string) error {
	c.request++
	b := c.dict(c.number(c.begin(4, subscribeCode), c.request), 2)
	b = c.text(c.text(b, "_durable"), keptName)
	b = c.number(c.text(b, "_window"), keptWindow)
	if err := c.send(c.text(b, topic)); err != nil {
		return err
	}
	return c.answered(subscribedCode)
}

func (c *wampKeeper) event() ([]byte, error) {
	payload, err := c.next(eventCode)
	if err == nil {
		_, rest := cborArgument(c.in) // the list, the type, the subscription, the publication
		_, rest = cborArgument(rest)
		_, rest = cborArgument(rest)
		c.last, _ = cborArgument(rest)
	}
	return payload, err
}

func (c *wampKeeper) acknowledge() error {
	if err := c.send(c.number(c.begin(2, eventReceivedCode), c.last)); err != nil || c.r.Buffered() > 0 {
		return err
	}
	return c.flush()
}

// natsKeeper publishes into a stream of JetStream, and is its durable push consumer with explicit acknowledgements.
type natsKeeper struct{ *natsClient }

// ask calls a procedure of JetStream's API.
func (c *natsKeeper) ask(subject, request string) error {
	if err := c.call(subject, []byte(request)); err != nil {
		return err
	}
	if err := c.flush(); err != nil {
		return err
	}
	answer, err := c.result()
	if err == nil && bytes.Contains(answer, []byte(`"error"`)) {
		err = fmt.Errorf("%s: %s", subject, answer)
	}
	return err
}

func (c *natsKeeper) prepare(topic string) error {
	stream := fmt.Sprintf(`{"name":"%s","subjects":["%s"],"storage":"file","retention":"limits","max_bytes":-1,"max_age":0,"num_replicas":1,"discard":"old"}`, keptName, topic)
	if err := c.ask("$JS.API.STREAM.CREATE."+keptName, stream); err != nil {
		return err
	}
	consumer := fmt.Sprintf(`{"stream_name":"%s","config":{"durable_name":"%s","deliver_subject":"bench.deliver","ack_policy":"explicit","deliver_policy":"all","replay_policy":"instant","ack_wait":%d,"max_ack_pending":%d}}`,
		keptName, keptName, keptWait, keptWindow)
	return c.ask("$JS.API.CONSUMER.DURABLE.CREATE."+keptName+"."+keptName, consumer)
}

func (c *natsKeeper) publish(topic string, payload []byte) error { return c.call(topic, payload) }

func (c *natsKeeper) confirmed() error {
	answer, err := c.result()
	if err == nil && !bytes.Contains(answer, []byte(`"seq"`)) {
		err = fmt.Errorf("nats-server: %s", answer)
	}
	return err
}

func (c *natsKeeper) consume(string) error {
	c.subscriptions++
	fmt.Fprintf(c.w, "SUB bench.deliver %d\r\n", c.subscriptions)
	return c.flush() // PONG would follow events
}

func (c *natsKeeper) acknowledge() error {
	if err := c.send(append(append(c.out[:0], "PUB "...), c.reply...), []byte("+ACK")); err != nil || c.r.Buffered() > 0 {
		return err
	}
	return c.flush()
}

// mqttKeeper publishes with QoS 1, and has a persistent session that receives with QoS 1.
type mqttKeeper struct {
	*mqttClient
	addr string
	last [2]byte // packet identifier of the last event
}

const (
	mqttPuback     = 0x40
	mqttDisconnect = 0xe0
	mqttQoS1       = 2
)

// prepare makes the session, and leaves it.
func (c *mqttKeeper) prepare(topic string) error {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	first := &mqttKeeper{mqttClient: &mqttClient{stream: newStream(conn)}}
	if err := first.connect(0, keptName); err != nil {
		return err
	}
	b := appendText([]byte{0, 1}, topic)
	if err := first.packet(mqttSubscribe, append(b, 1)); err != nil {
		return err
	}
	if err := first.flush(); err != nil {
		return err
	}
	if kind, body, err := first.receive(); err != nil || kind != mqttSuback {
		return fmt.Errorf("packet %x instead of SUBACK: % x: %w", kind, body, err)
	}
	first.packet(mqttDisconnect)
	return first.flush()
}

// consume takes the session up again.
func (c *mqttKeeper) consume(string) error {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return err
	}
	c.close()
	c.stream = newStream(conn)
	return c.connect(0, keptName)
}

func (c *mqttKeeper) publish(topic string, payload []byte) error {
	if c.sent++; c.sent == 0 {
		c.sent = 1
	}
	b := appendText(appendLength(append(c.out[:0], mqttPublish|mqttQoS1), 2+len(topic)+2+len(payload)), topic)
	c.out = append(binary.BigEndian.AppendUint16(b, c.sent), payload...)
	_, err := c.w.Write(c.out)
	return err
}

func (c *mqttKeeper) confirmed() error {
	kind, _, err := c.receive()
	if err == nil && kind != mqttPuback {
		err = fmt.Errorf("packet %x instead of PUBACK", kind)
	}
	return err
}

func (c *mqttKeeper) event() ([]byte, error) {
	body, err := c.mqttClient.event()
	if err != nil || len(body) < 2 {
		return nil, err
	}
	c.last = [2]byte(body)
	return body[2:], nil
}

func (c *mqttKeeper) acknowledge() error {
	if err := c.packet(mqttPuback, c.last[:]); err != nil || c.r.Buffered() > 0 {
		return err
	}
	return c.flush()
}
