// Package remote connects a command with a running router. It has the flags that select the router and the identity,
// the connection, the router's own procedures, and errors with a remedy.
package remote
