package mqtt

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"runnel/edge/atomicfile"
	"runnel/transport/mqtt/packet"
)

// standing records the subscriptions of the sessions at the brokers. A broker answers each SUBSCRIBE with its retained
// messages, so the link subscribes only to the filters that its session lacks.
//
// A clean shutdown leaves the record on disk for the next process, which removes it before it connects. After a crash the link
// subscribes to everything, because the realm may have lost the last second of its retained events.
type standing struct {
	file string // "": no record
	log  *slog.Logger

	mu sync.Mutex
	// Guarded by mu.
	filters map[string]map[string]packet.Options // URL -> filter -> options
}

// standingFile is its name in Options.Dir.
const standingFile = "subscriptions.json"

// standingRecord is the form of the file.
type standingRecord struct {
	Client  string                               `json:"client"` // client id
	Filters map[string]map[string]packet.Options `json:"filters"`
}

func newStanding(dir string, log *slog.Logger) *standing {
	s := &standing{log: log, filters: make(map[string]map[string]packet.Options)}
	if dir != "" {
		s.file = filepath.Join(dir, standingFile)
	}
	return s
}

// take reads and removes the record of the previous process.
func (s *standing) take(client string) {
	if s.file == "" {
		return
	}
	text, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if removed := os.Remove(s.file); err == nil {
		err = removed // after a crash, a remaining record would be mistaken for a valid one
	}
	var r standingRecord
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		s.log.Warn("cannot read the record of subscriptions; subscribing again", "file", s.file, "err", err)
		return
	}
	if r.Client == client && r.Filters != nil {
		s.mu.Lock()
		s.filters = r.Filters
		s.mu.Unlock()
	}
}

// save writes the record for the next process.
func (s *standing) save(client string) {
	s.mu.Lock()
	r := standingRecord{client, s.filters}
	text, err := json.Marshal(r)
	s.mu.Unlock()
	if s.file == "" || len(r.Filters) == 0 {
		return
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(s.file), 0o700)
	}
	if err == nil {
		err = atomicfile.Write(s.file, text, 0o600)
	}
	if err != nil {
		s.log.Warn("cannot record the subscriptions; the next process subscribes again", "file", s.file, "err", err)
	}
}

// compare returns the filters that a broker's session lacks, and the filters that the link no longer needs.
func (s *standing) compare(url string, wanted []subscription) (missing []subscription, stale []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := maps.Clone(s.filters[url])
	for _, f := range wanted {
		if options, have := old[f.filter]; !have || options != f.options {
			f.known = have
			missing = append(missing, f)
		}
		delete(old, f.filter)
	}
	return missing, slices.Sorted(maps.Keys(old))
}

// added records a filter that the broker has accepted.
func (s *standing) added(url string, f subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filters[url] == nil {
		s.filters[url] = make(map[string]packet.Options)
	}
	s.filters[url][f.filter] = f.options
}

// dropped records filters that the link has unsubscribed from.
func (s *standing) dropped(url string, filters []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range filters {
		delete(s.filters[url], f)
	}
}

// forget records that the broker has no session for the link.
func (s *standing) forget(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.filters, url)
}
