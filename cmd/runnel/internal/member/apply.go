package member

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/fleet"
	"runnel/edge/atomicfile"
	"runnel/edge/client"
)

// FilesOptions connect Files with the router.
type FilesOptions struct {
	Main   string                    // the main file of the configuration; "": there is none
	Check  func(config.Drafts) error // reports the problems of the configuration with drafts
	Reload func() ([]string, error)  // returns the changes; after an error nothing has changed
	Uplink func(name string) bool    // reports whether the configuration has the uplink
	Last   *fleet.Applied            // of Restore
	Log    *slog.Logger
}

// Files applies files of conf.d that centres send, one at a time. Its methods may be called from any goroutine.
type Files struct {
	FilesOptions
	work chan *pending // holds one

	mu sync.Mutex
	// Guarded by mu.
	pending *pending
	last    *fleet.Applied
}

// pending is a file whose outcome is open.
type pending struct {
	fleet.Applied
	path   string
	before marker
	uplink string // by which it arrived
	after  time.Duration
	back   chan struct{} // closed when the link is back

	begun    bool      // Guarded by Files.mu.
	reloaded time.Time // when the configuration had changed; zero: not yet. Guarded by Files.mu.
	isBack   bool      // Guarded by Files.mu.
}

const (
	rollbackAfter = time.Minute // the default
	rollbackRetry = 10 * time.Second
	mostText      = 128 << 10 // bytes of a file
)

// NewFiles returns the Files of a node.
func NewFiles(o FilesOptions) *Files {
	return &Files{FilesOptions: o, work: make(chan *pending, 1), last: o.Last}
}

// Last returns the outcome of the last file, or the state of the current one; nil if there is none.
func (f *Files) Last() *fleet.Applied {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending == nil {
		return f.last
	}
	a := f.pending.Applied
	return &a
}

// Apply checks a file together with the other files of the configuration, and writes it to conf.d. The file takes
// effect when Begin is called. Apply returns the id under which Last reports the outcome. With dry it only checks the
// file. Problems of the configuration are config.Problems.
func (f *Files) Apply(name, text, uplink string, after time.Duration, dry bool) (id string, err error) {
	if err := f.checkFile(name, text); err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(f.Main), "conf.d", name)
	if err := f.Check(config.Drafts{path: text}); err != nil || dry {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending != nil {
		return "", fmt.Errorf("%s is not confirmed yet; try again in a minute", f.pending.File)
	}
	b := make([]byte, 8)
	rand.Read(b) // never fails
	p := &pending{Applied: fleet.Applied{ID: hex.EncodeToString(b), File: name, State: fleet.AppliedPending}, path: path, uplink: uplink, after: after, back: make(chan struct{})}
	if after <= 0 {
		p.after = rollbackAfter
	}
	if p.before, err = newMarker(p.ID, path); err == nil {
		err = p.before.write(path)
	}
	if err == nil {
		if err = atomicfile.Write(path, []byte(text), p.before.Mode); err != nil {
			removeMarker(path)
		}
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		dir := filepath.Dir(path)
		return "", fmt.Errorf("%w; let the router write there, at the node: sudo install -d -g runnel -m 2770 %s", err, dir)
	}
	if err != nil {
		return "", err
	}
	f.Log.Info("file from the centre written", "file", path, "uplink", uplink)
	f.pending = p
	return p.ID, nil
}

// Begin makes Run apply the file that Apply has written. The reload may end the link, so the caller first sends the
// answer to the centre.
func (f *Files) Begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pending != nil && !f.pending.begun {
		f.pending.begun = true
		f.work <- f.pending // has room: there is one at a time
	}
}

func (f *Files) checkFile(name, text string) error {
	stem, ok := strings.CutSuffix(name, ".toml")
	valid := strings.Trim(stem, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == "" && !strings.HasPrefix(stem, ".") && stem != "" && len(name) <= 64
	switch {
	case f.Main == "" || f.Reload == nil:
		return errors.New("the router of the node has no configuration file")
	case !ok || !valid:
		return fmt.Errorf("%.80q is not a name for a file of conf.d; use at most 64 letters, digits, \"-\" and \"_\", followed by .toml", name)
	case len(text) > mostText:
		return fmt.Errorf("%s is longer than %d bytes", name, mostText)
	}
	return nil
}

// Linked reports that the centre of an uplink has received a report that began at the given time. If that was after a
// new file took effect, the link is back.
func (f *Files) Linked(uplink string, began time.Time) {
	f.mu.Lock()
	p := f.pending
	waits := p != nil && !p.reloaded.IsZero() && !began.Before(p.reloaded)
	f.mu.Unlock()
	if !waits || uplink != p.uplink && f.Uplink(p.uplink) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !p.isBack {
		p.isBack = true
		close(p.back)
	}
}

// Run applies files until ctx is done. A file that is not confirmed by then is rolled back at the next start.
func (f *Files) Run(ctx context.Context) error {
	for {
		select {
		case p := <-f.work:
			f.carryOut(ctx, p)
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *Files) carryOut(ctx context.Context, p *pending) {
	changes, err := f.Reload()
	if err != nil {
		f.logFailure(p, p.before.restore(p.path))
		f.record(p, fleet.AppliedFailed, err.Error())
		return
	}
	f.mu.Lock()
	p.Changes, p.reloaded = changes, time.Now()
	f.mu.Unlock()
	timer := time.NewTimer(p.after)
	defer timer.Stop()
	select {
	case <-p.back:
		f.logFailure(p, removeMarker(p.path))
		f.Log.Info("file from the centre applied", "file", p.path)
		f.record(p, fleet.AppliedDone, "")
	case <-timer.C:
		f.rollBack(ctx, p)
	case <-ctx.Done():
	}
}

// rollBack restores the previous file and reloads, until both have succeeded or ctx is done.
func (f *Files) rollBack(ctx context.Context, p *pending) {
	f.Log.Error("the link is not back; the file from the centre is rolled back", "file", p.path, "uplink", p.uplink, "duration", p.after)
	for {
		err := p.before.restore(p.path)
		if err == nil {
			_, err = f.Reload()
		}
		if err == nil {
			break
		}
		f.logFailure(p, err)
		if !client.Sleep(ctx, rollbackRetry) {
			return
		}
	}
	f.record(p, fleet.AppliedRolledBack, fmt.Sprintf("the link was not back after %v", p.after))
}

func (f *Files) logFailure(p *pending, err error) {
	if err != nil {
		f.Log.Error("cannot restore the previous file", "file", p.path, "err", err)
	}
}

// record records the outcome.
func (f *Files) record(p *pending, state, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := p.Applied
	a.State, a.Error = state, text
	f.last, f.pending = &a, nil
}
