package sparkplug

import (
	"fmt"
	"strings"
	"sync"
)

// Sample is a value that an Edge Node has sent.
type Sample struct {
	Kind       string // DBIRTH, DDATA and so on
	Device     string // "": the node
	Name       string
	Type       int
	Value      any // int64, float64, bool, string, []byte; nil for null
	Unit       string
	Time       uint64
	Historical bool
}

// Host follows one Edge Node. Its methods may be called from any goroutine.
type Host struct {
	Group, Node string

	mu       sync.Mutex
	online   bool
	bdSeq    int64
	seq      int
	births   map[string]map[string]*Metric // metrics by device; "": the node
	samples  []Sample
	messages []string // kinds with devices: "DBIRTH meter"
	faults   []string
}

// valueFields are the fields of the values of each type.
var valueFields = map[int]int{3: 10, 4: 11, 6: 10, 7: 10, 8: 11, 9: 12, 10: 13, 11: 14, 12: 15, 13: 11, 17: 16, 5: 10}

// Take takes a message of the broker.
func (h *Host) Take(topic string, payload []byte, qos byte, retained bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.take(topic, payload, qos, retained); err != nil {
		h.faults = append(h.faults, fmt.Sprintf("%s: %v", topic, err))
	}
}

func (h *Host) take(topic string, payload []byte, qos byte, retained bool) error {
	levels := strings.Split(topic, "/")
	if len(levels) < 4 || len(levels) > 5 || levels[0] != "spBv1.0" || levels[1] != h.Group || levels[3] != h.Node {
		return fmt.Errorf("a strange topic")
	}
	kind, device := levels[2], ""
	if len(levels) == 5 {
		device = levels[4]
	}
	if strings.HasSuffix(kind, "CMD") {
		return nil
	}
	p, err := Decode(payload)
	if err != nil {
		return err
	}
	h.messages = append(h.messages, strings.TrimSpace(kind+" "+device))
	switch {
	case retained:
		return fmt.Errorf("it is retained")
	case p.Timestamp == 0:
		return fmt.Errorf("it has no timestamp")
	case (kind[0] == 'D') != (device != ""):
		return fmt.Errorf("its topic has a level too many or too few")
	case kind == "NDEATH":
		return h.death(p)
	case qos != 0:
		return fmt.Errorf("QoS %d", qos)
	case kind == "NBIRTH":
		h.online, h.births, h.seq = true, map[string]map[string]*Metric{}, -1
	case !h.online:
		return fmt.Errorf("before NBIRTH, or after NDEATH")
	}
	h.seq = (h.seq + 1) % 256
	if p.Seq != h.seq {
		wanted := h.seq
		h.seq = p.Seq
		return fmt.Errorf("seq %d, want %d", p.Seq, wanted)
	}
	switch kind {
	case "NBIRTH", "DBIRTH":
		return h.birth(kind, device, p)
	case "DDEATH":
		if h.births[device] == nil {
			return fmt.Errorf("a death without a birth")
		}
		delete(h.births, device)
		return nil
	case "NDATA", "DDATA":
		return h.data(kind, device, p)
	}
	return fmt.Errorf("a kind that no Edge Node sends")
}

// death takes NDEATH. A will of an earlier connection is ignored.
func (h *Host) death(p Payload) error {
	if p.Seq != -1 || len(p.Metrics) != 1 || p.Metrics[0].Name != "bdSeq" || p.Metrics[0].Type != 4 {
		return fmt.Errorf("not only a bdSeq: %+v", p)
	}
	if p.Metrics[0].Integer(4) == h.bdSeq {
		h.online, h.births = false, nil
	}
	return nil
}

func (h *Host) birth(kind, device string, p Payload) error {
	metrics := map[string]*Metric{}
	for i := range p.Metrics {
		m := &p.Metrics[i]
		if m.Name == "" || m.Type == 0 || m.Timestamp == 0 || m.Historical || metrics[m.Name] != nil {
			return fmt.Errorf("metric %+v", *m)
		}
		metrics[m.Name] = m
	}
	if kind == "NBIRTH" {
		b, r := metrics["bdSeq"], metrics["Node Control/Rebirth"]
		if b == nil || b.Type != 4 || r == nil || r.Type != 11 || r.Value != false {
			return fmt.Errorf("no bdSeq, or no rebirth: %+v", p)
		}
		h.bdSeq = b.Integer(4)
	}
	h.births[device] = metrics
	return h.keep(kind, device, p.Metrics)
}

func (h *Host) data(kind, device string, p Payload) error {
	born := h.births[device]
	if born == nil {
		return fmt.Errorf("before its birth")
	}
	if len(p.Metrics) == 0 {
		return fmt.Errorf("without a value")
	}
	for _, m := range p.Metrics {
		if born[m.Name] == nil || m.Type != 0 || m.Unit != "" || m.Timestamp == 0 {
			return fmt.Errorf("metric %+v, which was announced as %+v", m, born[m.Name])
		}
	}
	return h.keep(kind, device, p.Metrics)
}

func (h *Host) keep(kind, device string, metrics []Metric) error {
	for _, m := range metrics {
		born := h.births[device][m.Name]
		s := Sample{kind, device, m.Name, born.Type, m.Value, born.Unit, m.Timestamp, m.Historical}
		switch {
		case m.Null != (m.Field == 0):
			return fmt.Errorf("metric %+v is null and has a value, or is neither", m)
		case !m.Null && m.Field != valueFields[born.Type]:
			return fmt.Errorf("metric %+v: type %d", m, born.Type)
		}
		switch v := m.Value.(type) {
		case uint64:
			s.Value = m.Integer(born.Type)
		case float32:
			s.Value = float64(v)
		}
		h.samples = append(h.samples, s)
	}
	return nil
}

// Online reports whether the node is online, and the number of its connection.
func (h *Host) Online() (online bool, bdSeq int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.online, h.bdSeq
}

// Alive reports whether a device is alive.
func (h *Host) Alive(device string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.online && h.births[device] != nil
}

// Samples returns the values of a device's metric, in order. kind is the kind of message, "": any.
func (h *Host) Samples(kind, device, name string) (list []Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.samples {
		if (kind == "" || s.Kind == kind) && s.Device == device && s.Name == name {
			list = append(list, s)
		}
	}
	return list
}

// Messages returns the kinds and devices of all messages in order.
func (h *Host) Messages() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.messages...)
}

// Faults returns the rules that the node has broken.
func (h *Host) Faults() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string{}, h.faults...)
}
