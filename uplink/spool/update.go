package spool

// Update replaces the bounds of a spool that runs: MaxOctets, MaxMemory, MaxAge, MinFree, Drop, SpillAfter and Sync. They
// take effect when Run looks at them next, which is at once. Its directory, its log and its events stay.
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

// renew takes over what Update has left. Only Run calls it, which may therefore read the options without the lock.
func (s *Spool) renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.update != nil {
		s.opts, s.update = *s.update, nil
		s.freed()
	}
}

// OnDisk reports whether the spool has a directory.
func (s *Spool) OnDisk() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opts.Dir != ""
}
