package node

import (
	"math"
	"os"
	"runtime/debug"

	"runnel/boards"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/term"
	"runnel/edge/budget"
)

const (
	// programMemory is the memory that the process needs besides buffers and tables, in bytes. codeMemory is the part
	// of it that Go's collector does not see: the program's own pages.
	programMemory = 16 << 20
	codeMemory    = 8 << 20

	// longestShare is the minimum number of messages of maximum length that the budget must hold.
	longestShare = 6
)

// memoryPlan divides the memory of the process, in bytes.
type memoryPlan struct {
	process int64 // of the whole process; 0: no limit
	memory  int64 // of buffers and tables, with the garbage between two collections: [limits] memory; 0: no limit
	cut     bool  // the configuration asks for more than is available
}

// planMemory divides the memory that the process may use; 0 if that is not known. wish is [limits] memory; 0 for the
// default: everything that the program itself does not need.
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

// budget is the share of buffers and tables. The rest is for garbage.
func (p memoryPlan) budget() int64 { return p.memory / 3 * 2 }

// heap is the limit for Go's collector.
func (p memoryPlan) heap() int64 { return max(p.process-codeMemory, p.process/4*3) }

// processMemory returns the memory that this process may use: the value of GOMEMLIMIT, else nine tenths of the
// control group's limit or half of the machine's memory; 0 if neither is known.
func processMemory() int64 {
	variable := os.Getenv("GOMEMLIMIT")
	if limit := debug.SetMemoryLimit(-1); variable != "" && limit < math.MaxInt64 {
		return limit
	}
	return boards.MemoryLimit(os.DirFS("/"), variable)
}

// Load reads the configuration as "runnel run" does, and checks it with its uplinks and against the machine's memory.
func Load(file string) (*config.Config, error) {
	c, err := config.Load(file, CheckUplink)
	if err == nil {
		CheckMemory(c)
	}
	return c, err
}

// CheckMemory adds a warning to the configuration if [limits] memory is more than this machine can give.
func CheckMemory(c *config.Config) { checkMemory(c, processMemory()) }

func checkMemory(c *config.Config, process int64) {
	if plan := planMemory(process, int64(c.Limits.Memory)); plan.cut {
		c.Warn(c.Limits.Place, "memory", "%s is more than this process can use; the router uses %s (GOMEMLIMIT, the control group or the machine's memory sets the limit)",
			term.Bytes(int64(c.Limits.Memory)), term.Bytes(plan.memory))
	}
}

// newBudget returns the budget of a configuration, and sets the limit of Go's collector. It is nil if there is no limit.
func (n *Node) newBudget(c *config.Config) *budget.Budget {
	plan := n.planMemory(c)
	if plan.memory == 0 {
		return nil
	}
	return budget.New(plan.budget(), n.log)
}

// changeMemory gives the budget the size of another configuration.
func (n *Node) changeMemory(c *config.Config) {
	if plan := n.planMemory(c); plan.memory > 0 {
		n.memory.SetLimit(plan.budget())
	}
}

func (n *Node) planMemory(c *config.Config) memoryPlan {
	plan := planMemory(n.process, int64(c.Limits.Memory))
	if os.Getenv("GOMEMLIMIT") == "" && plan.process > 0 {
		debug.SetMemoryLimit(plan.heap())
	}
	return plan
}

// maxMessage returns the longest message in bytes that a listener accepts: the configured length, unless the budget
// is too small for a few such messages. 0 stands for the transport's default. at names the listener in the log.
func (n *Node) maxMessage(at string, configured config.Size) int {
	const usual = 1 << 20
	want, limit := int64(configured), n.memory.Limit()/longestShare
	if want == 0 {
		want = usual
	}
	if limit == 0 || want <= limit {
		return int(configured)
	}
	if configured > 0 {
		n.log.Warn("max_message is too large for the memory; using less", "listener", at, "bytes", int64(configured), "limit", limit)
	}
	return int(limit)
}

// TuneCollector makes Go's collector keep garbage below a third of the memory in use, unless the variable GOGC is
// set. Routing makes no garbage, so more frequent collections cost little and save memory.
func TuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(30)
	}
}
