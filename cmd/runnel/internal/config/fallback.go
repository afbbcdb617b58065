package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runnel/edge/atomicfile"
)

// A remote gateway must start even if a file of its configuration is invalid. So a node saves the texts of the configuration
// that it runs with in its data directory, and starts with them if the current files are invalid. Without saved texts it
// leaves out the files of conf.d that have problems.

// Fallback describes a configuration that was used in place of its files.
type Fallback struct {
	Instead  string    // the configuration in use, such as "the last configuration that worked"
	Problems error     // of the files
	File     string    // that holds the last configuration that worked; "": another one is in use
	Saved    time.Time // when the router saved it
}

// lastGood is the content of the file lastGoodFile in the data directory.
type lastGood struct {
	File  string `json:"file"`  // the main file
	Files Drafts `json:"files"` // all files by name, the main file included
}

const lastGoodFile = "last-good.json"

// KeepLastGood saves the texts of a configuration that works in its data directory, if it has one and the texts have changed.
// They may hold secrets, so only the router's user can read the file.
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
	return atomicfile.Write(file, text, 0o600)
}

// LoadFallback is Load for a node that starts. Temporary problems, such as a missing address, are only warnings. If the
// configuration is invalid, it returns the one that KeepLastGood saved, or else the configuration without the invalid files
// of conf.d, and sets its Fallback. Otherwise it returns the error of Load.
func LoadFallback(file string, check UplinkCheck) (*Config, error) {
	broken, err := loadFiles(file, nil, check, true)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return broken, err
	}
	dirs := []string{systemData}
	var problems Problems
	if errors.As(err, &problems) {
		dirs = slices.Compact([]string{DataDir(broken), systemData})
	} else {
		problems = Problems{{File: File(file), Text: err.Error() + "; the user that runs the router must be able to read this file"}}
	}
	for _, dir := range dirs {
		if c := loadLastGood(file, dir, check); c != nil {
			saved := filepath.Join(dir, lastGoodFile)
			c.Fallback = &Fallback{Instead: "the last configuration that worked", Problems: problems, File: saved}
			if info, err := os.Stat(saved); err == nil {
				c.Fallback.Saved = info.ModTime()
			}
			return c, nil
		}
	}
	if c, without := loadWithout(file, problems, check); c != nil {
		c.Fallback = &Fallback{Instead: "the configuration without " + strings.Join(without, ", "), Problems: problems}
		return c, nil
	}
	return nil, err
}

// loadLastGood returns the configuration that KeepLastGood saved in dir, or nil if there is no valid one for the file.
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
		drafts[name] = "" // leaves out a file that was added since
	}
	for name, text := range last.Files {
		drafts[name] = text
	}
	c, err := loadFiles(file, drafts, check, true)
	if err != nil {
		return nil
	}
	return c
}

// loadWithout returns the configuration without invalid files of conf.d, and their names; or nil if problems remain.
func loadWithout(file string, problems Problems, check UplinkCheck) (*Config, []string) {
	drafts, without := Drafts{}, []string(nil)
	for _, p := range problems {
		if _, known := drafts[p.File]; p.File == File(file) || p.File == "" {
			return nil, nil
		} else if !known {
			drafts[p.File], without = "", append(without, p.File)
		}
	}
	c, err := loadFiles(file, drafts, check, true)
	if err != nil {
		return nil, nil
	}
	return c, without
}

// Describe names the configuration in use and, if it is the last one that worked, its file and age.
func (f *Fallback) Describe() string {
	if f.File == "" {
		return f.Instead
	}
	return fmt.Sprintf("%s, saved in %s at %s", f.Instead, f.File, f.Saved.Local().Format(time.DateTime))
}

// Error names the configuration in use and the first problem of the files.
func (f *Fallback) Error() string {
	first, more, _ := strings.Cut(f.Problems.Error(), "\n")
	if more != "" {
		first += fmt.Sprintf("; and %d more problems, see runnel check", 1+strings.Count(more, "\n"))
	}
	return "invalid, so " + f.Instead + " is in use: " + first
}
