// Package codec reads and writes WAMP messages in CBOR, MessagePack and JSON.
package codec
