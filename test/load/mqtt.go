package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
)

// mqttClient speaks MQTT 3.1.1 with QoS 0 or 1; for kept events see mqttKeeper. MQTT has no calls.
type mqttClient struct {
	stream
	json bool   // payloads are JSON objects, as devices send them
	qos  byte   // 0 or 1
	sent uint16 // the last packet identifier
	out  []byte // owned by the sender
	in   []byte // owned by the receiver
}

// The first byte of each packet (MQTT 3.1.1, section 2.2).
const (
	mqttConnect   = 0x10
	mqttConnack   = 0x20
	mqttPublish   = 0x30
	mqttSubscribe = 0x82
	mqttSuback    = 0x90
)

var errNoCalls = errors.New("MQTT 3.1.1 has no calls")

// clientNumber makes client identifiers unique: a broker disconnects the older one of two that are the same.
var clientNumber atomic.Uint64

func newMQTT(s stream, json bool, qos byte) (client, error) {
	c := &mqttClient{stream: s, json: json, qos: qos}
	const cleanSession = 2
	return c, c.connect(cleanSession, "load"+strconv.FormatUint(clientNumber.Add(1), 10))
}

func (c *mqttClient) connect(flags byte, id string) error {
	b := append([]byte{0, 4}, "MQTT"...)
	b = appendText(append(b, 4, flags, 0, 0), id) // version 3.1.1, no keep-alive
	if err := c.packet(mqttConnect, b); err != nil {
		return err
	}
	if err := c.flush(); err != nil {
		return err
	}
	kind, body, err := c.receive()
	if err == nil && (kind != mqttConnack || len(body) != 2 || body[1] != 0) {
		err = fmt.Errorf("CONNACK refused: %x % x", kind, body)
	}
	return err
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func (c *mqttClient) packet(kind byte, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	b := appendLength(append(c.out[:0], kind), n)
	for _, p := range parts {
		b = append(b, p...)
	}
	c.out = b
	_, err := c.w.Write(b)
	return err
}

// appendLength writes the remaining length (section 2.2.3).
func appendLength(b []byte, n int) []byte {
	for ; n >= 128; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return append(b, byte(n))
}

func (c *mqttClient) receive() (kind byte, body []byte, err error) {
	if kind, err = c.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(c.r) // the remaining length has this form
	if err != nil {
		return 0, nil, err
	}
	if n > 1<<28 {
		return 0, nil, fmt.Errorf("packet of %d bytes", n)
	}
	if uint64(cap(c.in)) < n {
		c.in = make([]byte, n)
	}
	c.in = c.in[:n]
	_, err = io.ReadFull(c.r, c.in)
	return kind, c.in, err
}

func (c *mqttClient) subscribe(topic string) error {
	return c.subscribeAll(1, func(int) string { return topic })
}

func (c *mqttClient) subscribeAll(n int, topic func(int) string) error {
	for at := 0; at < n; at += requestsUnderWay {
		end := min(n, at+requestsUnderWay)
		for i := at; i < end; i++ {
			b := appendText(binary.BigEndian.AppendUint16(nil, uint16(i-at+1)), topic(i))
			if err := c.packet(mqttSubscribe, append(b, c.qos)); err != nil {
				return err
			}
		}
		if err := c.flush(); err != nil {
			return err
		}
		for range end - at {
			kind, body, err := c.receive()
			if err != nil {
				return err
			}
			if kind != mqttSuback {
				return fmt.Errorf("packet %x instead of SUBACK: % x", kind, body)
			}
		}
	}
	return nil
}

// The parts of a JSON payload. The payload of another protocol stands in between, in hexadecimal digits.
const (
	jsonHead = `{"reading":"`
	jsonTail = `","unit":"C"}`
)

func (c *mqttClient) publish(topic string, payload []byte) error {
	if c.json {
		payload = append(hex.AppendEncode([]byte(jsonHead), payload), jsonTail...)
	}
	n := 2 + len(topic) + 2*int(c.qos) + len(payload)
	b := appendText(appendLength(append(c.out[:0], mqttPublish|c.qos<<1), n), topic)
	if c.qos > 0 {
		if c.sent++; c.sent == 0 {
			c.sent = 1
		}
		b = binary.BigEndian.AppendUint16(b, c.sent)
	}
	c.out = append(b, payload...)
	_, err := c.w.Write(c.out)
	return err
}

func (c *mqttClient) event() ([]byte, error) {
	kind, body, err := c.receive()
	if err != nil {
		return nil, err
	}
	if kind&0xf0 != mqttPublish || len(body) < 2 {
		return nil, fmt.Errorf("packet %x instead of PUBLISH", kind)
	}
	topic := int(binary.BigEndian.Uint16(body))
	payload := body[min(len(body), 2+topic):]
	if c.qos > 0 && kind&6 != 0 && len(payload) >= 2 {
		if err := c.packet(mqttPuback, payload[:2]); err != nil {
			return nil, err
		}
		if payload = payload[2:]; c.r.Buffered() == 0 {
			if err := c.flush(); err != nil {
				return nil, err
			}
		}
	}
	if c.json {
		n, err := hex.Decode(payload, bytes.TrimSuffix(bytes.TrimPrefix(payload, []byte(jsonHead)), []byte(jsonTail)))
		return payload[:n], err
	}
	return payload, nil
}

// drain reads the acknowledgements of a publisher.
func (c *mqttClient) drain() {
	for {
		if _, _, err := c.receive(); err != nil {
			return
		}
	}
}

func (c *mqttClient) register(string) error     { return errNoCalls }
func (c *mqttClient) call(string, []byte) error { return errNoCalls }
func (c *mqttClient) result() ([]byte, error)   { return nil, errNoCalls }
func (c *mqttClient) serve() error              { return errNoCalls }
