package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"strings"
	"sync"

	"runnel/cmd/runnel/internal/config"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// The router's own procedures. Every realm has them; its permissions decide who may call them.
const (
	ProcedureStatus     = "runnel.status"      // -> a Status
	ProcedureReload     = "runnel.reload"      // -> the changes, one argument each
	ProcedureQueueList  = "runnel.queue.ls"    // -> a list of Queue
	ProcedureQueuePeek  = "runnel.queue.peek"  // uplink, count -> a list of QueuedEvent
	ProcedureQueueDrop  = "runnel.queue.drop"  // uplink, count; held=, topic= -> the number of events dropped
	ProcedureQueueRetry = "runnel.queue.retry" // uplink, or nothing for all -> the number of held events that are retried

	// ProcedureRaw starts recording the bytes of a serial line, and returns the bytes since the last call.
	ProcedureRaw = "runnel.serial.raw" // line, next -> a Raw

	// Prefixes of list, which returns the names of the parts of a kind, and get, which takes a name and returns an Uplink,
	// Serial or Listener. A listener's name is its URL.
	uplinkURI   = "runnel.uplink."
	serialURI   = "runnel.serial."
	listenerURI = "runnel.listener."

	// ProcedureProbe is the cheapest of these procedures. The node calls it to check that a realm routes.
	ProcedureProbe = listenerURI + "list" // -> the names of the listeners
)

// The errors of these procedures. The arguments of the first two are lines for people.
const (
	ErrorConfig     = "runnel.error.config" // runnel.reload: the configuration is invalid, and nothing has changed
	errorReload     = "runnel.error.reload" // runnel.reload: the configuration cannot be applied, and nothing has changed
	errorNoSuchName = "runnel.error.no_such_name"
)

// MaxPeeked bounds the events that one call of runnel.queue.peek returns.
const MaxPeeked = 1000

// Serve registers the router's own procedures in a realm and announces changes of state there, until ctx is done. c is a
// client of that realm that does not run yet.
func Serve(ctx context.Context, c *client.Client, realm string, s Source, log *slog.Logger) error {
	for procedure, handler := range procedures(realm, s, log) {
		if _, err := c.Register(ctx, procedure, client.RegisterOptions{Persist: true}, handler); err != nil {
			return fmt.Errorf("register %s: %w", procedure, err)
		}
	}
	var announcing sync.WaitGroup
	announcing.Go(func() { announce(ctx, c, realm, s) })
	defer announcing.Wait()
	return c.Run(ctx)
}

func procedures(realm string, s Source, log *slog.Logger) map[string]client.Handler {
	list := map[string]client.Handler{
		ProcedureStatus: func(context.Context, *client.Invocation) (client.Payload, error) { return client.Args(s.Status()), nil },
		ProcedureReload: func(context.Context, *client.Invocation) (client.Payload, error) { return reload(s) },
		ProcedureRaw:    raw(realm, s),
	}
	maps.Copy(list, queueProcedures(realm, s, log))
	addKind(list, uplinkURI, func() []namedPart { return named(s.Uplinks(), func(u *Uplink) string { return u.Name }) })
	addKind(list, serialURI, func() []namedPart { return named(s.Serial(), func(s *Serial) string { return s.Name }) })
	addKind(list, listenerURI, func() []namedPart { return named(s.Listeners(), func(l *Listener) string { return l.URL }) })
	return list
}

func reload(s Source) (client.Payload, error) {
	changes, err := s.Reload()
	if err != nil {
		uri := errorReload
		if problems := (config.Problems)(nil); errors.As(err, &problems) {
			uri = ErrorConfig
		}
		return client.Payload{}, client.NewError(uri, anyList(strings.Split(err.Error(), "\n"))...)
	}
	return client.Args(anyList(changes)...), nil
}

func anyList(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = text
	}
	return list
}

// namedPart is the status of a part.
type namedPart struct {
	name string
	part any
}

