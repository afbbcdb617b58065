package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A gateway that nobody can reach must start although a file of its configuration is invalid. So a node keeps the texts of the
// configuration that it runs with in its data directory, and starts with them if the files of today are no use. If there are
// none, it leaves out the files of conf.d that have problems.

// Fallback says that a configuration is not that of its files.
type Fallback struct {
	Instead  string // what is used instead of the files: "the last configuration that worked", for example
	Problems error  // of the files
}

// lastGood is what the file lastGoodFile in the data directory holds.
type lastGood struct {
	File  string `json:"file"`  // the main file
	Files Drafts `json:"files"` // all files by name, the main file included
}

const lastGoodFile = "last-good.json"

// KeepLastGood writes the texts of a configuration that works to its data directory, if it has one and its files have not been
// kept before. Secrets in them are readable for the router's user alone.
func KeepLastGood(c *Config) error {
	dir := DataDir(c)
	if dir == "" || c.Fallback != nil || c.sources == nil {
		return nil
	}
	text, err := json.Marshal(lastGood{File: c.mainFile, Files: c.sources})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, lastGoodFile)
	if old, err := os.ReadFile(file); err == nil && string(old) == string(text) {
		return nil
	}
	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// LoadFallback is Load for a node that starts. If the configuration is invalid, the result is that of KeepLastGood, or leaves
// out the files of conf.d with problems, and its Fallback says so. If neither is valid, the error is that of Load.
func LoadFallback(file string, check UplinkCheck) (*Config, error) {
	broken, err := LoadDraft(file, nil, check)
	var problems Problems
	if err == nil || !errors.As(err, &problems) {
		return broken, err
	}
	for _, dir := range slices.Compact([]string{DataDir(broken), systemData}) {
		if c := loadLastGood(file, dir, check); c != nil {
			c.Fallback = &Fallback{"the last configuration that worked", problems}
			return c, nil
		}
	}
	if c, without := loadWithout(file, problems, check); c != nil {
		c.Fallback = &Fallback{"the configuration without " + strings.Join(without, ", "), problems}
		return c, nil
	}
	return nil, err
}

// loadLastGood returns the configuration that KeepLastGood has written to a directory; nil if there is none for the file, or it
// is not valid.
func loadLastGood(file, dir string, check UplinkCheck) *Config {
	if dir == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dir, lastGoodFile))
	var last lastGood
	if err != nil || json.Unmarshal(text, &last) != nil || last.File != File(file) {
		return nil
	}
	drafts := Drafts{}
	for _, name := range dropIns(filepath.Dir(File(file))) {
		drafts[name] = "" // a file of today that was not there
	}
	for name, text := range last.Files {
		drafts[name] = text
	}
	c, err := LoadDraft(file, drafts, check)
	if err != nil {
		return nil
	}
	return c
}

// loadWithout returns the configuration without the files of conf.d that have problems, and the names of these; nil if that
// leaves problems.
func loadWithout(file string, problems Problems, check UplinkCheck) (*Config, []string) {
	drafts, without := Drafts{}, []string(nil)
	for _, p := range problems {
		if _, known := drafts[p.File]; p.File == File(file) || p.File == "" {
			return nil, nil
		} else if !known {
			drafts[p.File], without = "", append(without, p.File)
		}
	}
	c, err := LoadDraft(file, drafts, check)
	if err != nil {
		return nil, nil
	}
	return c, without
}

// Error returns what is used instead, and the first problem.
func (f *Fallback) Error() string {
	first, more, _ := strings.Cut(f.Problems.Error(), "\n")
	if more != "" {
		first += fmt.Sprintf("; and %d more problems, see runnel check", 1+strings.Count(more, "\n"))
	}
	return "invalid, so " + f.Instead + " is in use: " + first
}
