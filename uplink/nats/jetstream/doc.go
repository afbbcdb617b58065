// Package jetstream stores messages in the streams of a NATS cluster and reads them by durable consumers, over a conn.Conn. It
// needs nats-server 2.9 or later with JetStream.
//
// Each function sends one request to a subject of the API, so a user's permissions can be set by subject. A JetStream
// lives as long as its connection.
//
// Specification: https://docs.nats.io/reference/reference-protocols/nats_api_reference, ADR-8 (key-value buckets), ADR-13 (pull
// subscriptions).
package jetstream
