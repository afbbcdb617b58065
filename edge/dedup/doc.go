// Package dedup recognizes publications that were routed before, so that a sender may repeat them until they are acknowledged.
//
// A sender numbers its publications 1, 2, 3, ... A numbering is identified by a Key: the authid that publishes, the
// node that numbers, and an epoch. A node that has lost its count begins another epoch. Numbers may have gaps, they
// may arrive out of order, and a failed publication may be repeated.
//
// A Table is the memory of one realm. It is bounded, and no client can displace the numberings of others:
//
//   - A numbering belongs to an authid, so a client cannot use up the numbers of another authid.
//   - A client keeps at most maxOwn numberings that it has begun. One more replaces the least recently used of them.
//   - Each connected client keeps one numbering. All others share the room of the table (Table.MaxOctets). When it is full,
//     the longest abandoned numbering is forgotten: first of those that only one client has used, then of those that several
//     clients have used. If none is abandoned, the client replaces one that it uses itself.
//   - A client that forwards the publications of others may fill half of the table before it replaces its own.
//   - The gaps of each numbering are bounded (maxSpans), and so are those of a table (maxAllSpans). If a numbering has more, its
//     lowest numbers count as missing: a repetition of such a publication is routed again.
//
// A Log keeps a table on disk. A group of publications costs one short record, whatever the number of gaps. A publication is
// recorded before it is acknowledged, so a router that is killed routes nothing twice. After a power cut, at most the
// publications since the last sync are routed again.
//
// The type parameter W is the data that the caller keeps with a publication in progress.
package dedup
