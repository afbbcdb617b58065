// Package term is how the commands read and print: values and payloads as text, escaped for terminals; tables; lines and
// passwords from standard input. Text from a peer or a device never reaches a terminal unescaped.
package term
