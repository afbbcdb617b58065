package docs

import (
	"regexp"
	"strings"
	"testing"
)

var (
	called = regexp.MustCompile(`(?:^|[\s']|bin/|\./)runnel((?: [a-z]+)+)((?: [^&|>']+| '[^']*')*)`)
	flag   = regexp.MustCompile(`(?:^| )(--?[a-z][a-z-]*)`)
)

// The commands and flags of all shell blocks exist, also of those that are not run.
func TestCommandsExist(t *testing.T) {
	help := map[string]string{} // by command
	for name := range files(t) {
		for _, b := range read(t, name) {
			if b.kind != shell {
				continue
			}
			console := strings.Contains("\n"+b.text, "\n$ ")
			for line := range strings.SplitSeq(b.text, "\n") {
				if console && !strings.HasPrefix(line, "$ ") {
					continue // output
				}
				line, _, _ = strings.Cut(strings.ReplaceAll(line, "sudo -u runnel ", ""), " #")
				for _, c := range called.FindAllStringSubmatch(line, -1) {
					args := strings.Fields(c[1])
					text, known := help[c[1]]
					if !known {
						out, err := runnel.Command(append(args, "--help")...).CombinedOutput()
						if err != nil || !strings.Contains(string(out), "runnel "+args[0]) {
							t.Errorf("%s:%d: runnel%s: %v\n%s", name, b.line, c[1], err, out)
						}
						text = string(out)
						help[c[1]] = text
					}
					for _, f := range flag.FindAllStringSubmatch(c[2], -1) {
						if !strings.Contains(text, " "+f[1]+" ") && !strings.Contains(text, " "+f[1]+",") {
							t.Errorf("%s:%d: runnel%s has no flag %s", name, b.line, c[1], f[1])
						}
					}
				}
			}
		}
	}
	if len(help) < 15 {
		t.Errorf("only %d commands found", len(help))
	}
}
