// Command pack writes the client for microcontrollers as a library for the Arduino IDE and PlatformIO, which is a zip archive:
//
//	go run ./boards/mcu/pack -version 1.2.3 -o dist/runnel-mcu-1.2.3.zip
//
// It runs from the top of the project. The same files and version give the same archive.
package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"time"
)

// parts lists the files and directories of boards/mcu that the archive contains.
var parts = []string{"library.properties", "library.json", "keywords.txt", "README.md", "src", "examples"}

// versions lists the lines that name the version, by their file.
var versions = map[string]*regexp.Regexp{
	"library.properties": regexp.MustCompile(`(?m)^(version=)[^\n]*()$`),
	"library.json":       regexp.MustCompile(`(?m)^(  "version": ")[^"]*(",)$`),
}

// semantic matches a version that both library managers accept.
var semantic = regexp.MustCompile(`^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$`)

// created is the time of all files: the oldest date that a zip archive can hold.
var created = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

func main() {
	version := flag.String("version", "", "version of the library, such as 1.2.3")
	out := flag.String("o", "", "file to write")
	flag.Parse()
	if err := write(".", *version, *out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(top, version, out string) error {
	archive, err := pack(top, version)
	if err != nil {
		return fmt.Errorf("pack the library: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, archive, 0o644)
}

// pack returns the archive. All files are below the directory Runnel, as the Arduino IDE requires.
func pack(top, version string) ([]byte, error) {
	if !semantic.MatchString(version) {
		return nil, fmt.Errorf("version %q: not a semantic version such as 1.2.3", version)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if err := add(z, "LICENSE", filepath.Join(top, "LICENSE"), version); err != nil {
		return nil, err
	}
	from := filepath.Join(top, "boards", "mcu")
	for _, part := range parts {
		err := filepath.WalkDir(filepath.Join(from, part), func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(from, file)
			if err != nil {
				return err
			}
			return add(z, filepath.ToSlash(name), file, version)
		})
		if err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// add copies a file into the archive, and sets the version where the file names it.
func add(z *zip.Writer, name, file, version string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if line := versions[name]; line != nil {
		if !line.Match(text) {
			return errors.New(file + ": no line with the version")
		}
		text = line.ReplaceAll(text, []byte("${1}"+version+"${2}"))
	}
	w, err := z.CreateHeader(&zip.FileHeader{Name: path.Join("Runnel", name), Method: zip.Deflate, Modified: created})
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
