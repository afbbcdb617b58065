package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
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
