// Package remote is the session that a command has with a running router: the flags that say which router and with which
// identity, the connection, the router's own procedures, and errors with a remedy.
package remote
