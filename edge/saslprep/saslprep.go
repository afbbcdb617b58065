// Package saslprep prepares names and passwords for SCRAM. Client and router use it.
package saslprep

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Prepare prepares a name or a password, so that different ways to type the same text give the same octets (RFC 4013).
// It omits two checks that would only reject texts, because they need large tables: for bidirectional text, and for
// characters that are not in Unicode 3.2.
func Prepare(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", errors.New("not UTF-8")
	}
	text = norm.NFKC.String(strings.Map(mapSpace, text))
	for _, c := range text {
		if prohibited(c) {
			return "", fmt.Errorf("prohibited character %U", c)
		}
	}
	return text, nil
}

// mapSpace maps every space to ' ' and removes invisible characters (RFC 3454, tables B.1 and C.1.2).
func mapSpace(c rune) rune {
	switch {
	case unicode.Is(invisible, c):
		return -1
	case unicode.Is(unicode.Zs, c):
		return ' '
	}
	return c
}

var invisible = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00ad, Hi: 0x00ad, Stride: 1}, {Lo: 0x034f, Hi: 0x034f, Stride: 1}, {Lo: 0x1806, Hi: 0x1806, Stride: 1},
		{Lo: 0x180b, Hi: 0x180d, Stride: 1}, {Lo: 0x200b, Hi: 0x200d, Stride: 1}, {Lo: 0x2060, Hi: 0x2060, Stride: 1},
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, {Lo: 0xfeff, Hi: 0xfeff, Stride: 1},
	},
	LatinOffset: 1,
}

// prohibited reports whether c is in one of the tables C.2 to C.9 of RFC 3454.
func prohibited(c rune) bool {
	return unicode.In(c, unicode.Cc, unicode.Co, unicode.Noncharacter_Code_Point, outOfPlace)
}

// outOfPlace contains separators, direction marks and deprecated controls (C.2.2), replacement characters (C.6),
// description characters (C.7), display properties (C.8) and tags (C.9).
var outOfPlace = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x0340, Hi: 0x0341, Stride: 1}, {Lo: 0x06dd, Hi: 0x06dd, Stride: 1}, {Lo: 0x070f, Hi: 0x070f, Stride: 1},
		{Lo: 0x180e, Hi: 0x180e, Stride: 1}, {Lo: 0x200e, Hi: 0x200f, Stride: 1}, {Lo: 0x2028, Hi: 0x202e, Stride: 1},
		{Lo: 0x2061, Hi: 0x2063, Stride: 1}, {Lo: 0x206a, Hi: 0x206f, Stride: 1}, {Lo: 0x2ff0, Hi: 0x2ffb, Stride: 1},
		{Lo: 0xfff9, Hi: 0xfffd, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1d173, Hi: 0x1d17a, Stride: 1}, {Lo: 0xe0001, Hi: 0xe0001, Stride: 1}, {Lo: 0xe0020, Hi: 0xe007f, Stride: 1},
	},
}
