package sml

import (
	"bytes"
	"errors"
)

// The escape sequence, and the sequences with which a telegram begins and ends (transport protocol, version 1). The
// number of fill bytes and a CRC-16/X-25 of all bytes before it, lowest byte first, follow End. Data that look like the
// escape sequence are preceded by another one.
const (
	Escape  = "\x1b\x1b\x1b\x1b"
	Begin   = Escape + "\x01\x01\x01\x01"
	End     = Escape + "\x1a"
	Trailer = 3 // bytes after End
)

// maxFill is the largest number of fill bytes: they fill the last four bytes of a telegram.
const maxFill = 3

var errTransport = errors.New("not an SML telegram")

// content returns the messages of a telegram.
func content(telegram []byte) ([]byte, error) {
	frame := len(Begin) + len(End) + Trailer
	if len(telegram) < frame || string(telegram[:len(Begin)]) != Begin {
		return nil, errTransport
	}
	fill := int(telegram[len(telegram)-Trailer])
	body := telegram[len(Begin) : len(telegram)-len(End)-Trailer]
	if fill > maxFill || fill > len(body) {
		return nil, errTransport
	}
	return bytes.ReplaceAll(body[:len(body)-fill], []byte(Escape+Escape), []byte(Escape)), nil
}
