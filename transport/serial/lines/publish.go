package lines

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"time"

	"runnel/transport/serial/reading"
)

// Publishing says which readings become events. The zero Publishing publishes each one.
type Publishing struct {
	OnChange  bool          // publish a reading only if a value has changed, by its field's Deadband or more
	Refresh   time.Duration // with OnChange: publish an unchanged reading after this time; 0 for never
	Every     time.Duration // publish one event of a topic in this time; 0 for each reading
	Aggregate Aggregate     // of numbers within Every
}

// Aggregate makes one number of several.
type Aggregate uint8

const (
	Last Aggregate = iota
	Mean
	Min
	Max
)

// AggregateNames lists the names of the aggregates in a configuration, indexed by Aggregate.
var AggregateNames = []string{"last", "mean", "min", "max"}

func (p Publishing) validate() error {
	switch {
	case p.Every != 0 && (p.Every < MinAsk || p.Every > 24*time.Hour):
		return fmt.Errorf("every %v: want %v to 24h", p.Every, MinAsk)
	case p.Aggregate != Last && p.Every == 0:
		return errors.New("aggregate: set every, the time over which it is taken")
	case p.Refresh != 0 && !p.OnChange:
		return errors.New("refresh is for publish = \"change\"; without it each reading is published")
	}
	return nil
}

// all reports whether each reading is published.
func (p Publishing) all() bool { return !p.OnChange && p.Every == 0 }

// Limits of a publisher. Events of further topics are published unchanged.
const (
	maxTopics = 256
	maxNames  = 1024 // of a topic's values
)

// publisher decides which readings of a device become events. It is used for one opened port after the other.
type publisher struct {
	// Static after construction.
	Publishing
	fields []Field

	mu     sync.Mutex
	send   func(reading.Event) // guarded by mu; nil while the port is closed
	topics map[string]*series  // guarded by mu
	timer  *time.Timer         // guarded by mu; of the next window; nil without Every
}

// series are the readings of a topic.
type series struct {
	window  reading.Event       // the last reading of the window, with the last value of each name
	numbers map[string]number64 // of the window
	sent    reading.Event       // the last event published
	at      time.Time           // when it was; zero if there was none
}

// number64 holds the statistics of a number within a window.
type number64 struct {
	count         int
	sum, min, max float64
}

// newPublisher returns the publisher of a sensor's readings, or nil if each one is published.
func newPublisher(p *Parser) *publisher {
	if p.publishing.all() {
		return nil
	}
	return &publisher{Publishing: p.publishing, fields: p.fields, topics: map[string]*series{}}
}

// begin makes send publish the events of a port that was opened.
func (p *publisher) begin(send func(reading.Event)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.send = send
	if p.Every > 0 {
		p.timer = time.AfterFunc(p.Every, p.tick)
	}
}

// close publishes the values that are held back, and stops.
func (p *publisher) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.flush(time.Now())
	p.send = nil
}

// tick ends a window.
func (p *publisher) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.send == nil {
		return
	}
	p.flush(time.Now())
	p.timer.Reset(p.Every)
}

// reading takes a reading that arrived at now.
func (p *publisher) reading(e reading.Event, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.topics[e.Topic]
	if s == nil && len(p.topics) >= maxTopics {
		p.send(e)
		return
	}
	if s == nil {
		s = &series{}
		p.topics[e.Topic] = s
	}
	if p.Every == 0 {
		p.publish(s, e, now)
		return
	}
	s.add(e)
}

// publish publishes an event unless it is unchanged.
func (p *publisher) publish(s *series, e reading.Event, now time.Time) {
	if p.OnChange && !s.at.IsZero() && !p.changed(s.sent, e) && (p.Refresh == 0 || now.Sub(s.at) < p.Refresh) {
		return
	}
	s.sent, s.at = e, now
	p.send(e)
}

// flush publishes an event of each topic that had a reading in the window.
func (p *publisher) flush(now time.Time) {
	for topic, s := range p.topics {
		if s.window.Topic != "" {
			p.publish(s, s.take(p.Aggregate), now)
		}
		if !p.OnChange {
			delete(p.topics, topic)
		}
	}
}

// changed reports whether a value differs from the event published before. Time and units are not values.
func (p *publisher) changed(old, next reading.Event) bool {
	values := func(e reading.Event) int {
		n := len(e.Kwargs)
		for _, name := range []string{"time", "units"} {
			if _, has := e.Kwargs[name]; has {
				n--
			}
		}
		return n
	}
	if values(old) != values(next) || !reflect.DeepEqual(old.Args, next.Args) {
		return true
	}
	for name, v := range next.Kwargs {
		if name == "time" || name == "units" {
			continue
		}
		before, had := old.Kwargs[name]
		if !had || p.valueChanged(name, before, v) {
			return true
		}
	}
	return false
}

// valueChanged reports whether two values of a name differ by its deadband or more.
func (p *publisher) valueChanged(name string, old, next any) bool {
	a, isNumber := reading.Float(old)
	b, both := reading.Float(next)
	if !isNumber || !both {
		return !reflect.DeepEqual(old, next)
	}
	for _, f := range p.fields {
		if f.Deadband > 0 && (f.As == name || f.As == "" && f.Name == name) {
			return math.Abs(a-b) >= f.Deadband
		}
	}
	return a != b
}

// add adds a reading to the window.
func (s *series) add(e reading.Event) {
	if s.window.Topic == "" {
		s.window, s.numbers = reading.Event{Topic: e.Topic, Kwargs: make(map[string]any, len(e.Kwargs))}, map[string]number64{}
	}
	s.window.Args = e.Args
	for name, v := range e.Kwargs {
		if _, known := s.window.Kwargs[name]; !known && len(s.window.Kwargs) >= maxNames {
			continue
		}
		s.window.Kwargs[name] = v
		if n, ok := reading.Float(v); ok {
			s.numbers[name] = s.numbers[name].with(n)
		}
	}
}

func (n number64) with(v float64) number64 {
	if n.count == 0 {
		return number64{1, v, v, v}
	}
	return number64{n.count + 1, n.sum + v, min(n.min, v), max(n.max, v)}
}

// take returns the window's event, and begins the next window.
func (s *series) take(a Aggregate) reading.Event {
	e := s.window
	for name, n := range s.numbers {
		if v, ok := n.of(a, e.Kwargs[name]); ok && a != Last {
			e.Kwargs[name] = v
		}
	}
	s.window, s.numbers = reading.Event{}, nil
	return e
}

// of returns the aggregate. The result is a whole number if last is one. If last is not a number, it is returned as it is.
func (n number64) of(a Aggregate, last any) (any, bool) {
	v, isNumber := reading.Float(last)
	switch a {
	case Mean:
		v = n.sum / float64(n.count)
	case Min:
		v = n.min
	case Max:
		v = n.max
	}
	if !isNumber || math.IsInf(v, 0) {
		return nil, false
	}
	if _, fraction := last.(float64); !fraction && v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return int64(v), true
	}
	return reading.Scale{Offset: v}.Apply(0), true // rounds
}

// filtered returns a function that publishes the readings selected by the configuration, and a function that ends it.
func (s *Sensor) filtered(publish func(reading.Event)) (filter func(reading.Event), stop func()) {
	if s.publisher == nil {
		return publish, func() {}
	}
	s.publisher.begin(publish)
	return func(e reading.Event) { s.publisher.reading(e, time.Now()) }, s.publisher.close
}
