package member

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"runnel/cmd/runnel/internal/fleet"
	"runnel/edge/atomicfile"
)

// markerEnd ends the name of the marker of a file of conf.d that is not confirmed yet. The marker holds the previous
// file.
const markerEnd = ".rollback"

// marker is the content of a marker.
type marker struct {
	ID      string      `json:"id"`      // of the request
	Existed bool        `json:"existed"` // there was a previous file
	Mode    fs.FileMode `json:"mode"`
	Text    string      `json:"text"`
}

// newMarker reads the file to be replaced.
func newMarker(id, file string) (marker, error) {
	m := marker{ID: id, Mode: 0o640}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return m, err
	}
	m.Existed, m.Mode, m.Text = true, info.Mode().Perm(), string(text)
	return m, nil
}

// write writes the marker of a file. It is on disk before the file changes.
func (m marker) write(file string) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return atomicfile.Write(file+markerEnd, text, 0o600)
}

// restore restores the previous file, and removes the marker. It may be repeated.
func (m marker) restore(file string) error {
	var err error
	if m.Existed {
		err = atomicfile.Write(file, []byte(m.Text), m.Mode)
	} else if err = os.Remove(file); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	return removeMarker(file)
}

func removeMarker(file string) error {
	err := os.Remove(file + markerEnd)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	atomicfile.SyncDir(filepath.Dir(file))
	return err
}

// Restore restores the files that had been replaced and not confirmed when the router ended. It is called before a
// start reads the configuration; main is its main file. It returns the last outcome for the report; nil if there is
// none.
func Restore(main string) (last *fleet.Applied, err error) {
	markers, _ := filepath.Glob(filepath.Join(filepath.Dir(main), "conf.d", "*.toml"+markerEnd))
	for _, name := range markers {
		file := strings.TrimSuffix(name, markerEnd)
		text, failed := os.ReadFile(name)
		var m marker
		if failed == nil {
			failed = json.Unmarshal(text, &m)
		}
		if failed == nil {
			failed = m.restore(file)
		}
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("restore %s: %w", file, failed))
			continue
		}
		last = &fleet.Applied{ID: m.ID, File: filepath.Base(file), State: fleet.AppliedRolledBack, Error: "the router ended before the link was back"}
	}
	return last, err
}
