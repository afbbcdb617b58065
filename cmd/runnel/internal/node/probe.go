package node

import (
	"context"
	"fmt"
	"slices"

	"runnel/cmd/runnel/internal/report"
	"runnel/edge/client"
)

// Probe checks that each realm still routes: the router's own session there calls one of its own procedures. Any
// error but that of ctx counts as an answer, because a router that is short of memory is not stuck. Any goroutine may
// call it while the node runs.
func (n *Node) Probe(ctx context.Context) error {
	n.mu.Lock()
	reporters := slices.Clone(n.reporters)
	n.mu.Unlock()
	for _, r := range reporters {
		if _, err := r.Call(ctx, report.ProcedureProbe, client.CallOptions{}, client.Payload{}); ctx.Err() != nil {
			return fmt.Errorf("call %s in realm %s: %w", report.ProcedureProbe, r.realm, err)
		}
	}
	return nil
}
