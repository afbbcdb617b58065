// Package term has the commands' input and output: values and payloads as text, escaped for terminals; tables; lines
// and passwords from standard input. Text from a peer or a device never reaches a terminal unescaped.
package term
