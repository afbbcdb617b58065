package jetstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
	"runnel/uplink/nats/conn"
)

// These tests run the client against a server whose answers the test chooses, in a bubble of synctest.

// server is the server's side of a connection.
type server struct {
	net.Conn
	in *bufio.Reader

	subjects map[string]string // of subscriptions, by sid
}

// request is a PUB of the client.
type request struct{ subject, reply, data string }

// start opens a connection, and the JetStream behind it.
func start(t *testing.T) (*JetStream, *server) {
	a, b := net.Pipe()
	s := &server{b, bufio.NewReader(b), map[string]string{}}
	go func() {
		io.WriteString(s, `INFO {"headers":true,"max_payload":100000}`+"\r\n")
		for range 3 { // CONNECT, PING, PING
			s.line()
		}
		io.WriteString(s, "PONG\r\nPONG\r\n")
	}()
	c, err := conn.Open(context.Background(), a, conn.Options{Ping: 24 * time.Hour})
	kit.Must(t, err)
	go c.Run(context.Background())
	return New(c, Options{}), s
}

func (s *server) line() []string {
	line, _ := s.in.ReadString('\n')
	return strings.Fields(line)
}

// next returns the next publication of the client; at the end, the zero value.
func (s *server) next() (r request) {
	for {
		words := s.line()
		if len(words) == 0 {
			return r
		}
		switch words[0] {
		case "SUB":
			s.subjects[words[1]] = words[2]
		case "UNSUB":
		case "PUB", "HPUB":
			n, _ := strconv.Atoi(words[len(words)-1])
			data := make([]byte, n+2)
			io.ReadFull(s.in, data)
			r.subject, r.data = words[1], string(data[:n])
			if len(words) > 3 {
				r.reply = words[2]
			}
			return r
		}
	}
}

// send sends a message to an inbox, or to the subscription of a batch.
func (s *server) send(to, subject, reply, header, data string) {
	sid := s.subjects[to]
	if sid == "" {
		sid = "1"
	}
	block := "NATS/1.0" + header + "\r\n\r\n"
	fmt.Fprintf(s, "HMSG %s %s %s %d %d\r\n%s%s\r\n", subject, sid, reply, len(block), len(block)+len(data), block, data)
}

// answer answers a request.
func (s *server) answer(r request, data string) { s.send(r.reply, r.reply, "", "", data) }

// status ends a batch.
func (s *server) status(r request, text string) { s.send(r.reply, r.reply, "", " "+text, "") }

func (s *server) shutDown(j *JetStream) {
	s.Close()
	<-j.conn.Done()
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		data      string
		want      string
		temporary bool
	}{
		{`{"config":{"name":"A"},"state":{"messages":3}}`, "", false},
		{`{"error":{"code":404,"err_code":10059,"description":"stream not found"}}`, "jetstream STREAM.INFO.A: jetstream: stream not found (10059)", false},
		{`{"error":{"code":503,"err_code":10008,"description":"unavailable"}}`, "unavailable (10008)", true},
		{`{"error":{"code":500}}`, " (0)", true},
		{`{"error":{"code":500,"err_code":10065}}`, "(10065)", false},
		{`{"error":{"code":400,"err_code":10005}}`, "(10005)", true},
		{`{"error":{"code":500,"err_code":10009}}`, "(10009)", true},
		{`{"error":{"code":409,"err_code":10158}}`, "(10158)", true},
		{`{"error":{"code":503,"err_code":10076}}`, "(10076)", false},
		{`{"error":{"code":503,"err_code":10039}}`, "(10039)", false},
		{`{"config":7}`, "jetstream STREAM.INFO.A: json", false},
		{`[]`, "jetstream STREAM.INFO.A: invalid answer", false},
		{``, "invalid answer", false},
		{`{`, "invalid answer", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			j, s := start(t)
			go func() {
				r := s.next()
				if r.subject != "$JS.API.STREAM.INFO.A" || r.data != "" {
					t.Errorf("%+v", r)
				}
				s.answer(r, c.data)
			}()
			info, err := j.Stream(context.Background(), "A")
			if c.want == "" && (err != nil || info.Config.Name != "A" || info.State.Messages != 3) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: %v", c.data, err)
			}
			if Temporary(err) != c.temporary {
				t.Errorf("%s: temporary %v", c.data, !c.temporary)
			}
			s.shutDown(j)
		})
	}
}

