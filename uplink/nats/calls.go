package nats

import "context"

type calls struct{}

func (l *Link) newCalls() error                    { return nil }
func (l *Link) declareCalls(context.Context) error { return nil }
func (l *Link) runCalls(context.Context)           {}
func (l *Link) finishCalls()                       {}
func (s *session) beginCalls()                     {}
func (s *session) endCalls()                       {}
