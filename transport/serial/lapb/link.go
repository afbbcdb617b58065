package lapb

import (
	"errors"
	"time"
	"unicode/utf8"

	"runnel/transport/serial/hdlc"
)

// Why a connection ended. io.EOF is added to these: the other end left in good order.
var (
	ErrRestarted = errors.New("the other end restarted")
	ErrUnknown   = errors.New("the other end knows of no connection")
	ErrSilent    = errors.New("the other end does not answer")
	ErrStuck     = errors.New("the other end takes no frames")
	ErrConfused  = errors.New("the other end answered what was not sent")
)

// User is who the link works for. The Link calls it, from the goroutine that called the Link.
type User interface {
	Up()              // a connection begins
	Receive(p []byte) // octets of the connection arrived; not kept by the Link
	Down(cause error) // the connection has ended
	Log(line []byte)  // a log line arrived; not kept by the Link
}

type phase uint8

const (
	calling   phase = iota // there is no connection, and one is asked for
	connected              // there is one
	leaving                // DISC is due
	left                   // it was sent; its answer must not be taken for another's by the port's next user
	stopped
)

// due says what is to be sent next.
type due uint16

const (
	dueCall     due = 1 << iota // SABM
	dueUA                       // the answer to SABM or DISC
	dueDM                       // there is no connection
	dueIdentity                 // an XID that was asked for: the answer to one with P
	dueHello                    // an XID that goes before UA, as the other end may not answer (half-duplex)
	dueFinal                    // the answer to P
	dueReject                   // REJ
	dueState                    // RR or RNR: whether there is room has changed
	dueAck                      // RR, if no frame takes the acknowledgement along
	duePoll                     // a command with P
)

// stuckFactor is how many times Retries the timer may expire while the other end answers but takes no frame: it is
// there, and the line very bad.
const stuckFactor = 4

// On a noisy line short frames get through sooner. Each time some are lost the next ones are half as long, and each one
// that arrives lets them grow by growth.
const growth = 8

// maxAnswers is how many UAs may be due: calls are T1 apart, in which one is answered or lost; one may be late.
const maxAnswers = 2

// maxLogs is how many log lines wait to be sent.
const maxLogs = 8

// Counters count what a link did.
type Counters struct {
	FramesIn, FramesOut uint64 // frames with a good FCS, of all kinds
	Resent              uint64 // I frames that were sent again
	RejectsIn           uint64
	RejectsOut          uint64
	Timeouts            uint64 // T1 expired
	Connections         uint64
	Resets              uint64 // connections that were lost, not ended by either side
	Ignored             uint64 // frames that made no sense, such as our own echo
	Logs                uint64 // log lines
}

// Add adds what another link did.
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

// Link is one end of the link as a state machine. Frames that arrive go in through Frame, frames to send come out of
// Append, which is called after every other call, and when Deadline has come. It belongs to one goroutine at a time.
type Link struct {
	// Static after construction.
	c    Config
	user User

	now   time.Time // of the call under way
	phase phase
	due   due
	count Counters

	// Setup.
	calls   int       // SABMs sent since the last connection
	answers int       // UAs that may still come
	met     bool      // the other end called as well, and was answered
	upAt    time.Time // when the connection begins for that reason
	callAt  time.Time // when the next one is due
	spoke   time.Time // when the last SABM or DM was sent
	dmAt    time.Time // when a DM is due
	uaF     bool      // the UA that is due answers P
	peer    Identity  // what the other end said of itself

	// Agreed on for the connection.
	window int
	info   int

	// The connection, sending.
	out        window
	size       int  // of new frames, at most info: noise breaks long ones first
	peerBusy   bool // RNR
	polled     bool // a command with P was sent, and F not seen
	recovering bool // the poll was sent because something may be lost: until F is seen nothing new is sent
	tries      int  // T1 expired so often and nothing was heard since
	stuck      int  // T1 expired so often and nothing was acknowledged since
	t1, t3     time.Time
	closing    bool      // the stream was closed: the connection ends when all is acknowledged, or at lingerAt
	stopping   bool      // and the link with it
	lingerAt   time.Time // set while closing, leaving or left

	// The connection, receiving.
	vr        uint8 // V(R), the number of the frame that is expected
	heard     bool  // a frame of the connection has arrived
	room      int   // octets that User can take
	busy      bool  // told the other end so, or about to
	owed      int   // frames that arrived since V(R) was last sent
	rejecting bool  // REJ was sent, and the frame it asks for has not come
	gap       int   // how far the last frame out of sequence was ahead of it
	t2        time.Time

	// Half-duplex.
	turn   bool      // a device's: it was asked to speak
	pollAt time.Time // a gateway's: when it asks again

	logs [][]byte // that wait to be sent
}

// NewLink returns a link that is down, and calls the other end. c is valid.
func NewLink(c Config, user User, now time.Time) *Link {
	l := &Link{c: c.withDefaults(), user: user, now: now}
	l.call(now)
	return l
}

// Counters returns what the link did so far.
func (l *Link) Counters() Counters { return l.count }

// Peer returns what the other end said of itself, if it did.
func (l *Link) Peer() Identity { return l.peer }

// Stopped reports whether the link is at its end: after Stop, when there is nothing left to send.
func (l *Link) Stopped() bool { return l.phase == stopped }

// Send takes octets to send over the connection, as many as there is room for; 0 without a connection.
func (l *Link) Send(p []byte) int {
	if l.phase != connected || l.closing {
		return 0
	}
	return l.out.put(p)
}

// Free says that the user has room for n more octets: it has read what it received.
func (l *Link) Free(n int) {
	l.room += n
	if l.busy && l.room >= 2*l.c.reserve() {
		l.busy = false
		l.due |= dueState
	}
}

// Finish ends the connection when all that was sent has arrived, and calls the other end anew.
func (l *Link) Finish(now time.Time) {
	l.now = now
	if l.phase == connected && !l.closing {
		l.closing, l.lingerAt = true, now.Add(l.c.linger())
	}
}

// Stop ends the connection when all that was sent has arrived, tells the other end, and does no more.
func (l *Link) Stop(now time.Time) {
	l.Finish(now)
	l.stopping = true
	if l.phase == calling {
		l.leave()
	}
}

// Say sends a log line, cut to what fits in a frame. It may get lost, and is lost if many wait.
func (l *Link) Say(line string) {
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

// Frame takes a frame that has arrived.
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

// address is that of what this end sends: its commands, or its responses. The other end's commands have the address of
// our responses, and so on.
func (l *Link) address(command bool) byte {
	if (l.c.Role == Gateway) == command {
		return toDevice
	}
	return toGateway
}

// Deadline returns when Append is to be called even if nothing else happens; zero means never.
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

// expired reports whether the time has come, and if so stops the timer.
func (l *Link) expired(t *time.Time) bool {
	if t.IsZero() || l.now.Before(*t) {
		return false
	}
	*t = time.Time{}
	return true
}

// expire looks at the timers.
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
		l.silent()
	}
	if l.expired(&l.pollAt) {
		l.due |= duePoll
	}
	late := l.expired(&l.lingerAt)
	switch {
	case late && l.phase > connected: // not asked to speak (half-duplex), or not answered
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

// timeout has the other end asked what it has, or gives it up.
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

// silent has the other end asked whether it is there. A half-duplex device cannot ask.
func (l *Link) silent() {
	switch {
	case l.c.HalfDuplex && l.c.Role == Device:
		l.down(ErrSilent)
	case l.t1.IsZero():
		l.due |= duePoll
	default:
		l.t3 = l.now.Add(l.c.T3)
	}
}
