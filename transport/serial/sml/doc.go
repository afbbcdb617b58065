// Package sml reads the telegrams of smart meters with SML, the Smart Message Language (BSI TR-03109-1, IEC 62056-5-3-8).
//
//	transport.go  the escape sequences around and within a telegram
//	element.go    the elements of a message: lists, numbers and octet strings
//	list.go       Read: a telegram -> the values of a meter by their OBIS codes
//	unit.go       units, and the numbers of meters
//
// The memory and the time that a telegram costs grow with its length alone: the package never recurses, and a list that claims
// more elements than there are bytes is an error.
package sml
