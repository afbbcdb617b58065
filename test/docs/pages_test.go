// Package docs executes the shell blocks of README.md and docs, and checks their TOML, in the order of each page.
//
// A block is fenced, or indented by four spaces. A comment in the line before the block says how to treat it:
//
//	<!-- not run: REASON -->  the block needs what a test does not have, such as a package manager or a network
//	<!-- at the MACHINE -->   from here on the commands are typed at that machine of the page
//	<!-- output -->           the block is what the commands in the background print
//	<!-- any output -->       the block is executed; its output depends on what the machine has done before
//
// A block that is not run is still checked: its commands and flags must exist. The table in pages_test.go has the number of
// blocks of each kind, so that a new block, or one that is no longer run, is noticed.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"runnel/test/kit"
	"runnel/test/program"
)

var runnel program.Binary

func TestMain(m *testing.M) { kit.Main(m, program.BuiltPlain(&runnel)) }

// The kinds of blocks.
const (
	text   = "text" // a picture, a file of another program, or code
	shell  = "shell"
	toml   = "TOML"
	output = "output"
)

// block is one example of a page.
type block struct {
	line    int
	kind    string
	text    string
	before  string // the prose between this block and the one before
	machine string // "": the same machine as before
	reason  string // why it is not run
	differs bool   // its output is not compared
}

// counts has the numbers of a page's blocks.
type counts struct{ shell, notRun, toml, text int }

// pages lists all pages. notRun is part of shell and TOML.
var pages = map[string]counts{
	"README.md":          {shell: 3, notRun: 2, toml: 0, text: 0},
	"architecture.md":    {shell: 0, notRun: 0, toml: 0, text: 2},
	"brokers.md":         {shell: 0, notRun: 0, toml: 6, text: 0},
	"centre.md":          {shell: 19, notRun: 10, toml: 5, text: 5},
	"cli.md":             {shell: 15, notRun: 4, toml: 0, text: 0},
	"config.md":          {shell: 1, notRun: 0, toml: 3, text: 0},
	"console.md":         {shell: 2, notRun: 2, toml: 2, text: 0},
	"durable.md":         {shell: 2, notRun: 3, toml: 1, text: 2},
	"federation.md":      {shell: 1, notRun: 0, toml: 4, text: 1},
	"http.md":            {shell: 12, notRun: 4, toml: 3, text: 5},
	"install.md":         {shell: 10, notRun: 3, toml: 2, text: 0},
	"maintenance.md":     {shell: 5, notRun: 2, toml: 0, text: 0},
	"mcu.md":             {shell: 5, notRun: 5, toml: 4, text: 4},
	"mqtt-devices.md":    {shell: 2, notRun: 2, toml: 1, text: 0},
	"mqtt.md":            {shell: 2, notRun: 1, toml: 5, text: 2},
	"nats.md":            {shell: 1, notRun: 1, toml: 3, text: 1},
	"operations.md":      {shell: 3, notRun: 1, toml: 2, text: 3},
	"performance.md":     {shell: 1, notRun: 1, toml: 0, text: 0},
	"proxies.md":         {shell: 1, notRun: 1, toml: 2, text: 2},
	"scale.md":           {shell: 1, notRun: 1, toml: 0, text: 0},
	"security.md":        {shell: 8, notRun: 2, toml: 11, text: 0},
	"serial.md":          {shell: 7, notRun: 4, toml: 10, text: 2},
	"spool.md":           {shell: 2, notRun: 2, toml: 1, text: 1},
	"troubleshooting.md": {shell: 1, notRun: 1, toml: 0, text: 0},
	"tutorial.md":        {shell: 14, notRun: 6, toml: 1, text: 4},
	"web.md":             {shell: 1, notRun: 1, toml: 1, text: 1},
}

var (
	notRun  = regexp.MustCompile(`^<!-- not run: (.+) -->$`)
	machine = regexp.MustCompile(`^<!-- at the (\w+) -->$`)
	fence   = regexp.MustCompile("^ *```(\\w*)$")
	command = regexp.MustCompile(`^(\$ |(make|bin/runnel|runnel|sudo|ssh|scp|curl|mosquitto_\w+|[A-Z_]+=\S+ \w+)( |$))`)
	table   = regexp.MustCompile(`^(#.*\n)*\s*\[+[a-z_.]+\]+`)
)

// Every page has the blocks that the table lists.
func TestPages(t *testing.T) {
	for name := range files(t) {
		var got counts
		for _, b := range read(t, name) {
			switch b.kind {
			case shell, output:
				got.shell++
			case toml:
				got.toml++
			default:
				got.text++
			}
			if b.reason != "" {
				got.notRun++
			}
		}
		if want := pages[name]; got != want {
			t.Errorf("%q: %+v, want %+v", name, got, want)
		}
	}
}

// files lists the pages and their paths.
func files(t *testing.T) map[string]string {
	t.Helper()
	found, err := filepath.Glob("../../docs/*.md")
	kit.Must(t, err)
	list := map[string]string{"README.md": "../../README.md"}
	for _, file := range found {
		list[filepath.Base(file)] = file
	}
	return list
}

// read splits a page into its blocks.
func read(t *testing.T, name string) (list []block) {
	t.Helper()
	page, err := os.ReadFile(files(t)[name])
	kit.Must(t, err)
	lines := strings.Split(string(page), "\n")
	var b block
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		b.line = i + 1
		if found := notRun.FindStringSubmatch(line); found != nil {
			b.reason = found[1]
		} else if found := machine.FindStringSubmatch(line); found != nil {
			b.machine = found[1]
		} else if line == "<!-- output -->" {
			b.kind = output
		} else if line == "<!-- any output -->" {
			b.differs = true
		} else if found := fence.FindStringSubmatch(line); found != nil {
			var inner []string
			for i++; !fence.MatchString(lines[i]); i++ {
				inner = append(inner, lines[i])
			}
			if b.kind == "" {
				b.kind = kindOf(inner)
			}
			b.text = strings.Join(inner, "\n")
			list, b = append(list, b), block{}
		} else if strings.HasPrefix(line, "    ") && i > 0 && lines[i-1] == "" {
			var inner []string
			for ; i < len(lines) && (lines[i] == "" || strings.HasPrefix(lines[i], "    ")); i++ {
				inner = append(inner, strings.TrimPrefix(lines[i], "    "))
			}
			i--
			if b.kind == "" {
				b.kind = kindOf(inner)
			}
			b.text = strings.TrimRight(strings.Join(inner, "\n"), "\n")
			list, b = append(list, b), block{}
		} else {
			b.before += line + "\n"
		}
	}
	return list
}

func kindOf(lines []string) string {
	switch joined := strings.Join(lines, "\n"); {
	case table.MatchString(joined) && !strings.HasPrefix(lines[0], "[Unit]"), strings.HasPrefix(joined, "version = "), strings.HasPrefix(joined, "url = "):
		return toml
	case command.MatchString(lines[0]), len(lines) > 1 && command.MatchString(lines[len(lines)-2]):
		return shell
	}
	return text
}
