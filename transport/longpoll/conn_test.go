package longpoll

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/edge/wamp"
	"runnel/transport/subprotocol"
	"runnel/transport/wire"
)

// TestClose: the client can still fetch the router's last messages, one in each request.
func TestClose(t *testing.T) {
	r := serve(t, Options{})
	c, path := r.open(t, "wamp.2.json")
	say(t, c, "[3]", "[6]")
	c.Close()
	expectEnd(t, c, c.cause)
	if n, err := c.Write(batch("[1]"), true); n != 0 || err == nil {
		t.Errorf("wrote %d octets after Close: %v", n, err)
	}
	r.want(t, path+"send", "[1]", http.StatusNotFound, "no such transport")
	r.want(t, path+"receive", "", http.StatusOK, "[3]")
	r.want(t, path+"receive", "", http.StatusOK, "[6]")
	done(t, c)
	r.want(t, path+"receive", "", http.StatusNotFound, "no such transport")

	c, path = r.open(t, "wamp.2.json")
	answers := make(chan int, 1)
	go func() {
		status, _, _ := r.try(context.Background(), "POST", path+"receive", "")
		answers <- status
	}()
	c.Close()
	if got := <-answers; got != http.StatusNoContent && got != http.StatusNotFound { // it may be too late
		t.Errorf("the request that waits is answered with %d", got)
	}
	done(t, c)

	c, _ = r.open(t, "wamp.2.json")
	say(t, c, "[3]")
	c.Close() // the client never fetches the message
	done(t, c)
}

// TestBackPressure: neither side takes more than a bounded amount from the other.
func TestBackPressure(t *testing.T) {
	r := serve(t, Options{})
	c, path := r.open(t, "wamp.2.cbor.batched")
	long := strings.Repeat("x", bufferSize/4)
	b := batch(long, long, long, long, long)
	n, err := c.Write(b, false)
	if err != nil || n != 3*(wire.HeadSize+len(long)) {
		t.Fatalf("wrote %d octets of %d: %v", n, len(b), err)
	}
	wrote := make(chan error, 1)
	go func() {
		_, err := c.Write(b[n:], true)
		wrote <- err
	}()
	r.want(t, path+"receive", "", http.StatusOK, string(b[:n]))
	r.want(t, path+"receive", "", http.StatusOK, string(b[n:]))
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	huge := batch(strings.Repeat("x", 2*bufferSize))
	if n, err := c.Write(huge, false); n != len(huge) || err != nil {
		t.Errorf("wrote %d octets of one long message: %v", n, err)
	}

	// One message is taken in advance; who sends the next waits.
	r.want(t, path+"send", string(batch("one")), http.StatusNoContent, "")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if status, answer, err := r.try(ctx, "POST", path+"send", string(batch("two"))); err == nil {
		t.Errorf("the second is answered with %d %s", status, answer)
	}
	sent := make(chan int, 1)
	go func() {
		status, _, _ := r.try(context.Background(), "POST", path+"send", string(batch("three")))
		sent <- status
	}()
	got, _, err := c.ReadMessage()
	if string(got) != "one" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	got, _, err = c.ReadMessage()
	if string(got) == "two" { // its sender does not know it, but the message may have got through
		got, _, err = c.ReadMessage()
	}
	if string(got) != "three" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if status := <-sent; status != http.StatusNoContent {
		t.Errorf("the third is answered with %d", status)
	}
}

// alone returns a transport that no request uses.
func alone(t *testing.T) *Conn {
	c := newConn(NewServer(Options{}), "id", subprotocol.Protocol{Serializer: wamp.JSON}, wamp.Transport{}, nil)
	t.Cleanup(func() {
		c.disconnect(io.EOF)
		c.Close()
	})
	return c
}

func isDone(c *Conn) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// TestEnds: a transport ends at once when the client has closed it or has nothing left to fetch.
func TestEnds(t *testing.T) {
	for name, f := range map[string]struct {
		ends func(c *Conn)
		want bool
	}{
		"closed by the router, messages are left": {func(c *Conn) { c.Close() }, false},
		"closed by both": {func(c *Conn) { c.Close(); c.disconnect(io.EOF) }, true},
		"closed by the client, then by the router": {func(c *Conn) { c.disconnect(io.EOF); c.Close() }, true},
		"closed by the router, messages are fetched": {func(c *Conn) {
			c.Close()
			c.fetch()
			if _, err := c.startPoll(); err != errGone {
				t.Errorf("a further request: %v", err)
			}
		}, true},
	} {
		c := alone(t)
		say(t, c, "[1]")
		f.ends(c)
		if got := isDone(c); got != f.want {
			t.Errorf("%s: the end is %v", name, got)
		}
		if f.want && c.idle.Stop() {
			t.Errorf("%s: the timer still runs", name)
		}
	}
}

// TestEndWakes: the end of a transport wakes a writer that waits for room, and a request that waits for messages.
func TestEndWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := alone(t)
		p, err := c.startPoll()
		if err != nil {
			t.Fatal(err)
		}
		polled, written := make(chan struct{}), make(chan error, 1)
		go func() {
			defer close(polled)
			c.await(httptest.NewRequest("POST", "/", nil), p)
		}()
		synctest.Wait()
		c.disconnect(io.EOF)
		synctest.Wait()
		select {
		case <-polled:
		default:
			t.Error("the request still waits")
		}
		<-polled
		c.endPoll(p)

		c = alone(t)
		say(t, c, strings.Repeat("x", bufferSize))
		go func() {
			_, err := c.Write(batch("[1]"), true)
			written <- err
		}()
		synctest.Wait()
		c.disconnect(io.EOF)
		synctest.Wait()
		select {
		case err := <-written:
			if err == nil {
				t.Error("written to a closed transport")
			}
		default:
			t.Error("the writer still waits")
			c.room.Broadcast()
		}
	})
}

// TestRoom: messages fit up to the size of the buffer, and a longer one alone.
func TestRoom(t *testing.T) {
	const half = bufferSize/2 - wire.HeadSize
	for _, c := range []struct {
		name  string
		sizes []int
		want  int // messages that fit
	}{
		{"all of the buffer", []int{half, half}, 2},
		{"a byte more", []int{half, half + 1}, 1},
		{"an empty message more", []int{half, half, 0}, 2},
		{"a long one", []int{2 * bufferSize, 1}, 1},
	} {
		var messages []string
		for _, n := range c.sizes {
			messages = append(messages, strings.Repeat("x", n))
		}
		if n, err := alone(t).Write(batch(messages...), false); n != len(batch(messages[:c.want]...)) || err != nil {
			t.Errorf("%s: wrote %d bytes, %v", c.name, n, err)
		}
	}
	for b, want := range map[string]int{"": 0, "\x00\x00\x00": 0, "\x00\x00\x00\x00": 4, "\x00\x00\x00\x02x": 0, "\x00\x00\x00\x02xy": 6, "\x00\x00\x00\x02xyz": 6} {
		if got := wire.MessageSize([]byte(b)); got != want {
			t.Errorf("%q starts with a message of %d bytes, want %d", b, got, want)
		}
	}
	if _, err := alone(t).Write([]byte("\x00\x00\x00\x02x"), false); err == nil {
		t.Error("half a message is written")
	}
}
