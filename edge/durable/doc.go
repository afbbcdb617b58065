// Package durable keeps the events of durable subscriptions on disk until their consumers have acknowledged them.
//
// The events of a realm are stored once, in a log (package journal). A durable subscription is a name, a topic or pattern, and
// a cursor in the log, so ten subscriptions share one copy of an event. Events have positions 1, 2, 3, ... in the order in
// which they were routed. Everything up to a subscription's floor is done; the matching events above it are its backlog.
//
// One goroutine (Store.Run) writes the log. It packs all events that have arrived meanwhile into blocks (record.go),
// writes them with one call, and syncs if a publisher waits. A slow disk therefore delays only these publishers.
// Events that it cannot write are counted. A gap record reports them once the log can be written again.
//
// While a subscription has consumers, its own goroutine reads the log and delivers the events (deliver.go). Each event
// goes to one consumer. An event that was not acknowledged becomes free again when its consumer leaves, refuses it, or
// is silent for too long. Free events come first, in order, and are marked as redelivered.
//
// Bounds on number, size and age drop the oldest events of a backlog; the consumer gets a gap in their place. The log
// as a whole is bounded, too: beyond its limit the oldest segment is removed, even if a subscription still needs it.
//
// Store.mu guards everything that is not owned by Run. It is never held over I/O or while a Consumer is called.
package durable
