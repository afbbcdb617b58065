package config

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"runnel/cmd/runnel/internal/config/directory"
	"runnel/cmd/runnel/internal/config/values"
)

// Folders holds directories of files by the prefix of their paths.
type Folders map[string]string

// static checks the prefixes and directories of static files, and makes the directories absolute.
func (k checker) static(l *Listen) {
	at := l.Place.Under("static", -1)
	for _, prefix := range l.prefixes() {
		dir := values.Absolute(filepath.Dir(at.File), l.Static[prefix])
		l.Static[prefix] = dir
		switch taken := l.taken(prefix); {
		case !strings.HasPrefix(prefix, "/") || path.Clean(prefix) != prefix || strings.ContainsAny(prefix, "%?#\\\x00\r\n"):
			k.Add(at, prefix, "%q is not the beginning of a path; write it like \"/app\", or \"/\" for all paths", prefix)
		case taken != "":
			k.Add(at, prefix, "the listener itself answers requests for %s; choose another prefix", taken)
		case dir == "":
			k.Add(at, prefix, "missing; write the directory of the files, such as \"/srv/app\"")
		case directory.Holds(dir, at.File) || directory.Holds(dir, DataDir(k.c)):
			k.Add(at, prefix, "%s holds the configuration or the data of this node; choose a directory that holds only public files", dir)
		}
	}
}

// prefixes returns the prefixes of static files in order.
func (l *Listen) prefixes() (list []string) {
	for prefix := range l.Static {
		list = append(list, prefix)
	}
	sort.Strings(list)
	return list
}

// taken returns the path of another service that has a prefix, or "".
func (l *Listen) taken(prefix string) string {
	socket := "/ws"
	if u, err := url.Parse(l.URL); err == nil && (u.Scheme == "ws" || u.Scheme == "wss") && u.Path != "" {
		socket = u.Path
	}
	for _, taken := range [...]string{socket, "/lp", "/publish", "/call", "/events"} {
		if prefix == taken || strings.HasPrefix(prefix, taken+"/") {
			return taken
		}
	}
	if l.Console && (prefix == "/" || strings.LastIndex(prefix, "/") == 0 && strings.LastIndex(prefix, ".") > 1) {
		return prefix + " with console = true"
	}
	return ""
}

// folders warns about directories of static files that are missing: their requests get status 404.
func (k checker) folders(l Listen) {
	for _, prefix := range l.prefixes() {
		if f, err := os.Open(l.Static[prefix] + "/."); err == nil {
			f.Close()
		} else {
			k.Warn(l.Place.Under("static", -1), prefix, "cannot serve files: %v; create the directory, or let the router's user read it", err)
		}
	}
}
