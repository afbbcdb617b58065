//go:build ignore

// pack writes web.gz: a JSON object of the files in web, compressed. Run it with go generate after a change of these files.
package main

import (
	"compress/gzip"
	"encoding/json"
	"log"
	"os"
	"path/filepath"
)

func main() {
	names, err := filepath.Glob("web/*")
	check(err)
	files := map[string]string{}
	for _, name := range names {
		body, err := os.ReadFile(name)
		check(err)
		files[filepath.Base(name)] = string(body)
	}
	out, err := os.Create("web.gz")
	check(err)
	w, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	check(err)
	check(json.NewEncoder(w).Encode(files)) // sorted by name, and no time stands in it: the same files give the same bytes
	check(w.Close())
	check(out.Close())
}

func check(err error) {
	if err != nil {
		log.Fatalf("pack the console: %v", err)
	}
}
