package longpoll

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"runnel/test/kit"
)

// TestNothingToReceive: a request is not kept longer than clients wait. The next one gets the messages that arrived
// meanwhile.
func TestNothingToReceive(t *testing.T) {
	r := serve(t, Options{PollTime: time.Millisecond})
	c, path := r.open(t, "wamp.2.json")
	for range 3 {
		r.want(t, path+"receive", "", http.StatusNoContent, "")
	}
	say(t, c, "[1]")
	r.want(t, path+"receive", "", http.StatusOK, "[1]")
}

// TestSilence: a client that stops polling is disconnected. A client that waits for an answer is not, however long it
// waits.
func TestSilence(t *testing.T) {
	r := serve(t, Options{IdleTime: time.Second})
	waits, p := asking(t, r)
	silent, gone := r.open(t, "wamp.2.json")
	if _, _, err := silent.ReadMessage(); err == nil || !strings.Contains(err.Error(), "has not asked for messages for 1s") {
		t.Errorf("the silent client: %v", err)
	}
	if n, err := silent.Write(batch("[2]"), true); n != 0 || err == nil {
		t.Errorf("wrote %d octets to a client that is gone: %v", n, err)
	}
	silent.Close()
	done(t, silent)
	r.want(t, gone+"receive", "", http.StatusNotFound, "no such transport")
	say(t, waits, "[1]")
	if got, _, err := waits.take(p); string(got) != "[1]" || err != nil {
		t.Errorf("the client that waits got %q, %v", got, err)
	}
	waits.endPoll(p)
	if _, _, err := waits.ReadMessage(); err == nil || !strings.Contains(err.Error(), "has not asked") {
		t.Errorf("the client that does not come again: %v", err)
	}
}

// asking returns a transport with a waiting receive request, which has arrived in time.
func asking(t *testing.T, r *router) (*Conn, *poll) {
	t.Helper()
	for {
		c, _ := r.open(t, "wamp.2.json")
		p, err := c.startPoll()
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.ended: // the machine has too much to do
			c.endPoll(p)
			c.Close()
		default:
			return c, p
		}
	}
}

// TestTwoWait: the newest request gets the messages, the other an error.
func TestTwoWait(t *testing.T) {
	r := serve(t, Options{PollTime: kit.Patience})
	c, path := r.open(t, "wamp.2.json")
	answers := make(chan int, 2)
	wait := func() {
		status, _, _ := r.try(context.Background(), "POST", path+"receive", "")
		answers <- status
	}
	go wait()
	go wait()
	if got := <-answers; got != http.StatusConflict {
		t.Errorf("one is answered with %d", got)
	}
	say(t, c, "[1]")
	if got := <-answers; got != http.StatusOK {
		t.Errorf("the other is answered with %d", got)
	}
}

// halfBroken receives an answer over a connection that may be broken.
type halfBroken struct {
	*httptest.ResponseRecorder
	noWrite, noFlush bool
}

func (h *halfBroken) Write(b []byte) (int, error) {
	if h.noWrite {
		return 0, io.ErrClosedPipe
	}
	return h.ResponseRecorder.Write(b)
}

func (h *halfBroken) FlushError() error {
	if h.noFlush {
		return io.ErrClosedPipe
	}
	h.Flush()
	return nil
}

// TestLostAnswer: messages that cannot be delivered end the transport, as the client cannot ask for them again. An empty answer
// is no loss.
func TestLostAnswer(t *testing.T) {
	for _, c := range []struct {
		name             string
		message          string
		noWrite, noFlush bool
		ends             bool
	}{
		{"delivered", "[1]", false, false, false},
		{"not written", "[1]", true, false, true},
		{"not flushed", "[1]", false, true, true},
		{"nothing to deliver", "", false, false, false},
		{"nothing to deliver, not flushed", "", false, true, false},
	} {
		conn := alone(t)
		conn.server.opts.PollTime = 1
		if c.message != "" {
			say(t, conn, c.message)
		}
		noted := httptest.NewRecorder()
		w := &halfBroken{noted, c.noWrite, c.noFlush}
		if err := conn.receive(w, httptest.NewRequest("POST", "/", nil)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if ends := conn.cause != nil; ends != c.ends {
			t.Errorf("%s: the transport's end is %v", c.name, conn.cause)
		}
		if noted.Flushed == (c.noWrite || c.noFlush) {
			t.Errorf("%s: flushed is %v", c.name, noted.Flushed)
		}
	}
}
