package longpoll

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestClose: what the router has said last can still be fetched, one message a request.
func TestClose(t *testing.T) {
	r := serve(t, Options{})
	c, path := r.open(t, "wamp.2.json")
	say(t, c, "[3]", "[6]")
	c.Close()
	ended(t, c, c.cause)
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
	if got := <-answers; got != http.StatusNoContent && got != http.StatusNotFound { // it may come too late
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
	if err != nil || n != 3*(headSize+len(long)) {
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
	if string(got) == "two" { // its sender was not told, but it may have got through
		got, _, err = c.ReadMessage()
	}
	if string(got) != "three" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if status := <-sent; status != http.StatusNoContent {
		t.Errorf("the third is answered with %d", status)
	}
}