func named[T any](parts []T, name func(*T) string) (list []namedPart) {
	for i := range parts {
		list = append(list, namedPart{name(&parts[i]), &parts[i]})
	}
	return list
}

// addKind adds list and get of the parts of one kind.
func addKind(procedures map[string]client.Handler, uri string, all func() []namedPart) {
	procedures[uri+"list"] = func(context.Context, *client.Invocation) (client.Payload, error) {
		names := []string{}
		for _, p := range all() {
			names = append(names, p.name)
		}
		return client.Args(names), nil
	}
	procedures[uri+"get"] = func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
		wanted := ""
		if args := inv.Args(); len(args) > 0 {
			wanted, _ = args[0].(string)
		}
		for _, p := range all() {
			if p.name == wanted {
				return client.Args(p.part), nil
			}
		}
		return client.Payload{}, client.NewError(errorNoSuchName, fmt.Sprintf("there is no %q here", wanted))
	}
}

// queueProcedures returns the procedures for the spools of a realm's uplinks.
func queueProcedures(realm string, s Source, log *slog.Logger) map[string]client.Handler {
	one := func(do func(q Spool, count int, inv *client.Invocation) any) client.Handler {
		return func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			q, count, err := chosen(realm, s, inv.Args())
			if err != nil {
				return client.Payload{}, err
			}
			return client.Args(do(q, count, inv)), nil
		}
	}
	return map[string]client.Handler{
		ProcedureQueueList: func(context.Context, *client.Invocation) (client.Payload, error) {
			list := []Queue{}
			for _, q := range s.Spools(realm) {
				list = append(list, newQueue(q))
			}
			return client.Args(list), nil
		},
		ProcedureQueueRetry: func(_ context.Context, inv *client.Invocation) (client.Payload, error) {
			return retry(realm, s, inv.Args())
		},
		ProcedureQueuePeek: one(func(q Spool, count int, _ *client.Invocation) any { return queuedEvents(q.Peek(min(count, MaxPeeked))) }),
		ProcedureQueueDrop: one(func(q Spool, count int, inv *client.Invocation) any {
			dropped := drop(q, count, inv.Kwargs())
			log.Warn("events dropped by an operator", "uplink", q.Uplink, "events", dropped)
			return dropped
		}),
	}
}

// chosen reads the arguments: the name of an uplink, and a number of events, by default all.
func chosen(realm string, s Source, args []any) (Spool, int, error) {
	name, count := "", int64(math.MaxInt32)
	if len(args) > 0 {
		name, _ = args[0].(string)
	}
	if len(args) > 1 {
		var ok bool
		if count, ok = args[1].(int64); !ok || count < 1 {
			return Spool{}, 0, client.NewError(wamp.InvalidArgument.Error(), "the number of events must be 1 or more")
		}
	}
	for _, q := range s.Spools(realm) {
		if q.Uplink == name {
			return q, int(min(count, math.MaxInt32)), nil
		}
	}
	return Spool{}, 0, client.NewError(wamp.InvalidArgument.Error(), fmt.Sprintf("realm %s has no uplink %q", realm, name))
}

func retry(realm string, s Source, args []any) (client.Payload, error) {
	queues := s.Spools(realm)
	if len(args) > 0 && args[0] != "" {
		name, ok := args[0].(string)
		if !ok {
			return client.Payload{}, client.NewError(wamp.InvalidArgument.Error(), "the uplink's name must be a string")
		}
		q, _, err := chosen(realm, s, []any{name})
		if err != nil {
			return client.Payload{}, err
		}
		queues = []Spool{q}
	}
	events := 0
	for _, q := range queues {
		events += q.Retry()
	}
	return client.Args(events), nil
}

// drop drops count events, or with held=true all held events, or with topic= the held events of that topic.
func drop(q Spool, count int, kwargs map[string]any) int {
	topic, _ := kwargs["topic"].(string)
	if held, _ := kwargs["held"].(bool); held || topic != "" {
		return q.DiscardHeld(topic)
	}
	return q.Discard(count)
}
