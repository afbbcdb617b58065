// Package conn is a client of NATS servers: the client protocol of nats-server 2.2 and later, with headers, over one connection.
//
// Open performs the handshake on a connection that the caller has dialled, and Run serves it until it ends. A Conn
// does not reconnect, and it does not follow the URLs that the server announces.
//
// The goroutine of Run reads, and calls all handlers. A handler must not wait: it may call Publish, Subscribe,
// Unsubscribe, Inbox and Send, but not Request, Flush and Room. All other methods may be called from any goroutine,
// also before Run.
//
// Memory is bounded, whatever the server sends: a line has at most maxLine bytes, and a message MaxMessage bytes.
// Longer messages are skipped. MaxBuffered bounds the bytes that wait to be sent.
//
// Specification: https://docs.nats.io/reference/reference-protocols/nats-protocol, ADR-4 (headers).
package conn
