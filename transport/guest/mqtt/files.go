package mqtt

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"runnel/edge/atomicfile"
	wampclient "runnel/edge/client"
	"runnel/transport/mqtt/packet"
)

// A file holds one session: a line for the session, one for its will, and one for each filter, with quoted texts. A
// second file holds the ids of QoS 2 messages in flight, see record.

const (
	fileHead = "runnel mqtt session 2"
	maxFile  = 1 << 20
)

// file returns the name of a session's file.
func (b *Broker) file(k client) string {
	return filepath.Join(b.dir, digest(k.realm+"\x00"+k.id+"\x00"+k.authid+"\x00"+k.role)+".session")
}

// idsEnding ends the name of the file for the ids.
const idsEnding = ".ids"

// text returns the content of a session's file.
func (s *session) text() string {
	lines := make([]string, 0, len(s.filters))
	for _, f := range s.filters {
		lines = append(lines, fmt.Sprintf("%q %d %d\n", f.text, f.options, f.ident))
	}
	sort.Strings(lines)
	return fmt.Sprintf("%s\n%q %q %q %q %d\n%d %q\n%s", fileHead, s.owner.Realm, s.owner.Client, s.owner.Authid, s.owner.Role, s.expiry,
		s.willDelay, s.will, strings.Join(lines, ""))
}

// write writes a session, unless the file already has this content. The caller holds mu.
func (b *Broker) write(s *session) {
	text := s.text()
	sum := digest(text)
	if b.dir == "" || sum == s.written {
		return
	}
	err := os.MkdirAll(b.dir, 0o700)
	if err == nil {
		err = atomicfile.Write(b.file(s.owner.key()), []byte(text), 0o600)
	}
	if s.written = sum; err != nil {
		s.written = ""
		b.unsaved(s.owner.Client, err)
	}
}

func (b *Broker) unsaved(id string, err error) {
	if suppressed, ok := b.refusals.Allow(); ok {
		b.log.Error("cannot save MQTT session", "client_id", id, "err", err, "suppressed", suppressed)
	}
}

// remove removes the files of a session. The caller holds mu.
func (b *Broker) remove(s *session) {
	if b.dir != "" {
		name := b.file(s.owner.key())
		os.Remove(name + idsEnding)
		os.Remove(name)
	}
}

// records reports whether the ids of QoS 2 are on disk. The caller holds mu.
func (c *Conn) records() bool {
	return c.expiry > 0 && c.durable && c.broker.dir != "" && !c.retired
}

// record writes the ids of QoS 2 messages in flight before the client learns that the router has its message or its
// release. A router that is killed therefore accepts no message twice. It writes at most 3 KB in place, in one write,
// and does not sync. The reader calls it with mu held; record releases mu during the write. After a failure there is no
// file: the router would take new messages for repeated ones if the file still had the ids of released messages.
func (c *Conn) record() {
	if !c.records() {
		return
	}
	var b []byte
	for id, r := range c.received {
		if r != taken {
			b = binary.BigEndian.AppendUint16(b, id)
		}
	}
	b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b)/2)), b...)
	for id, m := range c.flight.ids {
		if m.released {
			b = binary.BigEndian.AppendUint16(b, id)
		}
	}
	c.recording = true
	c.mu.Unlock()
	name := c.broker.file(c.key) + idsEnding
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		_, err = f.WriteAt(append(b, 0, 0), 0) // id 0 ends the list
		f.Close()
	}
	if err != nil {
		os.Remove(name)
		c.broker.unsaved(c.key.id, err)
	}
	c.mu.Lock()
	c.recording = false
	c.room.Broadcast()
}

// retire ends record: from now on the file of the ids belongs to the client's next connection. It waits for a write in progress.
// mu is held, but not during the wait.
func (c *Conn) retire() {
	for c.retired = true; c.recording; {
		c.room.Wait()
	}
}

