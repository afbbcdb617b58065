package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"runnel/cmd/runnel/internal/config"
)

// fallBack chooses what the other checks cover if the files are invalid: the tables without problems and, for the others, the
// last configuration that worked. It reports which configuration the router uses meanwhile.
func (e *examination) fallBack(ctx context.Context, broken *config.Config, problems config.Problems) {
	e.fellBack = true
	e.config = config.Sound(broken, problems)
	inUse, err := config.LoadFallback(e.File, e.Check)
	if err != nil {
		inUse = nil
	} else if inUse.Fallback != nil && inUse.Fallback.File != "" {
		e.complete(inUse)
	}
	e.askRouter(ctx)
	remedy := "correct the problems above, then: runnel check" + e.argument()
	if e.running != nil {
		remedy += " && runnel reload"
	}
	e.add(Finding{"config", Warning, config.File(e.File), e.meanwhile(inUse), remedy})
}

// meanwhile describes the configuration that the router uses. inUse is that of a start; nil if it cannot start.
func (e *examination) meanwhile(inUse *config.Config) string {
	start := "the router cannot start with these files, and no earlier configuration is saved"
	if inUse != nil && inUse.Fallback == nil {
		start = "a start leaves out what fails"
	} else if inUse != nil {
		start = "a start uses " + inUse.Fallback.Describe()
	}
	since := e.running.fallbackSince()
	switch {
	case e.running == nil:
		return start
	case since.IsZero():
		return "the router goes on with the configuration that it runs with until it is restarted; " + start
	case inUse != nil && inUse.Fallback != nil:
		return fmt.Sprintf("since %s the router runs with %s", since.Local().Format(time.DateTime), inUse.Fallback.Describe())
	}
	return fmt.Sprintf("since %s the router runs with another configuration; now %s", since.Local().Format(time.DateTime), start)
}

// complete adds the parts of another configuration that the checked one lacks.
func (e *examination) complete(inUse *config.Config) {
	c := e.config
	if len(c.Realms) == 0 {
		c.Realms = inUse.Realms
	}
	if c.Node.Data == "" {
		c.Node.Data = inUse.Node.Data
	}
	c.Listens = union(c.Listens, inUse.Listens, func(l config.Listen) string { return l.URL })
	c.Serials = union(c.Serials, inUse.Serials, func(s config.Serial) string { return s.Name })
	c.Uplinks = union(c.Uplinks, inUse.Uplinks, func(u config.Uplink) string { return u.Name })
}

// union adds the parts of more whose name list lacks.
func union[T any](list, more []T, name func(T) string) []T {
	for _, part := range more {
		if !slices.ContainsFunc(list, func(own T) bool { return name(own) == name(part) }) {
			list = append(list, part)
		}
	}
	return list
}
