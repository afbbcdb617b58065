package stage

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"runnel/edge/wamp"
	"runnel/test/kit"
	"runnel/test/say"
)

// Peer is a client that sends and receives messages in the notation of package say. In all texts "~" stands for the first
// component of the scene's URIs, and "@" for its realm.
type Peer struct {
	*Scene
	Way Way
	TLS *tls.Conn // nil if there is none; not to be read or written
	ID  uint64    // the session's; 0 before WELCOME

	link  link
	heard chan string   // in order; closed at the end of the connection
	syncs chan struct{} // an element for each answer to sync

	synced atomic.Uint64 // the request of the current sync
	last   uint64        // the highest request id that the peer has used, apart from sync's
	open   bool          // the session has joined, and has neither sent nor received GOODBYE or ABORT
}

// The texts of HELLO. A Simple client announces the basic profile, and a Full client all features of clients.
const (
	Simple = `[1,"@",{"roles":{"publisher":{},"subscriber":{},"caller":{},"callee":{}}}]`
	Full   = `[1,"@",{"roles":` + FullRoles + `}]`

	FullRoles = `{
		"publisher":{"features":{"publisher_identification":true,"subscriber_blackwhite_listing":true,"publisher_exclusion":true,
			"payload_passthru_mode":true,"acknowledge_event_received":true,"sharded_subscription":true}},
		"subscriber":{"features":{"publisher_identification":true,"publication_trustlevels":true,"pattern_based_subscription":true,
			"subscription_revocation":true,"event_history":true,"payload_passthru_mode":true,"sharded_subscription":true}},
		"caller":{"features":{"caller_identification":true,"call_timeout":true,"call_canceling":true,"progressive_call_results":true,
			"progressive_call_invocations":true,"payload_passthru_mode":true,"sharded_registration":true}},
		"callee":{"features":{"caller_identification":true,"call_trustlevels":true,"pattern_based_registration":true,
			"shared_registration":true,"sharded_registration":true,"call_timeout":true,"call_canceling":true,"call_reroute":true,
			"progressive_call_results":true,"progressive_call_invocations":true,"registration_revocation":true,
			"payload_passthru_mode":true}}}`
)

// firstSync is above all request ids that a case uses itself.
const firstSync = wamp.MaxID - 1_000_000

// Named makes "$name" stand for the session's id.
func (p *Peer) Named(name string) *Peer {
	p.Names[name] = json.Number(strconv.FormatUint(p.ID, 10))
	return p
}

// listen passes on the messages of the router until the connection ends.
func (p *Peer) listen() {
	defer close(p.heard)
	for {
		data, err := p.link.receive()
		if err != nil {
			return
		}
		text, err := say.Decode(p.Way.Serializer, data)
		if err == nil {
			err = checkShape(text)
		}
		if err != nil {
			p.Errorf("%v: the router sends % x: %v", p.Way, data, err)
			return
		}
		if p.isSync(text) {
			p.syncs <- struct{}{}
			continue
		}
		p.heard <- text
	}
}

// isSync reports whether a message is the answer to Sync's PUBLISH: PUBLISHED or ERROR.
func (p *Peer) isSync(text string) bool {
	id := p.synced.Load()
	return id != 0 && (strings.HasPrefix(text, fmt.Sprintf("[17,%d,", id)) || strings.HasPrefix(text, fmt.Sprintf("[8,16,%d,", id)))
}

// Say sends messages in one write.
func (p *Peer) Say(texts ...string) {
	p.Helper()
	messages := p.encode(texts)
	for _, text := range texts {
		p.note(text)
	}
	p.Raw(messages...)
}

// Throw is Say for messages during which the router may close the connection.
func (p *Peer) Throw(texts ...string) {
	p.Helper()
	p.link.send(p.encode(texts)...)
}

// encode returns messages in the peer's serializer.
func (p *Peer) encode(texts []string) (messages [][]byte) {
	p.Helper()
	for _, text := range texts {
		data, err := p.Names.Encode(p.Way.Serializer, p.fill(text))
		if err != nil {
			p.Fatalf("say %s: %v", text, err)
		}
		messages = append(messages, data)
	}
	return messages
}

// note keeps the count of requests.
func (p *Peer) note(text string) {
	var head []json.RawMessage
	var request uint64
	if json.Unmarshal([]byte(p.fill(text)), &head) != nil || len(head) < 2 || json.Unmarshal(head[1], &request) != nil {
		return
	}
	switch string(head[0]) {
	case "16", "32", "34", "48", "64", "66":
		p.last = max(p.last, request)
	}
}

// Raw sends bytes that need not be messages.
func (p *Peer) Raw(messages ...[]byte) {
	p.Helper()
	if err := p.link.send(messages...); err != nil {
		p.Fatalf("%v: send % x: %v", p.Way, messages, err)
	}
}

// Next waits for a message.
func (p *Peer) Next() (text string, open bool) {
	p.Helper()
	select {
	case text, open = <-p.heard:
		if strings.HasPrefix(text, "[3,") || strings.HasPrefix(text, "[6,") {
			p.open = false
		}
		return text, open
	case <-time.After(kit.Patience):
		p.Fatalf("%v: nothing was heard", p.Way)
	}
	return "", false
}

