//go:build ignore

// pack writes a packed archive of the files that match a pattern: go run pack.go OUTPUT PATTERN. The packages with archives call
// it from go generate.
package main

import (
	"compress/gzip"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
)

func main() {
	output, pattern := os.Args[1], os.Args[2]
	names, err := filepath.Glob(pattern)
	check(err)
	files := map[string]string{}
	for _, name := range names {
		body, err := os.ReadFile(name)
		check(err)
		files[filepath.Base(name)] = string(body)
	}
	out, err := os.Create(output)
	check(err)
	w, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	check(err)
	check(json.NewEncoder(w).Encode(files)) // sorted by name and without times: the same files give the same bytes
	check(w.Close())
	check(out.Close())
}

func check(err error) {
	if err != nil {
		log.Fatalf("pack %s: %v", os.Args[1], err)
	}
}
