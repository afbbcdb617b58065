package main

import (
	"fmt"
	"strings"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
)

// parseArgs reads the arguments and the --kw of a command line.
func parseArgs(args, keywords []string) (client.Payload, error) {
	var p client.Payload
	for _, arg := range args {
		p.Args = append(p.Args, term.ParseValue(arg))
	}
	for _, kw := range keywords {
		key, value, ok := strings.Cut(kw, "=")
		if !ok || key == "" {
			return p, usageError(fmt.Sprintf("--kw %s: write key=value", kw))
		}
		if p.Kwargs == nil {
			p.Kwargs = map[string]any{}
		}
		p.Kwargs[key] = term.ParseValue(value)
	}
	return p, nil
}
