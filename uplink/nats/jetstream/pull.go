package jetstream

import (
	"context"
	"runnel/uplink/nats/conn"
)

type status struct{}

type puller struct {
	consumer *Consumer
	opts     PullOptions
	handler  func(*conn.Msg)
	wake     chan status
}

func (p *puller) run(ctx context.Context) error { return ctx.Err() }
