package test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The limits of sizes, in lines. A file of tests has the same limit as another; a package is counted without its tests.
const (
	maxFile    = 500
	maxPackage = 4500
)

// larger lists the packages with a limit of their own.
var larger = map[string]int{
	"edge":       9000, // the router, in one package so that a message takes no detour
	"cmd/runnel": 2500, // a small file a command; the work is done below cmd/runnel/internal
}

// longer lists the files that are longer because they are one state machine each: the scanners of the codecs, and the client
// for microcontrollers, which is one file so that it can be copied into a firmware, as its check is one program.
var longer = []string{"edge/codec/cbor.go", "edge/codec/msgpack.go", "edge/codec/json.go", "boards/mcu/src/runnel.c", "boards/mcu/check/check.c"}

// Packages and files stay small enough to be read in one go.
func TestSizes(t *testing.T) {
	packages := map[string]int{}
	for file, lines := range countLines(t) {
		if lines > maxFile && !slices.Contains(longer, file) {
			t.Errorf("%s has %d lines, more than %d: split it", file, lines, maxFile)
		}
		if path.Ext(file) == ".go" && !isTest(file) {
			packages[path.Dir(file)] += lines
		}
	}
	if len(packages) < 20 {
		t.Fatalf("only %d packages found", len(packages))
	}
	for pkg, lines := range packages {
		limit := maxPackage
		if own, ok := larger[pkg]; ok {
			limit = own
		}
		if lines > limit {
			t.Errorf("package %s has %d lines, more than %d: move out what has a door of its own", pkg, lines, limit)
		}
	}
}

// isTest reports whether a file serves tests only.
func isTest(file string) bool {
	return strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, "test/") || strings.HasPrefix(file, "boards/mcu/check/")
}

// countLines counts the lines of the Go and C files, by their path from the top.
func countLines(t *testing.T) map[string]int {
	count := map[string]int{}
	for _, top := range []string{"cmd", "edge", "transport", "uplink", "boards", "test"} {
		err := filepath.WalkDir(filepath.Join("..", top), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name := strings.TrimPrefix(filepath.ToSlash(file), "../")
			if ext := path.Ext(name); ext != ".go" && ext != ".c" {
				return nil
			}
			text, err := os.ReadFile(file)
			count[name] = bytes.Count(text, []byte("\n"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return count
}
