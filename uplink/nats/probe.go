package nats

import (
	"context"
	"fmt"

	"runnel/uplink/nats/conn"
	"runnel/uplink/nats/jetstream"
	"runnel/uplink/spool"
)

// Probe connects to the first server like a link with these options, and returns the permissions and features that the
// link would lack. It needs neither Spool nor Local. It publishes and creates nothing. err is the reason of a failed
// connection.
func Probe(ctx context.Context, opts Options) (missing []string, err error) {
	l, err := New(opts)
	if err != nil {
		return nil, err
	}
	s, err := l.join(ctx, &l.opts.Servers[0])
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.conn.Run(ctx)
	}()
	defer func() {
		s.conn.Close()
		<-ended
		s.end(nil)
	}()
	s.subscribeCalls()
	if s.conn.Flush(ctx) == nil {
		missing = l.status.Snapshot().Refused
	}
	for _, w := range l.imports {
		if w.Store != spool.Durable {
			if sub, err := s.conn.Subscribe(w.subject, "", func(*conn.Msg) {}); err == nil {
				if err = s.conn.Flush(ctx); err == nil && sub.Denied() != nil {
					missing = append(missing, w.what+": "+notSubscribed(w.subject, sub.Denied().Text).Error())
				}
			}
		}
	}
	for _, w := range l.kept {
		streams, err := s.js.StreamsOf(ctx, w.subject)
		switch {
		case s.isPlain(err) && w.Store == spool.Durable:
			missing = append(missing, w.what+": "+errNoJetStream.Error())
		case s.isPlain(err):
		case err != nil:
			missing = append(missing, fmt.Sprintf("%s: JetStream does not answer: %v", w.what, err))
		}
		for _, stream := range streams {
			if _, err := s.js.Stream(ctx, stream); jetstream.Temporary(err) {
				missing = append(missing, fmt.Sprintf("%s: the stream %s does not answer: %v", w.what, stream, err))
			}
		}
	}
	return missing, nil
}
