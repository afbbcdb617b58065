package sml

import (
	"errors"
	"fmt"
	"strings"
)

// getListResponse is the tag of the message with a meter's values.
const getListResponse = 0x0701

// Lengths of the lists that are read.
const (
	messageLength = 6 // transaction, group, abort on error, body, CRC, end
	bodyLength    = 2 // tag, content
	listLength    = 7 // client, server, name, time, values, signature, time of the gateway
	entryLength   = 7 // code, status, time, unit, scaler, value, signature
	codeLength    = 6
)

// Entry is a value of a meter.
type Entry struct {
	Code  string // OBIS code, "1-0:1.8.0"
	Value any    // bool, int64, uint64, float64 or string
	Unit  string // "" if the meter sends none
}

// Meter holds the values that a meter has sent.
type Meter struct {
	Server  string // identity of the meter or of its communication unit; "" if it sends none
	Entries []Entry
}

// Read returns the values in a telegram with its escape sequences. It does not verify the CRC. Messages of other kinds are
// skipped.
func Read(telegram []byte) (m Meter, err error) {
	body, err := content(telegram)
	if err != nil {
		return m, err
	}
	r := reader{body}
	for len(r.rest) > 0 {
		if r.rest[0] == 0 { // a fill byte of a meter that does not count them
			r.rest = r.rest[1:]
			continue
		}
		if err := r.message(&m); err != nil {
			return m, err
		}
	}
	if len(m.Entries) == 0 {
		return m, errors.New("no value in the SML telegram")
	}
	return m, nil
}

// message reads a message.
func (r *reader) message(m *Meter) error {
	if err := r.list(messageLength); err != nil {
		return err
	}
	if err := r.skip(3); err != nil {
		return err
	}
	if err := r.list(bodyLength); err != nil {
		return err
	}
	tag, err := r.next()
	if err != nil {
		return err
	}
	if number, ok := tag.bits(); ok && tag.kind == unsigned && number == getListResponse {
		err = r.values(m)
	} else {
		err = errors.Join(r.skip(tag.count), r.skip(1))
	}
	if err != nil {
		return err
	}
	if err := r.skip(1); err != nil { // the CRC of the message: that of the telegram covers it
		return err
	}
	if end, err := r.next(); err != nil || end.kind != ending {
		return errors.Join(err, errMessage)
	}
	return nil
}

// values reads the content of a message with values.
func (r *reader) values(m *Meter) error {
	if err := r.list(listLength); err != nil {
		return err
	}
	if err := r.skip(1); err != nil {
		return err
	}
	server, err := r.value()
	if err != nil {
		return err
	}
	if m.Server == "" && server.kind == octets {
		m.Server = identity(server.data)
	}
	if err := r.skip(2); err != nil {
		return err
	}
	entries, err := r.next()
	if err != nil {
		return err
	}
	if entries.kind != list {
		return errMessage
	}
	for range entries.count {
		if err := r.entry(m); err != nil {
			return err
		}
	}
	return r.skip(2)
}

// entry reads a value. Values that are lists themselves, and those without a code, are left out.
func (r *reader) entry(m *Meter) error {
	if err := r.list(entryLength); err != nil {
		return err
	}
	var of [entryLength]element
	for i := range of {
		e, err := r.value()
		if err != nil {
			return err
		}
		of[i] = e
	}
	code, unit, scaler, value := of[0], of[3], of[4], of[5]
	if code.kind != octets || len(code.data) != codeLength {
		return nil
	}
	if v, ok := value.scaled(scaler); ok {
		m.Entries = append(m.Entries, Entry{obis(code.data), v, unit.unit()})
	}
	return nil
}

// obis formats a code. Group F is left out for current values, as meters with text do.
func obis(b []byte) string {
	code := fmt.Sprintf("%d-%d:%d.%d.%d", b[0], b[1], b[2], b[3], b[4])
	if b[5] != 255 {
		code += fmt.Sprintf("*%d", b[5])
	}
	return code
}

// identity formats the identity of a meter as it is printed on it (DIN 43863-5): 1EMH0012345678. Others are formatted as text.
func identity(b []byte) string {
	if len(b) == 10 && (b[0] == 9 || b[0] == 10) && b[1] < 10 && strings.Trim(string(b[2:5]), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		number := uint32(b[6])<<24 | uint32(b[7])<<16 | uint32(b[8])<<8 | uint32(b[9])
		return fmt.Sprintf("%d%s%02X%08d", b[1], b[2:5], b[5], number)
	}
	return text(b)
}