// Hear waits for messages and compares them with the expected ones, in order.
func (p *Peer) Hear(want ...string) {
	p.Helper()
	for _, w := range want {
		got, open := p.Next()
		if !open {
			p.Fatalf("the connection is closed; expected %s", w)
		}
		p.expect(w, got)
	}
}

// HearAnyOrder is Hear for messages that may arrive in any order. Each matches the first expected message that it equals and
// that was not matched yet.
func (p *Peer) HearAnyOrder(want ...string) {
	p.Helper()
	for len(want) > 0 {
		got, open := p.Next()
		if !open {
			p.Fatalf("the connection is closed; expected %q", want)
		}
		i := p.find(want, got)
		if i < 0 {
			p.Fatalf("heard %s\nexpected any of %q", got, want)
		}
		want = append(want[:i:i], want[i+1:]...)
	}
}

// Heard reports whether a message has arrived that no call has read yet.
func (p *Peer) Heard() bool { return len(p.heard) > 0 }

// HearOneOf is Hear for one message, which may have one of several forms.
func (p *Peer) HearOneOf(want ...string) {
	p.Helper()
	got, open := p.Next()
	if !open || p.find(want, got) < 0 {
		p.Fatalf("heard %s (open: %v)\nexpected one of %q", got, open, want)
	}
}

// HearAtMost reads a message that may have arrived, depending on the router's progress. No other message may arrive.
func (p *Peer) HearAtMost(want string) {
	p.Helper()
	p.Sync()
	select {
	case got := <-p.heard:
		p.expect(want, got)
	default:
	}
}

func (p *Peer) find(want []string, got string) int {
	for i, w := range want {
		if ok, _ := p.Names.Match(p.fill(w), got); ok {
			return i
		}
	}
	return -1
}

func (p *Peer) expect(want, got string) {
	p.Helper()
	if err := p.Names.Check(p.fill(want), got); err != nil {
		p.Fatal(err)
	}
}

// Await repeats a request until it gets the expected answer.
func (p *Peer) Await(question, answer string) {
	p.Helper()
	for end := time.Now().Add(kit.Patience); ; time.Sleep(time.Millisecond) {
		p.Say(question)
		got, open := p.Next()
		if !open || time.Now().After(end) {
			p.Fatalf("asked %s, heard %s (open: %v); expected %s", question, got, open, answer)
		}
		if ok, _ := p.Names.Match(p.fill(answer), got); ok {
			return
		}
	}
}

// Sync returns when the router has handled all requests of the peer, and all its messages from before that have arrived. It
// publishes with an acknowledgement, which is the last message in both directions.
func (p *Peer) Sync() {
	p.Helper()
	id := firstSync + p.synced.Load()%1_000_000 + 1
	if p.Realm == Strict {
		id = p.last + 1
		p.last = id
	}
	p.synced.Store(id)
	data, err := p.Names.Encode(p.Way.Serializer, p.fill(fmt.Sprintf(`[16,%d,{"acknowledge":true},"stage.sync.~.now"]`, id)))
	if err != nil {
		p.Fatal(err)
	}
	p.Raw(data)
	select {
	case <-p.syncs:
	case <-time.After(kit.Patience):
		p.Fatalf("%v: no answer to an acknowledged PUBLISH", p.Way)
	}
}

// Silent checks that no message is in flight to the peer, neither because of its own requests nor because of others'.
func (p *Peer) Silent() {
	p.Helper()
	for _, other := range p.peers {
		if other.open && other != p {
			other.Sync()
		}
	}
	p.Sync()
	select {
	case got, open := <-p.heard:
		if open {
			p.Fatalf("heard %s, expected nothing", got)
		}
		p.Fatal("the connection is closed")
	default:
	}
}

// Closed waits until the router has closed the connection and the session has ended. No further message may arrive.
func (p *Peer) Closed() {
	p.Helper()
	p.open = false
	if p.Way.isSerial() { // a line is not closed
		p.awaitGone()
		p.link.close()
	}
	if got, open := p.Next(); open {
		p.Fatalf("heard %s, expected the end of the connection", got)
	}
	p.link.close()
}

// Goodbye closes the session by GOODBYE and waits until it has ended.
func (p *Peer) Goodbye() {
	p.Helper()
	p.Say(`[6,{},"wamp.close.close_realm"]`)
	p.Hear(`[6,{},"wamp.close.goodbye_and_out"]`)
	p.Parted()
}

// Parted closes the connection after GOODBYE, once the session has ended. No further message may arrive.
func (p *Peer) Parted() {
	p.Helper()
	p.open = false
	p.awaitGone()
	p.link.close()
	if got, open := p.Next(); open {
		p.Fatalf("heard %s, expected nothing after GOODBYE", got)
	}
}

// Vanish closes the connection without GOODBYE and waits until the session has ended.
func (p *Peer) Vanish() {
	p.Helper()
	p.Cut()
	p.awaitGone()
}

// Cut closes the connection without GOODBYE.
func (p *Peer) Cut() {
	p.open = false
	if raw, ok := p.link.(*rawLink); ok && p.Way.isSerial() {
		raw.write([]byte{0xff, 0xff, 0xff, 0xff}) // not a frame: nothing else ends a session on a line that stays plugged in
	}
	p.link.close()
}

// awaitGone waits until the realm no longer has the session.
func (p *Peer) awaitGone() {
	p.Helper()
	if p.ID != 0 {
		p.awaitLeft(p.ID)
	}
}
