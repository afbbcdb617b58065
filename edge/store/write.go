package store

import (
	"errors"
	"iter"
	"time"

	"runnel/edge/journal"
)

// Run writes changes until Close is called.
func (d *Disk) Run() {
	defer close(d.done)
	if d.rewrite || d.unclean() {
		d.saveAt = time.Now()
	}
	for {
		wake := d.wake
		if !d.saveAt.IsZero() {
			wake = nil // a save is planned already; further changes find the channel full, which costs nothing
		}
		var due <-chan time.Time
		if at := earliest(d.saveAt, d.syncAt, d.expireAt); !at.IsZero() {
			due = time.After(time.Until(at))
		}
		select {
		case <-wake:
			d.saveAt = time.Now().Add(saveDelay)
		case <-due:
			d.runDue(time.Now())
		case task := <-d.tasks:
			task()
		case <-d.stop:
			d.finish()
			return
		}
	}
}

// unclean reports whether an archive has to be rewritten.
func (d *Disk) unclean() bool {
	for _, a := range d.archives {
		if a.rewrite {
			return true
		}
	}
	return false
}

// runDue does the saves and syncs that are due.
func (d *Disk) runDue(now time.Time) {
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if due(d.saveAt) || due(d.expireAt) {
		d.saveAt = time.Time{}
		if d.noteResult(d.save()) && d.syncAt.IsZero() {
			d.syncAt = now.Add(d.Interval)
		}
		if d.expireAt = d.nextExpiry(); !d.expireAt.IsZero() && d.expireAt.Before(now.Add(saveDelay)) {
			d.expireAt = now.Add(saveDelay)
		}
	}
	if due(d.syncAt) {
		d.syncAt = time.Time{}
		if err := d.sync(); err != nil {
			d.noteResult(err) // the retry rewrites the records that the logs have lost
		}
	}
}

// noteResult logs a failure and plans another attempt, or logs that writing works again.
func (d *Disk) noteResult(err error) bool {
	d.trouble.Set("events", err)
	switch {
	case err != nil:
		d.delay = min(max(2*d.delay, firstDelay), lastDelay)
		d.saveAt = time.Now().Add(d.delay)
		d.Log.Warn("cannot write state to disk; changes are in memory only", "err", err, "retry_in", d.delay.String())
	case d.delay > 0:
		d.delay = 0
		d.Log.Info("state is kept on disk again")
	}
	return err == nil
}

// finish writes all remaining changes, and closes the logs.
func (d *Disk) finish() {
	err := errors.Join(d.save(), d.sync())
	if journal.Lost(err) {
		err = errors.Join(d.save(), d.sync())
	}
	for _, log := range d.logs() {
		err = errors.Join(err, log.Close())
	}
	if err != nil {
		d.Log.Error("state is not completely on disk", "err", err)
	}
}

func (d *Disk) logs() (list []*journal.Journal) {
	if d.retained != nil {
		list = append(list, d.retained)
	}
	for _, a := range d.archives {
		list = append(list, a.log)
	}
	return list
}

// sync syncs the logs. A log whose sync fails has lost all records since the last sync, and must be rewritten.
func (d *Disk) sync() (err error) {
	if d.retained != nil {
		err = d.retained.Sync()
		d.rewrite = d.rewrite || journal.Lost(err)
	}
	for _, a := range d.archives {
		failed := a.log.Sync()
		a.rewrite = a.rewrite || journal.Lost(failed)
		err = errors.Join(err, failed)
	}
	return err
}

// save writes all changes.
func (d *Disk) save() (err error) {
	select {
	case <-d.wake: // this save includes all changes so far; later ones wake Run again
	default:
	}
	if d.retained != nil {
		err = d.saveRetained()
	}
	for _, a := range d.archives {
		err = errors.Join(err, a.save())
	}
	return err
}

func (d *Disk) saveRetained() error {
	topics, all := d.Retained.takeUnsaved()
	if d.rewrite = d.rewrite || all; !d.rewrite {
		if _, err := d.retained.Append(retainedRecords(topics)); err != nil {
			d.Retained.saveAgain(topics)
			d.rewrite = journal.Lost(err)
			return err
		}
		if _, size := d.Retained.Size(); d.retained.Octets() <= 2*int64(size)+fewBytes {
			return nil
		}
	}
	if err := d.retained.Rewrite(retainedRecords(d.Retained.snapshot())); err != nil {
		return err
	}
	d.rewrite = false
	return nil
}

func retainedRecords(topics map[string][]*retained) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for topic, list := range topics {
			if !yield(encodeRetained(topic, list)) {
				return
			}
		}
	}
}

// save writes the events that are on no disk yet, and deletes those that the history has dropped.
func (a *archive) save() error {
	list, kept, again := a.take(a.rewrite)
	if again {
		a.rewrite = true
		if err := a.log.Rewrite(pastRecords(list)); err != nil {
			return err
		}
		a.rewrite = false
		return nil
	}
	n, err := a.log.Append(pastRecords(list))
	a.rewrite = journal.Lost(err)
	if err != nil {
		a.markUnstored(list[n:])
		return err
	}
	return a.log.Trim(kept + n)
}

// Flush writes and syncs all changes at once.
func (d *Disk) Flush() error {
	err := errClosed
	d.do(func() {
		if err = d.save(); err == nil {
			err = d.sync()
		}
		d.noteResult(err)
	})
	return err
}

var errClosed = errors.New("the realm is closing")

func pastRecords(events []held) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, e := range events {
			if !yield(encodePast(e)) {
				return
			}
		}
	}
}
