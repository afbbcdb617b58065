package rest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// poster is a connection to a webhook's server. net/http's client would add a quarter of a megabyte to the program.
type poster struct {
	conn  net.Conn
	limit *io.LimitedReader // of the bytes of one answer
	in    *bufio.Reader
}

const (
	maxAnswer     = 64 << 10 // bytes of an answer that are read
	maxRetryAfter = time.Hour
)

// httpAnswer is the answer to a post.
type httpAnswer struct {
	status     int
	text       string
	retryAfter time.Duration
}

func (a httpAnswer) Error() string { return "the server answers " + a.text }

// String returns the status and its text.
func (a httpAnswer) String() string { return a.text }

// post sends an event and reads the answer. The connection stays open if the answer allows that. A server may close
// such a connection at any time, so a request that fails on it is sent again on a new one.
func (h *Webhook) post(ctx context.Context, id string, body text) (a httpAnswer, err error) {
	for {
		again := h.conn != nil
		if a, err = h.tryPost(ctx, id, body); err == nil || !again || ctx.Err() != nil {
			return a, err
		}
	}
}

func (h *Webhook) tryPost(ctx context.Context, id string, body text) (a httpAnswer, err error) {
	if h.conn == nil {
		dialling, cancel := context.WithTimeout(ctx, h.opts.Timeout)
		conn, err := h.opts.Dial(dialling)
		cancel()
		if err != nil {
			return a, err
		}
		limit := &io.LimitedReader{R: conn}
		h.conn = &poster{conn: conn, limit: limit, in: bufio.NewReader(limit)}
	}
	p := h.conn
	stop := context.AfterFunc(ctx, func() { p.conn.Close() })
	defer stop()
	p.conn.SetDeadline(time.Now().Add(h.opts.Timeout))
	p.limit.N = maxAnswer
	keep := false
	if _, err = p.conn.Write(h.head(id, body, time.Now()).raw(body)); err == nil {
		a, keep, err = p.answer()
	}
	if !keep {
		h.disconnect()
	}
	return a, err
}

// disconnect closes the connection, if there is one.
func (h *Webhook) disconnect() {
	if h.conn != nil {
		h.conn.conn.Close()
		h.conn = nil
	}
}

var errAnswer = errors.New("the server's answer is not HTTP")

// answer reads an answer. keep reports whether the connection can carry another request.
func (p *poster) answer() (a httpAnswer, keep bool, err error) {
	in := textproto.NewReader(p.in)
	for a.status/100 <= 1 { // 1xx precede the answer
		line, err := in.ReadLine()
		if err != nil {
			return a, false, fmt.Errorf("read answer: %w", err)
		}
		protocol, rest, _ := strings.Cut(line, " ")
		code, _, _ := strings.Cut(rest, " ")
		if a.status, err = strconv.Atoi(code); err != nil || !strings.HasPrefix(protocol, "HTTP/1.") || a.status < 100 || a.status > 999 {
			return httpAnswer{}, false, errAnswer
		}
		a.text = rest[:min(len(rest), 100)]
		header, err := in.ReadMIMEHeader()
		if err != nil {
			return a, false, fmt.Errorf("read answer: %w", err)
		}
		if seconds, err := strconv.Atoi(header.Get("Retry-After")); err == nil && seconds > 0 {
			a.retryAfter = min(time.Duration(min(seconds, 3600))*time.Second, maxRetryAfter)
		}
		length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 32)
		if a.status == 204 {
			length, err = 0, nil
		}
		keep = err == nil && length >= 0 && length <= p.limit.N && protocol == "HTTP/1.1" &&
			header.Get("Transfer-Encoding") == "" && !strings.EqualFold(header.Get("Connection"), "close")
		if keep && a.status/100 > 1 {
			_, err = p.in.Discard(int(length))
			keep = err == nil && p.in.Buffered() == 0 // the rest would be mistaken for the answer to the next event
		}
	}
	return a, keep, nil
}
