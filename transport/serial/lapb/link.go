package lapb

import (
	"errors"
	"time"
	"unicode/utf8"

	"runnel/transport/serial/hdlc"
)

// Reasons for the end of a connection, besides io.EOF: the other end disconnected in good order.
var (
	ErrRestarted = errors.New("the other end restarted")
	ErrUnknown   = errors.New("the other end has no connection")
	ErrSilent    = errors.New("the other end does not answer")
	ErrStuck     = errors.New("the other end accepts no frames")
	ErrConfused  = errors.New("the other end acknowledged a frame that was not sent")
)

// User is served by a Link, which calls it from the goroutine that called the Link.
type User interface {
	Up()              // a connection begins
	Receive(p []byte) // octets of the connection arrived; not kept by the Link
	Down(cause error) // the connection has ended
	Log(line []byte)  // a log line arrived; not kept by the Link
}

type phase uint8

const (
	calling       phase = iota // there is no connection, and this end calls
	connected                  // there is a connection
	disconnecting              // DISC is due
	disconnected               // DISC was sent; wait for its answer, so that the port's next user does not take it for its own
	stopped
)

// due holds the frames to be sent next.
type due uint16

const (
	dueCall     due = 1 << iota // SABM
	dueUA                       // the answer to SABM or DISC
	dueDM                       // there is no connection
	dueIdentity                 // an XID in answer to one with P
	dueHello                    // an XID command before UA, because the other end's XID had no P (half-duplex)
	dueFinal                    // the answer to P
	dueReject                   // REJ
	dueState                    // RR or RNR, as the receive room has changed
	dueAck                      // RR, unless an I frame carries the acknowledgement
	duePoll                     // a command with P
)

// stuckFactor times Retries is how often T1 may expire while the other end answers but accepts no frame: it is alive, but
// the line is very bad.
const stuckFactor = 4

// Short frames pass a noisy line more easily. After a loss new frames are half as long; each acknowledged frame lets them
// grow by growth octets.
const growth = 8

// maxAnswers is how many UAs may be pending. Calls are T1 apart, so each is answered or lost by the next; one may be late.
const maxAnswers = 2

// maxLogs is how many log lines may wait to be sent.
const maxLogs = 8

// Counters count the events of a link.
type Counters struct {
	FramesIn, FramesOut uint64 // frames with a valid FCS, of all kinds
	Resent              uint64 // I frames sent again
	RejectsIn           uint64
	RejectsOut          uint64
	Timeouts            uint64 // T1 expired
	Connections         uint64
	Resets              uint64 // connections lost, not closed by either end
	Ignored             uint64 // invalid frames, such as an echo
	Logs                uint64 // log lines
}

// Add adds the counters of another link.
func (c *Counters) Add(o Counters) {
	c.FramesIn += o.FramesIn
	c.FramesOut += o.FramesOut
	c.Resent += o.Resent
	c.RejectsIn += o.RejectsIn
	c.RejectsOut += o.RejectsOut
	c.Timeouts += o.Timeouts
	c.Connections += o.Connections
	c.Resets += o.Resets
	c.Ignored += o.Ignored
	c.Logs += o.Logs
}

// Link is one end of the link as a state machine. Received frames are passed to Frame; Append returns the frames to send.
// Call Append after every other method and at Deadline. A Link may be used by one goroutine at a time.
type Link struct {
	// Static after construction.
	c    Config
	user User

	now   time.Time // time of the current call
	phase phase
	due   due
	count Counters

	// Setup.
	calls     int       // SABMs sent since the last connection
	answers   int       // UAs that may still arrive
	calledToo bool      // the other end called as well, and its call was answered
	upAt      time.Time // the latest time at which the connection begins if calledToo is set
	callAt    time.Time // when the next SABM is due
	lastSetup time.Time // when the last SABM or DM was sent
	dmAt      time.Time // when a DM is due
	uaF       bool      // the UA that is due answers P
	peer      Identity  // from the other end's XID

	// Negotiated for the connection.
	window int
	info   int

	// The connection, sending.
	out        window
	size       int  // size of new frames, at most info; smaller on a noisy line
	peerBusy   bool // RNR
	polled     bool // a command with P was sent, and F is outstanding
	recovering bool // the poll was sent after a possible loss; no new frames until F arrives
	tries      int  // consecutive timeouts of T1 without any frame received
	stuck      int  // consecutive timeouts of T1 without an acknowledgement
	t1, t3     time.Time
	closing    bool      // the stream was closed; the connection ends when all is acknowledged, or at lingerAt
	stopping   bool      // the link stops after closing
	lingerAt   time.Time // set while closing, disconnecting or disconnected

	// The connection, receiving.
	vr             uint8 // V(R), the number of the expected frame
	heard          bool  // a frame of the connection has arrived
	room           int   // octets that User can still take
	busy           bool  // RNR was sent or is due
	unacknowledged int   // frames received since V(R) was last sent
	rejecting      bool  // REJ was sent, and the requested frame has not arrived
	gap            int   // distance of the last out-of-sequence frame from the expected one
	t2             time.Time

	// Half-duplex.
	turn   bool      // device: it was polled and may send
	pollAt time.Time // gateway: time of the next poll

	logs [][]byte // waiting to be sent
}