// A request ends after its time, with its context, and with the connection.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := start(t)
		go func() {
			for s.next().subject != "" {
			}
		}()
		began := time.Now()
		_, err := j.Stream(context.Background(), "A")
		if took := time.Since(began); !errors.Is(err, conn.ErrTimeout) || !Temporary(err) || took != 5*time.Second {
			t.Error(took, err)
		}
		if _, err := j.Publish(context.Background(), conn.Out{Subject: "a"}); err != conn.ErrTimeout || time.Since(began) != 10*time.Second {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		time.AfterFunc(time.Second, cancel)
		if _, err := j.Stream(ctx, "A"); !errors.Is(err, context.Canceled) || Temporary(err) {
			t.Error(err)
		}
		if _, err := j.Publish(ctx, conn.Out{Subject: "a"}); err != context.Canceled {
			t.Error(err)
		}
		if _, err := j.Publish(context.Background(), conn.Out{Subject: "a b"}); err != conn.ErrSubject {
			t.Error(err)
		}
		time.AfterFunc(time.Second, func() { s.Close() })
		if _, err := j.Stream(context.Background(), "A"); !errors.Is(err, conn.ErrClosed) || Temporary(err) {
			t.Error(err)
		}
		s.shutDown(j)
	})
}

func TestPubAck(t *testing.T) {
	for data, want := range map[string]string{
		`{"stream":"A","seq":7,"duplicate":true,"domain":"d"}`: "{A 7 true d} <nil>",
		`{"stream":"A"}`: "not a PubAck",
		`{"seq":7}`:      "not a PubAck",
		`{}`:             "not a PubAck",
		`[]`:             "not a PubAck",
		``:               "not a PubAck",
		`21.5`:           "not a PubAck",
		`{"error":{"code":400,"err_code":10077,"description":"maximum bytes exceeded"}}`: "maximum bytes exceeded (10077)",
	} {
		ack, err := parsePubAck([]byte(data))
		if got := fmt.Sprint(ack, err); !strings.Contains(got, want) {
			t.Errorf("%s: %s instead of %s", data, got, want)
		}
	}
}

func TestParseMeta(t *testing.T) {
	at := time.Unix(0, 1700000000000000000)
	want := Meta{"S", "C", 2, 30, 4, at, 5}
	for reply, ok := range map[string]bool{
		"$JS.ACK.S.C.2.30.4.1700000000000000000.5":           true,
		"$JS.ACK.dom.HASH.S.C.2.30.4.1700000000000000000.5":  true,
		"$JS.ACK._.HASH.S.C.2.30.4.1700000000000000000.5.XX": true,
		"$JS.ACK.S.C.2.30.4.1700000000000000000":             false,
		"$JS.ACK.S.C.2.30.4.1700000000000000000.-5":          false,
		"$JS.ACK.S.C.2.30.x.1700000000000000000.5":           false,
		"$JS.ACK.S.C.2.30.4.99999999999999999999.5":          false,
		"$JS.NAK.S.C.2.30.4.1700000000000000000.5":           false,
		"$KV.ACK.S.C.2.30.4.1700000000000000000.5":           false,
		"$JS.ACK": false,
		"":        false,
		"$JS.ACK.S.C.2.30.4.1700000000000000000.5" + strings.Repeat(".x", 20): false,
	} {
		if m, got := ParseMeta([]byte(reply)); got != ok || ok && m != want {
			t.Errorf("%s: %+v %v", reply, m, got)
		}
	}
}

// FuzzMeta: both forms of a reply give the same result.
func FuzzMeta(f *testing.F) {
	f.Add("S.C.2.30.4.1700000000000000000.5")
	f.Fuzz(func(t *testing.T, rest string) {
		m, ok := ParseMeta([]byte("$JS.ACK." + rest))
		if long, too := ParseMeta([]byte("$JS.ACK.d.h." + rest)); ok && strings.Count(rest, ".") == 6 && (!too || m != long) {
			t.Errorf("%q: %+v, %+v", rest, m, long)
		}
	})
}

// pulling starts a Pull of a consumer. The channel gets its messages as texts.
func pulling(j *JetStream, opts PullOptions) (texts chan string, end chan error, stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	texts, end = make(chan string, 1000), make(chan error, 1)
	c := &Consumer{Stream: "S", Name: "C", js: j}
	go func() {
		end <- c.Pull(ctx, opts, func(m *conn.Msg) { texts <- string(m.Subject) + "=" + string(m.Data) })
	}()
	return texts, end, cancel
}