// loadIDs reads the ids of QoS 2 messages in flight.
func (s *session) loadIDs(file string) {
	b, err := os.ReadFile(file)
	if err != nil || len(b) < 2 || len(b) > maxFile {
		return
	}
	n := int(binary.BigEndian.Uint16(b))
	s.received = map[uint16]receipt{}
	for b = b[2:]; len(b) >= 2; b = b[2:] {
		id := binary.BigEndian.Uint16(b)
		switch n--; {
		case id == 0:
			return
		case n >= 0:
			s.received[id] = recalled
		default:
			s.released = append(s.released, id)
		}
	}
}

// load reads the saved sessions. Their expiry starts again, because the router may have been off.
func (b *Broker) load() {
	if b.dir == "" {
		return
	}
	names, _ := filepath.Glob(filepath.Join(b.dir, "*.session"))
	for _, name := range names[:min(len(names), maxSaved)] {
		data, err := os.ReadFile(name)
		if err != nil || len(data) > maxFile {
			continue
		}
		s, ok := parseSession(string(data))
		if !ok {
			b.log.Warn("cannot read MQTT session; it is ignored", "file", name)
			continue
		}
		s.loadIDs(name + idsEnding)
		s.written = digest(string(data))
		s.ends = time.Now().Add(time.Duration(s.expiry) * time.Second)
		b.saved[s.owner.key()] = s
		b.awaitWill(s)
	}
	b.scheduleExpiry()
}

func parseSession(text string) (*session, bool) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 || lines[0] != fileHead {
		return nil, false
	}
	s := new(session)
	ok := true
	line := lines[1]
	quoted := func() string {
		q, err := strconv.QuotedPrefix(line)
		value, err2 := strconv.Unquote(q)
		ok = ok && err == nil && err2 == nil
		line = strings.TrimPrefix(line[len(q):], " ")
		return value
	}
	number := func() uint32 {
		word, rest, _ := strings.Cut(line, " ")
		line = rest
		n, err := strconv.ParseUint(word, 10, 32)
		ok = ok && err == nil
		return uint32(n)
	}
	s.owner = Owner{Realm: quoted(), Client: quoted(), Authid: quoted(), Role: quoted()}
	s.expiry = min(number(), maxExpiry)
	line = lines[2]
	s.willDelay, s.will = number(), quoted()
	for _, line = range lines[3:] {
		f := savedFilter{text: quoted()}
		f.options, f.ident = packet.Options(number()), number()
		s.filters = append(s.filters, f)
	}
	return s, ok && len(s.filters) <= maxFilters
}

// sweepTime is how often expired sessions are looked for.
const sweepTime = 30 * time.Second

// scheduleExpiry starts the search for expired sessions. The caller holds mu.
func (b *Broker) scheduleExpiry() {
	if b.sweep == nil && len(b.saved) > 0 && b.join != nil && !b.closed {
		b.sweep = time.AfterFunc(sweepTime, b.expire)
	}
}

// expire removes the sessions that have expired.
func (b *Broker) expire() {
	var gone []*session
	b.mu.Lock()
	b.sweep = nil
	now := time.Now()
	for key, s := range b.saved {
		if b.clients[key] == nil && !s.ends.IsZero() && now.After(s.ends) {
			delete(b.saved, key)
			b.remove(s)
			gone = append(gone, s)
		}
	}
	b.scheduleExpiry()
	b.mu.Unlock()
	for _, s := range gone {
		b.publishWill(s.owner, s.will)
		b.drop(s)
	}
}

// drop removes the durable subscriptions of a session that has expired, on behalf of its owner.
func (b *Broker) drop(s *session) {
	if err := b.onBehalf(s.owner, keepProcedure, wampclient.Args(s.owner.key().durablePrefix(), []any{})); err != nil {
		b.log.Warn("cannot remove the durable subscriptions of an expired MQTT session", "client_id", s.owner.Client, "err", err)
	}
}

// Close ends the search for expired sessions, and the delays of wills. They start again with the next Broker.
func (b *Broker) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed = true; b.sweep != nil {
		b.sweep.Stop()
	}
	for _, s := range b.saved {
		if s.timer != nil {
			s.timer.Stop()
		}
	}
}
