package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"runtime/debug"
	"slices"

	"runnel/boards"
	"runnel/cmd/runnel/internal/config"
	"runnel/edge/budget"
)

const (
	// programMemory is what the process takes beside buffers and tables, in octets; codeMemory is the part of it that Go's
	// collector does not see: the program's own pages.
	programMemory = 16 << 20
	codeMemory    = 8 << 20

	// longestShare is how many of the longest messages the budget must hold at least.
	longestShare = 6
)

// memoryPlan is how the memory of this machine is shared out, in octets.
type memoryPlan struct {
	process int64 // of the whole process; 0: no limit
	memory  int64 // of buffers and tables, with the garbage they leave: [limits] memory; 0: no bound
	cut     bool  // the configuration asks for more than there is
}

// planMemory shares out the memory that a process of this machine may have, 0 if that is not known. wish is
// [limits] memory, 0 for the default: what the program itself leaves.
func planMemory(process, wish int64) memoryPlan {
	most := max(process-programMemory, process/4)
	switch {
	case wish == 0:
		return memoryPlan{process: process, memory: most}
	case process > 0 && wish > most:
		return memoryPlan{process: process, memory: most, cut: true}
	}
	p := memoryPlan{process: wish + programMemory, memory: wish}
	if process > 0 {
		p.process = min(p.process, process)
	}
	return p
}

// budget is what is shared out to buffers and tables; the rest is for the garbage between two collections.
func (p memoryPlan) budget() int64 { return p.memory / 3 * 2 }

// heap is what Go's collector has to keep to.
func (p memoryPlan) heap() int64 { return max(p.process-codeMemory, p.process/4*3) }

// processMemory is what this process may have: nine tenths of what its control group allows, half of the machine's, or what
// the variable GOMEMLIMIT says; 0 if that is not known.
func processMemory() int64 {
	said := os.Getenv("GOMEMLIMIT")
	if limit := debug.SetMemoryLimit(-1); said != "" && limit < math.MaxInt64 {
		return limit
	}
	return boards.MemoryLimit(os.DirFS("/"), said)
}

// newBudget returns the budget that a configuration asks for; nil if there is nothing to go by. It sets what Go's collector
// has to keep to.
func (n *node) newBudget(c *config.Config) *budget.Budget {
	plan := n.planMemory(c)
	if plan.memory == 0 {
		return nil
	}
	return budget.New(plan.budget(), n.log)
}

// planMemory makes the plan for a configuration, and has the collector keep to it.
func (n *node) planMemory(c *config.Config) memoryPlan {
	plan := planMemory(n.process, int64(c.Limits.Memory))
	if plan.cut {
		n.log.Warn("limits.memory is more than this machine can give; using less", "asked", int64(c.Limits.Memory), "used", plan.memory)
	}
	if os.Getenv("GOMEMLIMIT") == "" && plan.process > 0 {
		debug.SetMemoryLimit(plan.heap())
	}
	return plan
}

// changeMemory gives the budget the size that a configuration asks for.
func (n *node) changeMemory(c *config.Config) {
	if plan := n.planMemory(c); plan.memory > 0 {
		n.memory.SetLimit(plan.budget())
	}
}

// longest returns the longest message that may be taken from a peer: what the configuration says, unless the budget is too
// small for a few of these.
func (n *node) longest(where string, configured config.Size) int {
	const usual = 1 << 20
	want, limit := int64(configured), n.memory.Limit()/longestShare
	if want == 0 {
		want = usual
	}
	if limit == 0 || want <= limit {
		return int(configured)
	}
	if configured > 0 {
		n.log.Warn("max_message is more than the memory allows; using less", "at", where, "asked", int64(configured), "used", limit)
	}
	return int(limit)
}

// hastenCollector has Go's collector keep garbage below a third of what is used, unless GOGC says otherwise. Routing makes
// no garbage, so collecting more often costs little, and a gateway has better use for the memory.
func hastenCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(30)
	}
}

// memoryText says for people how much of the budget is used.
func memoryText(s *budget.Status) string {
	text := fmt.Sprintf("%s of %s of memory in use", octets(s.Used), octets(s.Limit))
	if s.Cut > 0 {
		text += fmt.Sprintf(", %d peers cut for it", s.Cut)
	}
	for _, k := range slices.Sorted(maps.Keys(s.Refused)) {
		text += fmt.Sprintf(", %d %s refused", s.Refused[k], k)
	}
	return text
}
