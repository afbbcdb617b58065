package cli

import (
	"fmt"
	"strings"

	"runnel/cmd/runnel/internal/term"
	"runnel/edge/client"
	"runnel/edge/wamp"
)

// ParseArgs reads the arguments and the --kw of a command line.
func ParseArgs(args, keywords []string) (client.Payload, error) {
	var p client.Payload
	for _, arg := range args {
		p.Args = append(p.Args, term.ParseValue(arg))
	}
	for _, kw := range keywords {
		key, value, ok := strings.Cut(kw, "=")
		if !ok || key == "" {
			return p, UsageError(fmt.Sprintf("--kw %s: write key=value", kw))
		}
		if p.Kwargs == nil {
			p.Kwargs = map[string]any{}
		}
		p.Kwargs[key] = term.ParseValue(value)
	}
	return p, nil
}

// MatchFlag reads the flag --match.
func MatchFlag(name string) (wamp.Match, error) {
	match, ok := wamp.ParseMatch(name)
	if !ok {
		return 0, UsageError(fmt.Sprintf("--match %q: use exact, prefix or wildcard", name))
	}
	return match, nil
}
