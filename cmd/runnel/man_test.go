package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each command that a user sees has a page with the text and the flags of its --help.
func TestManual(t *testing.T) {
	dir := t.TempDir()
	if status := execute([]string{"man", dir}); status != exitDone {
		t.Fatalf("exit status %d", status)
	}
	for name, parts := range map[string][]string{
		"runnel":           {"# NAME\n\nrunnel - a WAMP router", "**pub**\n: Publish an event. See runnel-pub(1)."},
		"runnel-pub":       {"# SYNOPSIS\n\n**runnel pub URI", "**--kw** *KEY=VALUE*\n: KEY=VALUE argument by keyword", "**runnel.toml**(5), **runnel**(1)"},
		"runnel-serial-ls": {"RUNNEL-SERIAL-LS 1"},
		"runnel-queue-ls":  {"**runnel-queue**(1)"},
	} {
		page, err := os.ReadFile(filepath.Join(dir, name+".1.md"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, part := range parts {
			if !strings.Contains(string(page), part) {
				t.Errorf("%s: %q is missing in\n%s", name, part, page)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "runnel-man.1.md")); err == nil {
		t.Error("the hidden command has a page")
	}
}
