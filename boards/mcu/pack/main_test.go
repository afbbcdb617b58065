package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"runnel/test/kit"
)

// unpack returns the files of an archive by their name.
func unpack(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}

// library packs the library with a version.
func library(t *testing.T, version string) map[string]string {
	t.Helper()
	archive, err := pack("../../..", version)
	if err != nil {
		t.Fatal(err)
	}
	again, err := pack("../../..", version)
	if err != nil || !bytes.Equal(archive, again) {
		t.Errorf("the same files make two archives (%v)", err)
	}
	return unpack(t, archive)
}

// The archive has all files that both library managers require, and only files of the library.
func TestPack(t *testing.T) {
	files := library(t, "1.2.3")
	for _, name := range []string{"LICENSE", "README.md", "keywords.txt", "src/runnel.c", "src/runnel.h", "src/runnel_arduino.h", "src/runnel_client.h",
		"examples/SensorNode/SensorNode.ino", "examples/TcpNode/TcpNode.ino", "library.json", "library.properties"} {
		if files["Runnel/"+name] == "" {
			t.Errorf("%s is missing or empty", name)
		}
	}
	for name := range files {
		if !regexp.MustCompile(`^Runnel/(LICENSE|README\.md|keywords\.txt|library\.(json|properties)|src/\w+\.[ch]|examples/(\w+)/\w+\.ino)$`).MatchString(name) {
			t.Errorf("%s does not belong into the archive", name)
		}
	}
}

// Both manifests name the version, and the Arduino IDE finds every field that it requires.
func TestManifests(t *testing.T) {
	for _, version := range []string{"1.2.3", "0.0.0+0.g0123abc", "1.2.3-rc.1+4.g0123abc"} {
		files := library(t, version)
		fields := map[string]string{}
		for line := range strings.Lines(files["Runnel/library.properties"]) {
			key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
			if !ok || value == "" {
				t.Errorf("library.properties: %q", line)
			}
			fields[key] = value
		}
		for _, key := range []string{"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"} {
			if fields[key] == "" {
				t.Errorf("library.properties has no %s", key)
			}
		}
		var manifest struct {
			Name, Version, Description string
			Headers                    []string
			Examples                   []struct {
				Base  string
				Files []string
			}
		}
		if err := json.Unmarshal([]byte(files["Runnel/library.json"]), &manifest); err != nil {
			t.Fatal(err)
		}
		if fields["version"] != version || manifest.Version != version {
			t.Errorf("versions %q and %q, want %q", fields["version"], manifest.Version, version)
		}
		if manifest.Name != fields["name"] || manifest.Description != fields["sentence"] {
			t.Errorf("library.json has %q, %q; library.properties %q, %q", manifest.Name, manifest.Description, fields["name"], fields["sentence"])
		}
		named := manifest.Headers
		for i := range named {
			named[i] = "src/" + named[i]
		}
		for _, e := range manifest.Examples {
			for _, file := range e.Files {
				named = append(named, e.Base+"/"+file)
			}
		}
		for _, file := range named {
			if files["Runnel/"+file] == "" {
				t.Errorf("library.json names %s, which is missing", file)
			}
		}
	}
}

// Each keyword is in a header, and each function of the client is a keyword.
func TestKeywords(t *testing.T) {
	files := library(t, "1.2.3")
	headers := files["Runnel/src/runnel.h"] + files["Runnel/src/runnel_arduino.h"] + files["Runnel/src/runnel_client.h"]
	keywords := map[string]bool{}
	for line := range strings.Lines(files["Runnel/keywords.txt"]) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		word, kind, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok || !regexp.MustCompile(`^(KEYWORD[12]|LITERAL1)$`).MatchString(kind) || keywords[word] {
			t.Errorf("keywords.txt: %q", line)
		}
		if !regexp.MustCompile(`\b` + word + `\b`).MatchString(headers) {
			t.Errorf("keyword %s is in no header", word)
		}
		keywords[word] = true
	}
	functions := regexp.MustCompile(`(?m)^(?:void|bool|enum runnel_state) (runnel_\w+)\(`).FindAllStringSubmatch(files["Runnel/src/runnel.h"], -1)
	if len(functions) < 30 {
		t.Fatalf("only %d functions found", len(functions))
	}
	for _, f := range functions {
		if !keywords[f[1]] {
			t.Errorf("function %s is no keyword", f[1])
		}
	}
}

// A version that a library manager would reject is an error.
func TestVersion(t *testing.T) {
	for _, version := range []string{"", "v1.2.3", "1.2", "1.2.3\nname=x", "1.2.3 "} {
		if _, err := pack("../../..", version); err == nil {
			t.Errorf("version %q is accepted", version)
		}
	}
}

// tree makes a small library and returns its top directory.
func tree(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	for name, text := range map[string]string{
		"LICENSE": "free", "boards/mcu/library.properties": "name=x\nversion=0\n", "boards/mcu/library.json": "{\n  \"version\": \"0\",\n}\n",
		"boards/mcu/keywords.txt": "k", "boards/mcu/README.md": "r", "boards/mcu/src/deep/a.c": "a", "boards/mcu/examples/b.ino": "b", "boards/mcu/private.txt": "p",
	} {
		file := filepath.Join(top, name)
		kit.Must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		kit.Must(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return top
}

// The program writes the archive, and makes the directory for it.
func TestMainWrites(t *testing.T) {
	t.Chdir(tree(t))
	args, flags := os.Args, flag.CommandLine
	defer func() { os.Args, flag.CommandLine = args, flags }()
	os.Args, flag.CommandLine = []string{"pack", "-version", "1.2.3", "-o", "dist/new/x.zip"}, flag.NewFlagSet("pack", flag.ContinueOnError)
	main()
	archive, err := os.ReadFile("dist/new/x.zip")
	kit.Must(t, err)
	want := map[string]string{
		"Runnel/LICENSE": "free", "Runnel/library.properties": "name=x\nversion=1.2.3\n", "Runnel/library.json": "{\n  \"version\": \"1.2.3\",\n}\n",
		"Runnel/keywords.txt": "k", "Runnel/README.md": "r", "Runnel/src/deep/a.c": "a", "Runnel/examples/b.ino": "b",
	}
	if got := unpack(t, archive); !maps.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// A part that is missing, and a manifest without a version, are errors that name the file.
func TestIncomplete(t *testing.T) {
	for _, name := range []string{"LICENSE", "boards/mcu/library.properties", "boards/mcu/library.json", "boards/mcu/keywords.txt", "boards/mcu/README.md",
		"boards/mcu/src", "boards/mcu/examples"} {
		top := tree(t)
		kit.Must(t, os.RemoveAll(filepath.Join(top, name)))
		if err := write(top, "1.2.3", filepath.Join(top, "x.zip")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	for _, name := range []string{"library.properties", "library.json"} {
		top := tree(t)
		kit.Must(t, os.WriteFile(filepath.Join(top, "boards/mcu", name), []byte("name=x\n"), 0o644))
		if err := write(top, "1.2.3", filepath.Join(top, "x.zip")); err == nil || !strings.Contains(err.Error(), name+": no line with the version") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An archive that cannot be written is an error.
func TestUnwritable(t *testing.T) {
	top := tree(t)
	for _, out := range []string{"LICENSE/x.zip", "boards"} {
		if err := write(top, "1.2.3", filepath.Join(top, out)); err == nil {
			t.Errorf("%s is written", out)
		}
	}
}
