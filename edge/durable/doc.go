// Package durable keeps the events of durable subscriptions on disk until their consumers have acknowledged them.
//
// The events of a realm are stored once, in a log (package journal). A durable subscription is a name, a topic or pattern, and
// a cursor in the log: ten of them cost one copy. Events have positions 1, 2, 3, ... in the order in which they were routed.
// Everything up to a subscription's floor is done; the events above it that match are its backlog.
//
// One goroutine (Store.Run) writes the log. It takes all events that have arrived meanwhile, in blocks (record.go), writes them with one
// call, and syncs if a publisher waits. So a slow disk delays only these publishers. Events that it cannot write are counted. A gap record
// reports them once the log can be written again.
//
// While a subscription has consumers, a goroutine of its own reads the log and hands events out (deliver.go). Each event goes
// to one consumer. An event that was not acknowledged is free again when its consumer has left, has refused it, or has been
// silent for too long. Free events come first, in order, and are marked as redelivered.
//
// Bounds by number, size and age drop the oldest events of a backlog; the consumer gets a gap in their place. The log as a
// whole is bounded, too: beyond its limit the oldest segment is removed, even if a subscription still needs it.
//
// Store.mu guards everything that is not owned by Run. It is never held over I/O or while a Consumer is called.
package durable
