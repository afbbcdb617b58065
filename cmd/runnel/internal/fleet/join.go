package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
	"runnel/transport"
)

const enrolRole = config.EnrolRole

// ParseToken splits a token into its id and its secret.
func ParseToken(text string) (id, secret string, err error) {
	parts := strings.Split(strings.TrimSpace(text), "-")
	if len(parts) != 3 || parts[0] != mark || len(parts[1]) != 8 || len(parts[2]) != base.EncodedLen(secretSize) {
		return "", "", errors.New("this is not a token; copy the whole line that runnel token new has printed at the centre")
	}
	return parts[1], parts[2], nil
}

// joinTime bounds one attempt to enrol.
const joinTime = 30 * time.Second

// Join enrols a node at the centre of an uplink. It uses the first URL that it can reach.
func Join(ctx context.Context, token string, q Request, u config.Uplink, agent string) (Node, error) {
	id, secret, err := ParseToken(token)
	if err != nil {
		return Node{}, err
	}
	for _, url := range u.URL {
		n, attempt := joinAt(ctx, url, id, secret, q, u, agent)
		refused := new(client.Error)
		if attempt == nil || client.Refused(attempt) || errors.As(attempt, &refused) && !errors.Is(attempt, wamp.NetworkFailure) {
			return n, explain(url, u, attempt)
		}
		err = errors.Join(err, fmt.Errorf("enrol at %s: %w", transport.RedactURL(url), attempt))
	}
	return Node{}, fmt.Errorf("%w; run \"runnel init\" again to retry: it keeps the key", err)
}

func joinAt(ctx context.Context, url, id, secret string, q Request, u config.Uplink, agent string) (n Node, err error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	how := transport.DialOptions{Serializer: wamp.CBOR, Pin: u.Pin}
	if how.TLS, err = transport.ClientFiles(string(u.CA), "", ""); err != nil {
		return n, err
	}
	c, err := client.Connect(ctx, client.Options{
		Dial:  func(ctx context.Context) (client.Conn, error) { return transport.Dial(ctx, url, how) },
		Realm: u.RemoteRealm, Authid: tokenAuthid(id), Auth: []client.Auth{client.SCRAM(tokenAuthid(id), secret)}, Agent: agent,
		Reconnect: client.Reconnect{Disabled: true}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return n, err
	}
	defer c.Close(ctx)
	result, err := c.Call(ctx, NodeEnrol, client.CallOptions{}, client.Kwargs(map[string]any{"node": q.Node, "key": q.Key, "board": q.Board, "version": q.Version}))
	if err != nil {
		return n, err
	}
	if args := result.Args(); len(args) > 0 {
		text, _ := json.Marshal(args[0]) // never fails: maps and strings only
		err = json.Unmarshal(text, &n)
	}
	return n, err
}

// explain returns an error with the cause and the remedy for a rejected enrolment.
func explain(url string, u config.Uplink, err error) error {
	if err == nil {
		return nil
	}
	var refused *client.Error
	text := err.Error()
	switch {
	case errors.Is(err, wamp.NoSuchRealm):
		text = fmt.Sprintf("the centre has no realm %q; name its realm with --remote-realm", u.RemoteRealm)
	case client.Refused(err):
		text = "the centre does not know the token: it was revoked, or belongs to another centre or realm (" + err.Error() + "); create a new one there: runnel token new"
	case errors.Is(err, wamp.NoSuchProcedure):
		text = "the centre does not support enrolment; upgrade it, or add this node's key to its configuration"
	case errors.As(err, &refused):
		if args := refused.Args(); len(args) > 0 {
			text = fmt.Sprint(args[0])
		}
	}
	return fmt.Errorf("enrol at %s: %s", transport.RedactURL(url), text)
}
