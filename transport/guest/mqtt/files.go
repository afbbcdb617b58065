package mqtt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"runnel/edge/atomicfile"
	wampclient "runnel/edge/client"
	"runnel/transport/mqtt/packet"
)

// A file holds one session: a line for the session and one for each filter, with quoted texts.

const (
	fileHead = "runnel mqtt session 1"
	maxFile  = 1 << 20
)

func (b *Broker) file(s *session) string {
	return filepath.Join(b.dir, digest(s.owner.Realm+"\x00"+s.id)+".session")
}

// write writes a session. mu is held.
func (b *Broker) write(s *session) {
	if b.dir == "" {
		return
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s\n%q %q %q %q %d\n", fileHead, s.owner.Realm, s.id, s.owner.Authid, s.owner.Role, s.expiry)
	for _, f := range s.filters {
		fmt.Fprintf(&text, "%q %d %d\n", f.text, f.options, f.ident)
	}
	err := os.MkdirAll(b.dir, 0o700)
	if err == nil {
		err = atomicfile.Write(b.file(s), []byte(text.String()), 0o600)
	}
	if err != nil {
		if suppressed, ok := b.refusals.Allow(); ok {
			b.log.Error("cannot save MQTT session", "client_id", s.id, "err", err, "suppressed", suppressed)
		}
	}
}

// remove removes the file of a session. mu is held.
func (b *Broker) remove(s *session) {
	if b.dir != "" {
		os.Remove(b.file(s))
	}
}

// load reads the saved sessions. Their expiry begins anew, because the router may have been off.
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
		s.ends = time.Now().Add(time.Duration(s.expiry) * time.Second)
		b.saved[client{s.owner.Realm, s.id}] = s
	}
	b.arm()
}

func parseSession(text string) (*session, bool) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 2 || lines[0] != fileHead {
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
	s.owner.Realm, s.id, s.owner.Authid, s.owner.Role, s.expiry = quoted(), quoted(), quoted(), quoted(), min(number(), maxExpiry)
	for _, line = range lines[2:] {
		f := savedFilter{text: quoted()}
		f.options, f.ident = packet.Options(number()), number()
		s.filters = append(s.filters, f)
	}
	return s, ok && len(s.filters) <= maxFilters
}

// sweepTime is how often expired sessions are looked for.
const sweepTime = 30 * time.Second

// arm starts the search for expired sessions. mu is held.
func (b *Broker) arm() {
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
	b.arm()
	b.mu.Unlock()
	for _, s := range gone {
		b.drop(s)
	}
}

// drop removes the durable subscriptions of a session that has expired, on behalf of its owner.
func (b *Broker) drop(s *session) {
	ctx, cancel := context.WithTimeout(context.Background(), takeoverTime)
	defer cancel()
	c, err := wampclient.Connect(ctx, wampclient.Options{
		Realm: s.owner.Realm, Reconnect: wampclient.Reconnect{Disabled: true},
		Dial: func(context.Context) (wampclient.Conn, error) { return b.join(s.owner), nil },
	})
	if err == nil {
		_, err = c.Call(ctx, keepProcedure, wampclient.CallOptions{}, wampclient.Args(client{s.owner.Realm, s.id}.durablePrefix(), []any{}))
		c.Close(ctx)
	}
	if err != nil {
		b.log.Warn("cannot remove the durable subscriptions of an expired MQTT session", "client_id", s.id, "err", err)
	}
}

// Close ends the search for expired sessions.
func (b *Broker) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed = true; b.sweep != nil {
		b.sweep.Stop()
	}
}