const nextSubject = "$JS.API.CONSUMER.MSG.NEXT.S.C"

// Pull requests the next batch before one is used up, and after the end of one.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := start(t)
		texts, end, stop := pulling(j, PullOptions{Batch: 4, Expires: 8 * time.Second})
		first := s.next()
		if first.subject != nextSubject || first.data != `{"batch":4,"expires":8000000000,"idle_heartbeat":4000000000}` {
			t.Errorf("%+v", first)
		}
		s.send(first.reply, "a.1", "x", "", "one")
		synctest.Wait()
		s.send(first.reply, "a.1", "x", "", "") // an empty message is a message, too
		second := s.next()
		if second.subject != nextSubject || second.reply == first.reply {
			t.Errorf("%+v", second)
		}
		s.send(second.reply, "a.2", "x", " 503", "with a status and data")
		s.send(first.reply, "a.1", "x", "", "three")
		s.send(first.reply, "a.1", "x", "", "four")
		s.send(second.reply, "a.1", "x", "", "five")
		third := s.next()
		s.status(third, "404 No Messages")
		fourth := s.next()
		s.status(fourth, "408 Request Timeout")
		if fifth := s.next(); fifth.subject != nextSubject {
			t.Errorf("%+v", fifth)
		}
		for _, want := range []string{"a.1=one", "a.1=", "a.2=with a status and data", "a.1=three", "a.1=four", "a.1=five"} {
			if got := <-texts; got != want {
				t.Errorf("%s instead of %s", got, want)
			}
		}
		go io.Copy(io.Discard, s.in)
		stop()
		if err := <-end; err != context.Canceled {
			t.Error(err)
		}
		s.send(second.reply, "a.2", "x", "", "late")
		synctest.Wait()
		if len(texts) > 0 {
			t.Error(<-texts)
		}
		s.shutDown(j)
	})
}

// After a failure, Pull asks for the consumer, and continues if it exists.
func TestPullTrouble(t *testing.T) {
	const there = `{"name":"C"}`
	for _, c := range []struct {
		status, info string
		want         int // ErrCode; 0: Pull continues
	}{
		{"409 Leadership Change", there, 0},
		{"409 Server Shutdown", `{"error":{"code":503,"err_code":10008}}`, 0},
		{"503", there, 0},
		{"409 Exceeded MaxWaiting", there, 0},
		{"", there, 0}, // silence
		{"409 Consumer Deleted", "", CodeConsumerNotFound},
		{"404 Consumer Not Found", "", 0}, // as "no messages": Pull notices after the next silence
		{"409 Consumer not found", "", CodeConsumerNotFound},
		{"503", `{"error":{"code":404,"err_code":10014}}`, CodeConsumerNotFound},
		{"503", `{"error":{"code":404,"err_code":10059}}`, CodeConsumerNotFound},
		{"", `{"error":{"code":404,"err_code":10014}}`, CodeConsumerNotFound},
		{"503", `{"error":{"code":400,"err_code":10076}}`, CodeNotEnabled},
	} {
		synctest.Test(t, func(t *testing.T) {
			j, s := start(t)
			texts, end, stop := pulling(j, PullOptions{})
			began := time.Now()
			r := s.next()
			if c.status != "" {
				s.status(r, c.status)
			}
			if c.info != "" {
				q := s.next()
				if q.subject != "$JS.API.CONSUMER.INFO.S.C" {
					t.Errorf("%+v", q)
				}
				if took := time.Since(began); c.status == "" && took != 15*time.Second || c.status != "" && took != 0 {
					t.Errorf("%s: asked after %v", c.status, took)
				}
				s.answer(q, c.info)
			}
			if c.want != 0 {
				go io.Copy(io.Discard, s.in)
				if err := <-end; !IsCode(err, c.want) {
					t.Errorf("%s, %s: %v", c.status, c.info, err)
				}
			} else {
				again := s.next()
				if again.subject != nextSubject || again.reply == r.reply {
					t.Errorf("%+v", again)
				}
				s.send(again.reply, "a", "x", "", "1")
				if text := <-texts; text != "a=1" {
					t.Error(text)
				}
				go io.Copy(io.Discard, s.in)
				stop()
				<-end
			}
			s.shutDown(j)
		})
	}
}

