package conn

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
	"runnel/transport/batch"
)

// Skipped messages cost no memory, whatever length the server announces.
func TestHugeMessages(t *testing.T) {
	a, p := dial()
	defer p.Close()
	go p.greet()
	c, err := Open(context.Background(), a, Options{})
	kit.Must(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(context.Background()) }()
	go io.Copy(io.Discard, p)
	zeros := make([]byte, 1<<20)
	for _, sid := range []int{1, 2} {
		fmt.Fprintf(p, "MSG a %d %d\r\n", sid, maxPayload)
		for range maxPayload / len(zeros) {
			p.Write(zeros)
		}
		io.WriteString(p, "\r\n")
	}
	fmt.Fprintf(p, "-ERR 'end'\r\n")
	if err := kit.Receive(t, "end", ended); err == nil || !strings.Contains(err.Error(), "says: end") {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes for 128 MiB", used)
	}
}

// The client disconnects from a server that does not answer PING.
func TestSilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, Options{Ping: 7 * time.Second, Answer: 3 * time.Second})
		began := time.Now()
		l.peer.expect("PING")
		if took := time.Since(began); took != 7*time.Second {
			t.Errorf("the first PING after %v", took)
		}
		time.Sleep(time.Second)
		io.WriteString(l.peer, "PONG\r\n")
		synctest.Wait()
		if r := l.RoundTrip(); r != time.Second {
			t.Errorf("round trip %v", r)
		}
		l.peer.expect("PING")
		err := <-l.ended
		if took := time.Since(began); took != 18*time.Second || !strings.Contains(err.Error(), "no PONG in 3s") {
			t.Errorf("after %v: %v", took, err)
		}
		l.peer.Close()
	})
}

// The client waits for a PONG that much data on a slow line delays, but not forever.
func TestSlowLine(t *testing.T) {
	for _, c := range []struct {
		rate int // bytes a second
		wait time.Duration
	}{{2 * slowest, 3*time.Second + mostSlack + time.Second}, {slowest / 2, 3 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			l := start(t, Options{Ping: time.Second, Answer: 3 * time.Second})
			l.peer.expect("PING")
			began := time.Now()
			dripped := make(chan struct{})
			go func() {
				defer close(dripped)
				for err := error(nil); err == nil; time.Sleep(100 * time.Millisecond) {
					_, err = io.WriteString(l.peer, "MSG a 9 "+fmt.Sprintf("%d\r\n%*d\r\n", c.rate/10, c.rate/10, 0))
				}
			}()
			<-l.ended
			took := time.Since(began)
			<-dripped
			if took != c.wait {
				t.Errorf("%d bytes a second: after %v", c.rate, took)
			}
			l.peer.Close()
		})
	}
}

// A server that does not read costs bounded memory. The client disconnects from it after batch.WriteTime.
func TestServerReadsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, Options{MaxBuffered: 200_000, Ping: time.Hour})
		began := time.Now()
		m := Out{Subject: "a", Data: make([]byte, 500)}
		n := 0
		var err error
		for ; err == nil; n++ {
			err = l.Publish(m)
		}
		if err != ErrFull || n < 350 || n > 400 {
			t.Error(n, err)
		}
		full := l.Room(timeout(t, time.Second))
		if full != context.DeadlineExceeded {
			t.Error(full)
		}
		for range maxPings - 1 {
			_, err = l.sendPing()
			kit.Must(t, err)
		}
		if _, err := l.sendPing(); err != nil {
			t.Error(err)
		}
		if _, err := l.sendPing(); err != ErrFull {
			t.Error(err)
		}
		err = <-l.ended
		if took := time.Since(began); took != batch.WriteTime+explainTime || err == nil {
			t.Errorf("after %v: %v", took, err)
		}
		if err := l.Room(context.Background()); err == nil {
			t.Error("there is room in a connection that has ended")
		}
		l.peer.Close()
	})
}

// The answers to the PINGs of a server that does not read take bounded memory.
func TestEndlessPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, Options{Ping: time.Hour})
		go func() {
			for err := error(nil); err == nil; {
				_, err = io.WriteString(l.peer, strings.Repeat("PING\r\n", 1000))
			}
		}()
		<-l.ended
		if waiting := l.out.Queued() - l.out.Written(); waiting > 2*batch.FullMark {
			t.Errorf("%d bytes waited", waiting)
		}
		l.peer.Close()
	})
}

