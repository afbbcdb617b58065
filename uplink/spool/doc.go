// Package spool keeps events until the far side of a link has them: store and forward.
//
//	s, err := spool.Open(spool.Options{Dir: "/var/lib/runnel/uplink/central", Log: log})
//	go s.Run(ctx)
//
//	s.Put(spool.Event{Class: spool.Durable, Topic: "com.example.weather", Payload: p}, func(err error) {
//		// nil: the event survives a power cut from now on
//	})
//
//	s.Rewind() // at each connect: what is not acknowledged comes again, in order
//	for after := uint64(0); ; { // the drain: one goroutine
//		events, err := s.Next(ctx, after, 100)
//		... send them in this order, and when the far side has one: s.Ack(e.Sequence), or rejects it: s.Hold(e.Sequence, why)
//		after = events[len(events)-1].Sequence // of the last that is not Held
//	}
//
// # Classes
//
//	Memory    is never written
//	Disk      is written when it has not been acknowledged for SpillAfter, and when Run ends
//	Durable   is written and synced before Put's callback says so, together with all others of Options.Sync
//
// What the far side acknowledges before it is due to be written is not written at all: while a link is up and quick, flash
// memory has nothing to do.
//
// # Identity
//
// Events are numbered in the order of Put. Node, Epoch and Sequence together name an event for all times: the epoch, a
// random number, is another one after each Open, for an event that was in memory only took its number with it. What is
// left from an earlier run keeps its own epoch and its number, and comes first. So a receiver that remembers the highest
// number of each epoch can tell the repeats.
//
// # On disk
//
// Disk and Durable have a log each (package journal), below Dir: what is written of one class is in order, and Next
// merges. A segment is deleted when all in it is acknowledged, and never before. Each record says how far the far side
// had acknowledged when it was written, so that after a crash little is sent twice. Memory holds what is not written and
// the newest of what is; the rest of a backlog is read back a segment at a time.
//
// Opening always succeeds, whatever is in the files: see Open. A full, broken or read-only disk leaves the spool in memory,
// bounded by MaxMemory, with an alarm (State.Alarm) and a line in the log, until it can be written to again.
//
// # Held events
//
// An event of class Disk or Durable that the far side rejects is held, and all later ones of its topic with it, in a log of
// their own: the other topics go on. Retry has the first event of each held topic sent once more; it is called when there is
// hope, and by the spool itself now and then. Where that event is acknowledged the rest follows in order.
//
// # Caps
//
// MaxOctets, MaxAge and MaxMemory bound the spool, Drop says what goes when it is full. Each run of drops leaves one Gap, an
// event of its own, which is forwarded like data where the events are missing. What is under way, from Next to Ack, is
// not dropped. Held events go first, the oldest of them.
//
// Age is counted by a clock of the spool's own, which goes on only while the spool is open and is written into the
// records. The time of day may jump from 1970 to today and back: it means nothing here.
//
//	spool.go     what the caller sees
//	put.go       an event comes in; the caps
//	next.go      and goes out: Next, Ack, Peek, Discard
//	lane.go      the events of one class, in memory and in the log
//	hold.go      what the far side rejects: topics and their states; hold_move.go: events on their way there;
//	             hold_read.go: and back to Next; hold_drop.go: or away; hold_log.go, hold_open.go: their log
//	gap.go       what is left of those that were dropped
//	run.go       the goroutine that writes: commits, spills, age
//	open.go      recovery
//	record.go    a record's octets
package spool
