package conn

import (
	"strconv"

	"runnel/transport/batch"
)

// writer writes messages and lines of the protocol in batches.
type writer struct {
	*batch.Writer
	limit int // of the waiting bytes
}

// send queues a message: PUB or HPUB.
func (w *writer) send(m *Out) error {
	return w.Append(func(b []byte, waiting uint64) ([]byte, error) {
		header := len(m.Header)
		if header > 0 {
			header += len("\r\n")
		}
		size := header + len(m.Data)
		if waiting > 0 && waiting+uint64(size+len(m.Subject)+len(m.Reply)) > uint64(w.limit) {
			return nil, ErrFull
		}
		if header > 0 {
			b = append(b, 'H')
		}
		b = append(append(b, "PUB "...), m.Subject...)
		b = append(b, ' ')
		if m.Reply != "" {
			b = append(append(b, m.Reply...), ' ')
		}
		if header > 0 {
			b = append(strconv.AppendInt(b, int64(header), 10), ' ')
		}
		b = append(strconv.AppendInt(b, int64(size), 10), "\r\n"...)
		if header > 0 {
			b = append(append(b, m.Header...), "\r\n"...)
		}
		return append(append(b, m.Data...), "\r\n"...), nil
	})
}

// line queues a line of the protocol made of words.
func (w *writer) line(parts ...string) error {
	return w.Append(func(b []byte, _ uint64) ([]byte, error) {
		for i, p := range parts {
			if i > 0 {
				b = append(b, ' ')
			}
			b = append(b, p...)
		}
		return append(b, "\r\n"...), nil
	})
}