// A server may say why it closes the connection while the client writes.
func TestExplanation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, Options{Ping: time.Hour})
		kit.Must(t, l.Publish(Out{Subject: "a", Data: make([]byte, 900)}))
		l.out.Close(io.ErrClosedPipe)
		io.WriteString(l.peer, "-ERR 'Maximum Payload Violation'\r\n")
		if err := <-l.ended; err == nil || !strings.Contains(err.Error(), "Maximum Payload Violation; raise max_payload") {
			t.Error(err)
		}
		l.peer.Close()
	})
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// All waits end with the connection.
func TestEndOfWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, Options{MaxRequests: 3, Ping: time.Hour})
		go io.Copy(io.Discard, l.peer)
		ends := make(chan error, 10)
		done := func(m *Msg, err error) { ends <- err }
		kit.Must(t, l.Send(Out{Subject: "a"}, time.Hour, done))
		_, err := l.Inbox(done)
		kit.Must(t, err)
		go func() {
			_, err := l.Request(context.Background(), Out{Subject: "a"})
			ends <- err
		}()
		go func() { ends <- l.Flush(context.Background()) }()
		synctest.Wait()
		if err := l.Send(Out{Subject: "a"}, time.Hour, done); err != ErrFull {
			t.Error(err)
		}
		if _, err := l.Request(context.Background(), Out{Subject: "a"}); err != ErrFull {
			t.Error(err)
		}
		s, err := l.Subscribe("a", "", func(*Msg) {})
		kit.Must(t, err)
		l.peer.Close()
		if err := <-l.ended; err != io.EOF {
			t.Error(err)
		}
		for range 4 {
			if err := <-ends; err != ErrClosed {
				t.Error(err)
			}
		}
		if len(ends) > 0 {
			t.Error("something ended twice")
		}
		s.Unsubscribe()
		_, inboxErr := l.Inbox(done)
		_, subErr := l.Subscribe("a", "", func(*Msg) {})
		_, pingErr := l.Ping(context.Background())
		for _, err := range []error{inboxErr, subErr, pingErr, l.Send(Out{Subject: "a"}, time.Hour, done)} {
			if err != io.EOF {
				t.Error(err)
			}
		}
	})
}

// A canceled context ends Run and all other waits.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, p := dial()
		go p.greet()
		c, err := Open(context.Background(), a, Options{})
		kit.Must(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		go io.Copy(io.Discard, p)
		if _, err := c.Ping(timeout(t, time.Second)); err != context.DeadlineExceeded {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Error(err)
		}
		<-c.Done()
		p.Close()
	})
}

// A request ends once: by its answer, its timeout, or the server's rejection.
func TestRequestEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := start(t, Options{Ping: time.Hour})
		go io.Copy(io.Discard, l.peer)
		var ends []string
		done := func(m *Msg, err error) {
			if m != nil {
				ends = append(ends, string(m.Data))
			} else {
				ends = append(ends, err.Error())
			}
		}
		for i := range 4 {
			kit.Must(t, l.Send(Out{Subject: fmt.Sprint("a.", i)}, time.Minute, done))
		}
		for _, bad := range []Out{{}, {Subject: "a b"}, {Subject: "a", Data: make([]byte, 1001)}, {Subject: "a.*"}} {
			if err := l.Send(bad, time.Minute, done); err == nil {
				t.Errorf("%.20v was sent", bad)
			}
			if _, err := l.Request(context.Background(), bad); err == nil {
				t.Errorf("%.20v was sent", bad)
			}
		}
		if err := l.Publish(Out{Subject: "a", Reply: "b\r\nPUB c"}); err != ErrSubject {
			t.Error(err)
		}
		for _, bad := range [][2]string{{"a b", ""}, {"a", "q q"}, {"a.>.b", ""}, {"", ""}, {"a", "*"}} {
			if _, err := l.Subscribe(bad[0], bad[1], nil); err != ErrSubject {
				t.Error(bad, err)
			}
		}
		answer := func(token int, text string) string {
			return fmt.Sprintf("MSG %s%d 1 %d\r\n%s\r\n", l.inbox, token, len(text), text)
		}
		io.WriteString(l.peer, answer(1, "one")+answer(1, "again")+
			"HMSG "+l.inbox+"2 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"+answer(2, "late")+
			"-ERR 'Permissions Violation for Publish to \"a.2\"'\r\n-ERR 'Permissions Violation for Publish to \"a.2\"'\r\n"+answer(3, "late"))
		time.Sleep(2 * time.Minute)
		io.WriteString(l.peer, answer(4, "late"))
		synctest.Wait()
		want := `one,nats: no subscriber answers at this subject,nats: Permissions Violation for Publish to "a.2",nats: no answer in time`
		if got := strings.Join(ends, ","); got != want {
			t.Errorf("%s instead of %s", got, want)
		}
		if len(l.inboxes) > 0 {
			t.Errorf("%d inboxes remain", len(l.inboxes))
		}
		l.peer.Close()
		<-l.ended
	})
}
