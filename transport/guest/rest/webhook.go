package rest

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport/memory"
)

// WebhookOptions configure a Webhook. All fields but Secret and Authorization are required.
type WebhookOptions struct {
	Name         string
	Realm        string
	Authid, Role string // of its session
	Topic        string
	Match        wamp.Match

	Host, Path    string // of the URL: the header Host, and the path with the query
	Dial          func(context.Context) (net.Conn, error)
	Secret        string        // key of the signature; "": events are not signed
	Authorization string        // the header of this name; "": there is none
	Timeout       time.Duration // for connecting and for each answer

	Serve func(*memory.Conn) // serves the router's end of its connection
	Agent string
	Log   *slog.Logger
}

// WebhookSubscription returns the name of the durable subscription of a webhook.
func WebhookSubscription(name string) string { return "webhook." + name }

// Webhook posts the events of a durable subscription to an HTTP server, one at a time and in order. Run runs it; State may be
// called from any goroutine.
//
// An event is done once the server has answered with 2xx. If the server will never accept it (see refused), the
// webhook counts and logs the event, and it is also done. After any other answer the webhook retries the event with
// growing pauses, and the later events wait in the durable subscription.
type Webhook struct {
	// Static after construction.
	opts   WebhookOptions
	log    *slog.Logger
	client *client.Client
	key    string // begins the header Idempotency-Key

	// Owned by the client's dialling, and by Run once the client has ended.
	served chan struct{} // closed once the router has ended the previous session

	// Owned by the handler of events.
	conn    *poster // kept from one event to the next; nil if there is none
	backoff client.Backoff
	last    string // id of the last event that is finished

	mu sync.Mutex
	// Guarded by mu.
	state WebhookState
}

// WebhookState is a snapshot of a webhook.
type WebhookState struct {
	Name      string    `json:"name"`
	Realm     string    `json:"realm"`
	Delivered uint64    `json:"delivered"` // events, total
	Refused   uint64    `json:"refused"`   // events that the server will never accept, total
	Retries   uint64    `json:"retries"`   // attempts that failed, total
	Problem   string    `json:"problem"`   // why the current event is not delivered, or why there is no subscription; "": no problem
	Since     time.Time `json:"since"`     // of Problem
	Refusal   string    `json:"refusal"`   // the last one; "": none
}

// Bounds of the pause between two attempts.
const (
	minPause = time.Second
	maxPause = 5 * time.Minute
)

// NewWebhook returns a webhook that does not run.
func NewWebhook(o WebhookOptions) *Webhook {
	h := &Webhook{
		opts: o, log: o.Log.With("webhook", o.Name), key: o.Name, state: WebhookState{Name: o.Name, Realm: o.Realm},
		backoff: client.Reconnect{Min: minPause, Max: maxPause}.Backoff(),
	}
	h.client = client.New(client.Options{Dial: h.dial, Realm: o.Realm, Agent: o.Agent, Log: h.log, Reconnect: client.Reconnect{Max: 5 * time.Second}})
	return h
}

