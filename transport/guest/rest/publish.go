package rest

import (
	"context"
	"net/http"
	"time"

	"runnel/edge/client"
	"runnel/edge/wamp"
)

// read authenticates the client of a POST and reads its body. The client is authenticated first, so that a stranger's
// body needs no memory. The body of a signed request is part of its authentication.
func (s *Server) read(w http.ResponseWriter, r *http.Request, uri, key string, known map[string]kind) (j *job, err error) {
	if signed(r) {
		return s.readSigned(w, r, uri, key, known)
	}
	who, err := s.credentials(r)
	if err != nil {
		return nil, err
	}
	j = &job{}
	if j.client, j.release, err = s.session(r.Context(), who); err != nil {
		return nil, err
	}
	body, err := s.body(w, r)
	if err == nil {
		err = j.parse(body, uri, key, r, known)
	}
	if err != nil {
		j.release()
		return nil, err
	}
	return j, nil
}

// job is a request that was read, with the session that performs it.
type job struct {
	*request
	client  *client.Client
	release func()
	set     map[string]any
}

func (j *job) parse(body []byte, uri, key string, r *http.Request, known map[string]kind) (err error) {
	if j.request, err = parse(body, uri, key); err != nil {
		return err
	}
	j.set, err = j.settings(r.URL.Query(), known)
	return err
}

// take removes an option from the set and returns it.
func take[T any](j *job, name string) (v T) {
	v, _ = j.set[name].(T)
	delete(j.set, name)
	return v
}

// publish answers POST /publish: {"id": PUBLICATION}, once the router has accepted the event.
func (s *Server) publish(w http.ResponseWriter, r *http.Request, uri string, _ bool) error {
	j, err := s.read(w, r, uri, "topic", publishOptions)
	if err != nil {
		return err
	}
	defer j.release()
	writeWithin(w, publishTime+s.opts.Time)
	wait := true
	if given, ok := j.set["acknowledge"].(bool); ok {
		wait = given
	}
	delete(j.set, "acknowledge")
	o := client.PublishOptions{TTL: take[time.Duration](j, "ttl"), Extra: j.set}
	if !wait {
		if err := j.client.Publish(r.Context(), j.uri, o, j.raw()); err != nil {
			return err
		}
		s.counts.published.Add(1)
		reply(w, http.StatusAccepted, text(`{"id":null}`))
		return nil
	}
	id, err := publishAcknowledged(r.Context(), j, o)
	if err != nil {
		return err
	}
	s.counts.published.Add(1)
	reply(w, http.StatusOK, text(`{"id":`).add(decimal(uint64(id)), "}"))
	return nil
}

// publishTime is how long the router may take to accept an event. A durable subscription stores it first.
const publishTime = 30 * time.Second

// publishAcknowledged publishes and waits for the router's answer.
func publishAcknowledged(ctx context.Context, j *job, o client.PublishOptions) (id wamp.ID, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	type answer struct {
		id  wamp.ID
		err error
	}
	answered := make(chan answer, 1)
	o.Done = func(id wamp.ID, err error) { answered <- answer{id, err} }
	if err := j.client.Publish(ctx, j.uri, o, j.raw()); err != nil {
		return 0, err
	}
	select {
	case a := <-answered:
		return a.id, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
