package spool

// Update replaces the limits of a running spool: MaxOctets, MaxMemory, MaxAge, MinFree, Drop, SpillAfter, Sync and the
// retry pauses. Run applies them at once. The directory, the log and the events stay.
func (s *Spool) Update(o Options) error {
	s.mu.Lock()
	o.Dir, o.Log, o.disk = s.opts.Dir, s.log, s.opts.disk
	s.mu.Unlock()
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.update = &o
	s.mu.Unlock()
	signal(s.wake)
	return nil
}

// applyUpdate applies the options passed to Update. Only Run calls it, so Run may read the options without the lock.
func (s *Spool) applyUpdate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.update != nil {
		s.opts, s.update = *s.update, nil
		s.signalRoom()
	}
}

// OnDisk reports whether the spool has a directory.
func (s *Spool) OnDisk() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opts.Dir != ""
}
