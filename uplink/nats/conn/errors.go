package conn

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// Errors of single operations. Except for ErrClosed, the connection remains usable.
var (
	ErrClosed       = errors.New("nats: the connection is closed")
	ErrNoResponders = errors.New("nats: no subscriber answers at this subject")
	ErrTimeout      = errors.New("nats: no answer in time")
	ErrFull         = errors.New("nats: the server accepts no more bytes")
	ErrSubject      = errors.New("nats: invalid subject")
)

// TooLarge is a message that the server does not accept. Size and Limit are in bytes.
type TooLarge struct{ Size, Limit int }

func (e *TooLarge) Error() string {
	return fmt.Sprintf("nats: the message has %d bytes; the server accepts at most %d", e.Size, e.Limit)
}

// Denied is a violation of the server's permissions.
type Denied struct {
	Publish bool   // else it was a SUB
	Subject string // "": the server did not name it
	Queue   string
	Text    string // of the server
}

func (e *Denied) Error() string { return "nats: " + e.Text }

// ServerError is an -ERR of the server that ends the connection or the handshake.
type ServerError struct{ Text string }

func (e *ServerError) Error() string {
	return "the server says: " + e.Text + hint(e.Text)
}

// hints maps texts of the server, in lower case, to remedies. The first that is part of an error applies.
var hints = [][2]string{
	{"authorization violation", "check credentials, user, password or token"},
	{"authentication timeout", "the line is too slow, or the server too busy"},
	{"account authentication expired", "the account needs a new JWT"},
	{"authentication expired", "write new credentials"},
	{"authentication revoked", "write new credentials"},
	{"secure connection", "write tls+nats:// into url"},
	{"maximum connections", "raise max_connections of the server"},
	{"maximum account", "raise the account's limit of connections"},
	{"maximum payload", "raise max_payload of the server"},
}

func hint(text string) string {
	text = strings.ToLower(text)
	for _, h := range hints {
		if strings.Contains(text, h[0]) {
			return "; " + h[1]
		}
	}
	return ""
}

// maxWords bounds a text of the server in errors and logs, in bytes.
const maxWords = 300

// words returns a text of the server for errors and logs.
func words(text []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return -1
	}, string(text[:min(len(text), maxWords)]))
}

// parseErr returns the error of an -ERR line, and whether the connection stays open.
func parseErr(line []byte) (err error, goesOn bool) {
	text := strings.Trim(words(line), " '")
	low := strings.ToLower(text)
	switch {
	case strings.HasPrefix(low, "permissions violation"):
		d := &Denied{Publish: strings.Contains(low, "for publish"), Text: text}
		if !strings.Contains(low, "with reply of") {
			d.Subject = quoted(line, " to ")
		}
		d.Queue = quoted(line, "using queue ")
		return d, true
	case strings.HasPrefix(low, "invalid"), strings.HasPrefix(low, "maximum subscriptions"):
		return &ServerError{text}, true
	}
	return &ServerError{text}, false
}

// quoted returns the text that the server has quoted after a word, with quotes as in Go; "" if there is none.
func quoted(line []byte, behind string) string {
	_, text, _ := strings.Cut(string(line), behind)
	text, _ = strconv.QuotedPrefix(text)
	text, _ = strconv.Unquote(text)
	return text
}
