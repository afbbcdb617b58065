package report

import (
	"bytes"
	"maps"
	"slices"

	"runnel/edge/budget"
)

// writeMemory writes the figures of the memory that buffers and tables share.
func writeMemory(b *bytes.Buffer, s *budget.Status) {
	const prefix = "runnel_memory_"
	family(b, prefix, "limit_bytes", "Limit of the memory of buffers and tables.", labelled{"", float64(s.Limit)})
	family(b, prefix, "used_bytes", "Memory that buffers and tables use.", byKind(s.Use)...)
	family(b, prefix, "refused_total", "Requests refused because memory was short.", byKind(s.Refused)...)
	family(b, prefix, "reads_delayed_total", "Long messages whose reading paused because memory was short.", labelled{"", float64(s.Waits)})
	family(b, prefix, "peers_cut_total", "Peers disconnected because they used the most memory.", labelled{"", float64(s.Cut)})
}

func byKind[N int64 | uint64](figures map[string]N) (samples []labelled) {
	for _, kind := range slices.Sorted(maps.Keys(figures)) {
		samples = append(samples, labelled{"kind=" + labelText(kind), float64(figures[kind])})
	}
	return samples
}
