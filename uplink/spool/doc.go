// Package spool stores events until the far side of a link has acknowledged them (store and forward).
//
//	s, err := spool.Open(spool.Options{Dir: "/var/lib/runnel/uplink/central", Log: log})
//	go s.Run(ctx)
//
//	s.Put(spool.Event{Class: spool.Durable, Topic: "com.example.weather", Payload: p}, func(err error) {
//		// nil: the event survives a power cut from now on
//	})
//
//	s.Rewind() // after each connect: events that are not acknowledged are returned again, in order
//	for after := uint64(0); ; { // the drain: a single goroutine
//		events, err := s.Next(ctx, after, 100)
//		... send them in this order; s.Ack(e.Sequence) when the far side accepts an event, s.Hold(e.Sequence, reason) when it
//		    rejects it
//		after = events[len(events)-1].Sequence // of the last event that is not Held
//	}
//
// # Classes
//
//	Memory    is never written
//	Disk      is written if it is not acknowledged within SpillAfter, and when Run ends
//	Durable   is written and synced before its callback is called with nil, together with all others of the last Options.Sync
//
// An event that is acknowledged before it is due to be written is never written. While the link is up and fast, the
// spool causes no wear of flash memory.
//
// # Identity
//
// Events are numbered in the order of Put. Node, Epoch and Sequence together identify an event for all time. The epoch
// is a random number that changes with each Open, because the numbers of events that were only in memory are used again.
// Events left from an earlier run keep their epoch and their number, and are returned first. A receiver that remembers
// the highest number of each epoch can recognize duplicates.
//
// # On disk
//
// Disk and Durable have a log each (package journal), in subdirectories of Dir. Each log is in order, and Next merges
// them. A segment is deleted once all its events are acknowledged or dropped, and never earlier. Each record also states
// up to which number events were acknowledged when it was written, so that few events are sent twice after a crash.
// Events that are not written are in memory, as are the newest of those that are. The rest of a backlog is read back one
// segment at a time.
//
// Open succeeds whatever the files contain: see there. If the disk is full, broken or read-only, the spool continues in
// memory, bounded by MaxMemory. It raises an alarm (State.Alarm), logs an error, and retries.
//
// # Held events
//
// An event of class Disk or Durable that the far side rejects is held, together with all later events of its topic.
// Held events have their own log, so that other topics are not delayed. Retry makes Next return the first event of
// each held topic again. The caller invokes it when success is likely, and the spool itself does so from time to
// time. Once that event is acknowledged, the other events of the topic follow in order.
//
// # Limits
//
// MaxOctets, MaxAge and MaxMemory bound the spool. Drop decides which events are dropped when it is full. Each series of
// drops leaves one Gap: an event that is forwarded in place of the missing ones. Events in flight, from Next to Ack, are
// not dropped. Held events are dropped first, oldest first.
//
// Age is measured by a clock of the spool's own. It advances only while the spool is open, and its time is written into
// the records. The time of day may jump, as on a board that boots in 1970, without affecting the age of events.
//
//	spool.go     types, options and state
//	put.go       Put, and dropping events at the limits
//	next.go      Next, Ack, Peek and Discard
//	lane.go      the events of one class, on disk and in memory; list.go: those in memory; cursor.go: iterating over both
//	hold.go      events that the far side rejects: topics and their states; hold_move.go: moving events to the held ones;
//	             hold_read.go: returning them from Next; hold_drop.go: dropping them; hold_log.go, hold_open.go: their log
//	expire.go    events that have expired
//	gap.go       gaps
//	schedule.go  when to write, delete, expire and retry: no I/O
//	run.go       the goroutine that does so
//	commit.go    writing events to their log
//	open.go      recovery
//	record.go    the encoding of records
package spool
