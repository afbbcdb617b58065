// Package term is how the commands read and print: values and payloads as text, escaped for terminals; tables; lines and
// passwords from standard input. What a peer or a device sends never reaches a terminal unescaped.
package term
