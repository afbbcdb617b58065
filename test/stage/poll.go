package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// pollLink is HTTP long-poll (advanced/transport_http_longpoll.md): one request sends, and another waits for messages.
type pollLink struct {
	client  http.Client
	url     string // of the transport
	batched bool
	batches

	sending sync.Mutex // receive closes no connection while send may use it
}

// openPolls opens a transport.
func openPolls(ctx context.Context, url string, dial func(context.Context) (net.Conn, error), w Way) (*pollLink, error) {
	protocol := "wamp.2." + w.Serializer.String()
	if w.Batched {
		protocol += ".batched"
	}
	l := &pollLink{batched: w.Batched}
	l.text = w.Serializer.String() == "json"
	l.client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
	_, answer, err := l.post(ctx, url+"open", []byte(`{"protocols":["`+protocol+`"]}`))
	if err != nil {
		return nil, err
	}
	var made struct{ Protocol, Transport string }
	if err := json.Unmarshal(answer, &made); err != nil || made.Protocol != protocol {
		return nil, fmt.Errorf("asked for %s, the router answers %s", protocol, answer)
	}
	l.url = url + made.Transport + "/"
	return l, nil
}

// post sends a request. The answer must be 2xx.
func (l *pollLink) post(ctx context.Context, url string, body []byte) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s is answered with %s: %s", url, response.Status, answer)
	}
	return response.StatusCode, answer, err
}

func (l *pollLink) send(messages ...[]byte) error {
	l.sending.Lock()
	defer l.sending.Unlock()
	if l.batched {
		messages = [][]byte{l.pack(messages)}
	}
	for _, m := range messages {
		status, _, err := l.post(context.Background(), l.url+"send", m)
		if err != nil && status != http.StatusNotFound { // after the end it is lost, as with other links
			return err
		}
	}
	return nil
}

func (l *pollLink) receive() ([]byte, error) {
	for len(l.rest) == 0 {
		status, m, err := l.post(context.Background(), l.url+"receive", nil)
		switch {
		case err != nil:
			l.sending.Lock()
			l.client.CloseIdleConnections()
			l.sending.Unlock()
			return nil, err
		case status == http.StatusNoContent:
		case !l.batched:
			return m, nil
		default:
			if err := l.unpack(m); err != nil {
				return nil, err
			}
		}
	}
	m := l.rest[0]
	l.rest = l.rest[1:]
	return m, nil
}

func (l *pollLink) close() {
	l.post(context.Background(), l.url+"close", nil)
	l.client.CloseIdleConnections()
}