// Heartbeats keep a batch open. A Pull ends with its connection.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := start(t)
		_, end, _ := pulling(j, PullOptions{Expires: 100 * time.Second})
		r := s.next()
		if !strings.Contains(r.data, `"idle_heartbeat":5000000000`) {
			t.Error(r.data)
		}
		for range 10 {
			time.Sleep(14 * time.Second)
			s.status(r, "100 Idle Heartbeat")
		}
		synctest.Wait()
		s.Close()
		if err := <-end; err != conn.ErrClosed {
			t.Error(err)
		}
		s.shutDown(j)
	})
}

// Pauses grow and vary. They end at once when there is nothing to wait for.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPause()
		for _, most := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond, 3200 * time.Millisecond, lastPause, lastPause} {
			began := time.Now()
			kit.Must(t, p.wait(context.Background(), nil))
			if took := time.Since(began); took < most/2 || took > most {
				t.Errorf("%v, at most %v", took, most)
			}
		}
		done := make(chan struct{})
		close(done)
		if err := p.wait(context.Background(), done); err != conn.ErrClosed {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := p.wait(ctx, nil); err != context.Canceled {
			t.Error(err)
		}
	})
}

// A watch with a gap begins again with another consumer. It does not deliver values after the gap.
func TestWatchGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := start(t)
		b := &Bucket{"B", j}
		ctx, cancel := context.WithCancel(context.Background())
		end := make(chan error, 1)
		var seen []string
		go func() {
			end <- b.Watch(ctx, "k.>", func(e *Entry) { seen = append(seen, e.Key+"="+string(e.Value)) }, func() { seen = append(seen, "ready") })
		}()
		create := func() {
			r := s.next()
			if r.subject != "$JS.API.CONSUMER.CREATE.KV_B" || !strings.Contains(r.data, `"filter_subject":"$KV.B.k.\u003e","deliver_policy":"last_per_subject"`) {
				t.Errorf("%+v", r)
			}
			s.answer(r, `{"name":"C","num_pending":2}`)
			s.answer(s.next(), `{"created":"2026-01-01T00:00:00Z"}`)
		}
		entry := func(r request, key string, sequence, pending int) {
			s.send(r.reply, "$KV.B."+key, fmt.Sprintf("$JS.ACK.KV_B.C.1.%d.%d.1.%d", 10*sequence, sequence, pending), "", fmt.Sprint(sequence))
		}
		create()
		r := s.next()
		entry(r, "k.a", 1, 1)
		s.send(r.reply, "$KV.B.k.x", "no.meta", "", "forged")
		entry(r, "k.c", 3, 0)
		if d := s.next(); d.subject != "$JS.API.CONSUMER.DELETE.KV_B.C" {
			t.Errorf("%+v", d)
		}
		create()
		r = s.next()
		entry(r, "k.a", 1, 1)
		entry(r, "k.b", 2, 0)
		entry(r, "k.c", 3, 0)
		synctest.Wait()
		if got := strings.Join(seen, " "); got != "k.a=1 k.a=1 k.b=2 ready k.c=3" {
			t.Error(got)
		}
		go io.Copy(io.Discard, s.in)
		cancel()
		if err := <-end; err != context.Canceled {
			t.Error(err)
		}
		s.shutDown(j)
	})
}

// A watch ends with an error that another consumer would also get. It retries after other errors.
func TestWatchErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, s := start(t)
		end := make(chan error, 1)
		go func() { end <- (&Bucket{"B", j}).Watch(context.Background(), ">", func(*Entry) {}, nil) }()
		for _, text := range []string{`{"error":{"code":503,"err_code":10008}}`, `{"name":"C"}`, `{"error":{"code":404,"err_code":10059}}`} {
			r := s.next()
			if r.subject != "$JS.API.CONSUMER.CREATE.KV_B" {
				t.Errorf("%+v", r)
			}
			s.answer(r, text)
			if strings.Contains(text, "name") {
				s.answer(s.next(), `{"created":"2026-01-01T00:00:00Z"}`)
				s.status(s.next(), "409 Server Shutdown")
				if d := s.next(); d.subject != "$JS.API.CONSUMER.DELETE.KV_B.C" {
					t.Errorf("%+v", d)
				}
			}
		}
		if err := <-end; !IsCode(err, CodeStreamNotFound) {
			t.Error(err)
		}
		s.shutDown(j)
	})
}
