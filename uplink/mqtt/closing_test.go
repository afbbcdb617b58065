package mqtt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"runnel/transport/mqtt/packet"
)

func TestEndingOf(t *testing.T) {
	for _, c := range []struct {
		err       error
		open      int
		takenOver bool
		want      ending
	}{
		{io.EOF, 0, false, idle},
		{io.EOF, 0, true, idle},
		{io.EOF, 2, false, suspicious},
		{io.EOF, 2, true, failed},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), 1, false, suspicious},
		{fmt.Errorf("silent: %w", os.ErrDeadlineExceeded), 1, false, failed},
		{nil, 1, false, failed},
	} {
		if got := endingOf(c.err, c.open, c.takenOver); got != c.want {
			t.Errorf("%v with %d under way, taken over %v: %d, want %d", c.err, c.open, c.takenOver, got, c.want)
		}
	}
}

// The error of a connection that the broker has closed names the last packet and a possible cause.
func TestExplain(t *testing.T) {
	open := []sent{{freight: freight{topic: "a/b", size: 7}}, {}, {}}
	for _, c := range []struct {
		err  error
		open []sent
		qos  byte
		want string // "": the error itself
	}{
		{io.EOF, nil, 1, `the broker closed the connection: EOF; another client may have connected with client_id "gateway"`},
		{io.EOF, open[:1], 1, "the broker closed the connection after PUBLISH to a/b (7 bytes, QoS 1): EOF; it may not allow the topic or the size"},
		{io.EOF, open[:2], 1, "the broker closed the connection after PUBLISH to a/b (7 bytes, QoS 1) and 1 more: EOF; it may not allow the topic or the size"},
		{io.EOF, open, 2, "the broker closed the connection after PUBLISH to a/b (7 bytes, QoS 2) and 2 more: EOF; it may not allow the topic or the size, or not support qos = 2"},
		{os.ErrDeadlineExceeded, open, 1, ""},
	} {
		l := &Link{opts: Options{ClientID: "gateway", QoS: c.qos}}
		if got := l.explain(c.err, c.open); !errors.Is(got, c.err) || c.want == "" && got != c.err || c.want != "" && got.Error() != c.want {
			t.Errorf("%v\nwant %s", got, c.want)
		}
	}
	l := &Link{opts: Options{ClientID: "gateway"}}
	if err := l.unanswered(io.EOF); !errors.Is(err, io.EOF) || !strings.Contains(err.Error(), `after CONNECT as "gateway"`) {
		t.Errorf("a broker that closes: %v", err)
	}
	if err := l.unanswered(os.ErrDeadlineExceeded); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasPrefix(err.Error(), "wait for CONNACK: ") {
		t.Errorf("a silent broker: %v", err)
	}
}

// The error of a rejected CONNECT names the code and the remedy, if there is one.
func TestRefusal(t *testing.T) {
	for code, want := range map[packet.Code]string{
		packet.Code(4).FromV311(): "the broker rejected CONNECT: bad user name or password (0x86); check username and password",
		packet.Code(99):           "the broker rejected CONNECT: code 0x63",
	} {
		if got := (&refusal{code: code, reason: code.String()}); got.Error() != want || !isRefusal(fmt.Errorf("x: %w", got), code) || isRefusal(got, 1) {
			t.Errorf("%v: %v", code, got)
		}
	}
}

// An end by the other end has one of several errors.
func TestEndedByPeer(t *testing.T) {
	for err, want := range map[error]bool{
		io.EOF: true, io.ErrUnexpectedEOF: true, io.ErrClosedPipe: true, syscall.ECONNRESET: true, syscall.EPIPE: true,
		syscall.ETIMEDOUT: false, os.ErrDeadlineExceeded: false, os.ErrClosed: false,
	} {
		if got := endedByPeer(fmt.Errorf("read: %w", err)); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
	if endedByPeer(nil) {
		t.Error("no error")
	}
}

// Several consecutive ends that look like a takeover, in a short time, count as a takeover.
func TestTakeovers(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(minutes ...float64) (times []time.Time) {
		for _, m := range minutes {
			times = append(times, start.Add(time.Duration(m*float64(time.Minute))))
		}
		return times
	}
	for name, c := range map[string]struct {
		ends    []time.Time
		unlike  int // the end that does not look like one; 0: none
		refused int // before this end an attempt failed; 0: before none
		want    bool
	}{
		"three":                       {ends: at(0, 1, 2), want: true},
		"two":                         {ends: at(0, 1)},
		"three in just the time":      {ends: at(0, 1, 5), want: true},
		"three in more time":          {ends: at(0, 1, 5.01)},
		"three of four":               {ends: at(0, 4, 6, 8), want: true},
		"another end in between":      {ends: at(0, 1, 2, 3), unlike: 1},
		"another end as the last":     {ends: at(0, 1, 2), unlike: 2},
		"a failed attempt in between": {ends: at(0, 1, 2), refused: 2},
	} {
		var all takeovers
		got := false
		for i, now := range c.ends {
			if c.refused > 0 && c.refused == i {
				all.refused()
			}
			got = all.note(c.unlike == 0 || c.unlike != i, now)
		}
		if got != c.want || all.sure() != c.want {
			t.Errorf("%s: %v, sure %v", name, got, all.sure())
		}
	}
}

// A DISCONNECT speaks against the message before it only if its code may be about a message.
func TestAccusations(t *testing.T) {
	for code, want := range map[packet.Code]bool{
		packet.PacketTooLarge: true, packet.QuotaExceeded: true, packet.NotAuthorized: true, packet.TopicNameInvalid: true, packet.UnspecifiedError: true,
		packet.ServerBusy: false, packet.ServerUnavailable: false, packet.SessionTakenOver: false, packet.BadLogin: false, 0: false,
	} {
		err := fmt.Errorf("read: %w", &goodbye{code: code, reason: "closed"})
		if g := isGoodbye(err); g == nil || g.blamesMessage() != want {
			t.Errorf("code %#x speaks against the message: %v", code, !want)
		}
	}
	if isGoodbye(io.EOF) != nil {
		t.Error("the end of a connection is a DISCONNECT")
	}
}
