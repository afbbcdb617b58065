// Package packed reads archives of small text files that are embedded in the binary. They are compressed, because the binary must
// fit into a board's flash memory. pack.go writes them.
package packed

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
)

// Files returns the texts of an archive's files by name. It panics if the archive is damaged, because archives are part of the
// program.
func Files(archive []byte) map[string]string {
	var list map[string]string
	r, err := gzip.NewReader(bytes.NewReader(archive))
	if err == nil {
		err = json.NewDecoder(r).Decode(&list)
	}
	if err != nil {
		panic(err)
	}
	return list
}