// dial connects to the router. It first waits for the end of the previous session: until then, the router would
// deliver later events before the event that this session has not finished.
func (h *Webhook) dial(ctx context.Context) (client.Conn, error) {
	if h.served != nil {
		select {
		case <-h.served:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	near, far := memory.Pipe(memory.Options{
		Serializer: wamp.JSON, Name: "webhook " + h.opts.Name, Authid: h.opts.Authid, Role: h.opts.Role, Realm: h.opts.Realm,
	})
	served := make(chan struct{})
	h.served = served
	go func() {
		defer close(served)
		h.opts.Serve(far)
	}()
	return near, nil
}

// State returns a snapshot.
func (h *Webhook) State() WebhookState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}

// webhookWait is how long an event may take before the router delivers it again: the maximum. The webhook keeps it that long.
const webhookWait = 24 * time.Hour

// Run posts events until ctx is done. It returns once the router has ended its session, so that the next Run of this
// subscription begins with the event whose post was interrupted.
func (h *Webhook) Run(ctx context.Context) error {
	how := client.SubscribeOptions{Match: h.opts.Match, Persist: true, Refused: h.subscribed}
	durable := client.Durable{Name: WebhookSubscription(h.opts.Name), Window: 1, AckWait: webhookWait, Renew: true}
	if _, err := h.client.SubscribeConfirming(ctx, h.opts.Topic, how, durable, func(e *client.Event) { h.handle(ctx, e) }); err != nil {
		return err
	}
	err := h.client.Run(ctx)
	h.disconnect()
	if h.served != nil {
		<-h.served
	}
	return err
}

// subscribed records the router's answer to SUBSCRIBE.
func (h *Webhook) subscribed(err error) {
	if err != nil {
		h.report("the router refuses the subscription: " + err.Error())
		return
	}
	h.report("")
}

// report records a problem, or its end. It logs both.
func (h *Webhook) report(problem string) {
	h.mu.Lock()
	before := h.state.Problem
	h.state.Problem = problem
	if before == "" {
		h.state.Since = time.Now()
	}
	h.mu.Unlock()
	switch {
	case problem != "" && before == "":
		h.log.Warn("webhook cannot deliver; retrying", "uri", h.opts.Topic, "err", problem)
	case problem == "" && before != "":
		h.log.Info("webhook delivers again", "uri", h.opts.Topic)
	}
}

// handle posts an event until the server accepts or refuses it.
func (h *Webhook) handle(ctx context.Context, e *client.Event) {
	body, err := h.body(e)
	if err != nil {
		e.Confirm(nil) // JSON cannot express it; the router never transcodes to such a payload
		return
	}
	position, _ := fieldOf(e.Details, wamp.KeyPosition).Uint()
	id := h.key + "-" + decimal(position) + "-" + decimal(uint64(e.Publication))
	if _, _, gap := e.Gap(); id == h.last && !gap { // finished after the session had ended, so the router does not know
		e.Confirm(nil)
		return
	}
	for ctx.Err() == nil {
		answer, err := h.post(ctx, id, body)
		switch {
		case err == nil && answer.status/100 == 2:
			h.done(e, id, func(s *WebhookState) { s.Delivered++ })
			return
		case err == nil && refused(answer.status):
			text := e.Topic() + ": " + answer.String()
			h.log.Warn("webhook's server refuses an event", "uri", e.Topic(), "err", answer.String())
			h.done(e, id, func(s *WebhookState) { s.Refused, s.Refusal = s.Refused+1, text })
			return
		case err == nil:
			err = answer
		}
		if ctx.Err() != nil {
			return
		}
		h.mu.Lock()
		h.state.Retries++
		h.mu.Unlock()
		h.report(err.Error())
		client.Sleep(ctx, max(h.backoff.Next(), answer.retryAfter))
	}
}

// done confirms and records that an event is finished.
func (h *Webhook) done(e *client.Event, id string, count func(*WebhookState)) {
	e.Confirm(nil)
	h.backoff.Reset()
	h.last = id
	h.mu.Lock()
	count(&h.state)
	h.mu.Unlock()
	h.report("")
}

// refused reports whether a status means that the server will never accept this event. Other client errors, such as
// 401 and 404, concern the webhook and not the event.
func refused(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// body returns an event as JSON.
func (h *Webhook) body(e *client.Event) (text, error) {
	if events, reason, ok := e.Gap(); ok {
		return text(`{"gap":{"events":`).add(decimal(events), `,"reason":`, quoted(reason), "}}"), nil
	}
	return text(nil).event(e)
}

// head returns the head of the request.
func (h *Webhook) head(id string, body text, now time.Time) text {
	stamp := strconv.FormatInt(now.Unix(), 10)
	t := text("POST ").add(h.opts.Path, " HTTP/1.1\r\nHost: ", h.opts.Host, "\r\nUser-Agent: ", h.opts.Agent,
		"\r\nContent-Type: application/json\r\nContent-Length: ", strconv.Itoa(len(body)),
		"\r\nIdempotency-Key: ", id, "\r\nX-Runnel-Webhook: ", h.opts.Name, "\r\nX-Runnel-Timestamp: ", stamp)
	if h.opts.Secret != "" {
		mac := hmac.New(sha256.New, []byte(h.opts.Secret))
		mac.Write(text(stamp).add(".").raw(body))
		t = t.add("\r\nX-Runnel-Signature: sha256=", hex.EncodeToString(mac.Sum(nil)))
	}
	if h.opts.Authorization != "" {
		t = t.add("\r\nAuthorization: ", h.opts.Authorization)
	}
	return t.add("\r\n\r\n")
}