// NewLink returns a link that is down and calls the other end. c must be valid.
func NewLink(c Config, user User, now time.Time) *Link {
	l := &Link{c: c.withDefaults(), user: user, now: now}
	l.call(now)
	return l
}

// Counters returns the counters so far.
func (l *Link) Counters() Counters { return l.count }

// Peer returns the identity of the other end, or the zero Identity.
func (l *Link) Peer() Identity { return l.peer }

// Stopped reports whether the link has stopped: Stop was called and there is nothing left to send.
func (l *Link) Stopped() bool { return l.phase == stopped }

// Send takes octets to send and returns how many it took; 0 without a connection.
func (l *Link) Send(p []byte) int {
	if l.phase != connected || l.closing {
		return 0
	}
	return l.out.put(p)
}

// Free adds n octets of receive room: the user has consumed them.
func (l *Link) Free(n int) {
	l.room += n
	if l.busy && l.room >= 2*l.c.reserve() {
		l.busy = false
		l.due |= dueState
	}
}

// Finish closes the connection once all data is acknowledged, then calls the other end again.
func (l *Link) Finish(now time.Time) {
	l.now = now
	if l.phase == connected && !l.closing {
		l.closing, l.lingerAt = true, now.Add(l.c.linger())
	}
}

// Stop closes the connection once all data is acknowledged, disconnects, and stops the link.
func (l *Link) Stop(now time.Time) {
	l.Finish(now)
	l.stopping = true
	if l.phase == calling {
		l.queueDisc()
	}
}

// SendLog sends a log line, cut to the size of a frame. It may be lost; it is dropped if too many are waiting.
func (l *Link) SendLog(line string) {
	if len(l.logs) == maxLogs {
		return
	}
	if len(line) > l.c.Info {
		line = line[:l.c.Info]
		for len(line) > 0 && !utf8.ValidString(line) {
			line = line[:len(line)-1]
		}
	}
	l.logs = append(l.logs, []byte(line))
}

// Frame takes a received frame.
func (l *Link) Frame(f hdlc.Frame, now time.Time) {
	l.now = now
	l.count.FramesIn++
	command := f.Address == l.address(false)
	switch {
	case !command && f.Address != l.address(true) || l.phase == stopped:
		l.count.Ignored++
	case f.Control&1 == 0:
		l.information(f, command)
	case f.Control&3 == 1:
		l.supervisory(f, command)
	default:
		l.unnumbered(f, command)
	}
}

// address returns the address of this end's commands or responses. The other end's commands carry the address of this
// end's responses, and the reverse.
func (l *Link) address(command bool) byte {
	if (l.c.Role == Gateway) == command {
		return toDevice
	}
	return toGateway
}

// Deadline returns when Append must be called even if nothing else happens; the zero time means never.
func (l *Link) Deadline() (at time.Time) {
	earlier := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, t := range [...]time.Time{l.callAt, l.upAt, l.dmAt, l.t1, l.t2, l.t3, l.pollAt, l.lingerAt} {
		earlier(t)
	}
	return at
}

// expired reports whether a timer has expired, and stops it then.
func (l *Link) expired(t *time.Time) bool {
	if t.IsZero() || l.now.Before(*t) {
		return false
	}
	*t = time.Time{}
	return true
}

// expire handles the timers that have expired.
func (l *Link) expire() {
	if l.expired(&l.upAt) {
		l.up()
	}
	if l.expired(&l.t2) {
		l.due |= dueAck
	}
	if l.expired(&l.t1) {
		l.timeout()
	}
	if l.expired(&l.t3) {
		l.checkPeer()
	}
	if l.expired(&l.pollAt) {
		l.due |= duePoll
	}
	late := l.expired(&l.lingerAt)
	switch {
	case late && l.phase > connected: // not polled (half-duplex), or not answered
		l.phase = stopped
	case l.closing && (late || l.out.empty()):
		l.closed()
	}
	if l.expired(&l.callAt) {
		l.due |= dueCall
	}
	if l.expired(&l.dmAt) {
		l.due |= dueDM
	}
}

// timeout polls the other end, or gives it up after too many attempts.
func (l *Link) timeout() {
	l.count.Timeouts++
	l.tries++
	if l.out.cut > 0 && !l.peerBusy {
		l.stuck++
	}
	switch {
	case l.tries >= l.c.Retries:
		l.down(ErrSilent)
	case l.stuck >= stuckFactor*l.c.Retries:
		l.down(ErrStuck)
	default:
		l.due |= duePoll
		if l.c.HalfDuplex {
			l.out.rewind()
		}
	}
}

// checkPeer polls the other end after silence. A half-duplex device cannot poll.
func (l *Link) checkPeer() {
	switch {
	case l.c.HalfDuplex && l.c.Role == Device:
		l.down(ErrSilent)
	case l.t1.IsZero():
		l.due |= duePoll
	default:
		l.t3 = l.now.Add(l.c.T3)
	}
}
