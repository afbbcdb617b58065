// Package store keeps the events of a realm: the retained events of its topics (Retained), and the histories of topics and
// patterns (History). Both are in memory and bounded; a Disk saves them without delaying the routing.
package store
