package lines

import (
	"bytes"
	"errors"
	"time"
)

// framer splits a stream of bytes into telegrams. It belongs to one goroutine at a time.
type framer struct {
	// Static after construction.
	t    *Telegram
	good func(telegram []byte)            // takes each telegram; valid during the call only
	bad  func(telegram []byte, err error) // takes each one that is dropped; likewise

	buf    []byte    // the telegram so far; at most t.max() bytes
	ended  int       // the first bytes of buf that hold no End
	last   time.Time // when the last bytes arrived
	cut    bool      // buf may begin in the middle of a telegram, as the port was just opened
	credit int       // bytes that may be examined once more, see resync
}

// maxCredit and creditPerByte bound the work of a device that sends nothing but beginnings of telegrams: each byte received
// allows for the examination of some more.
const (
	creditPerByte = 32
	maxCredit     = MaxTelegram
)

func newFramer(t *Telegram, now time.Time, good func([]byte), bad func([]byte, error)) *framer {
	return &framer{t: t, good: good, bad: bad, last: now, cut: len(t.Begin) == 0}
}

// push takes bytes that arrived at now.
func (f *framer) push(octets []byte, now time.Time) {
	if len(octets) == 0 {
		return
	}
	pause := f.t.Silence
	if pause == 0 {
		pause = silence
	}
	if now.Sub(f.last) >= pause {
		f.paused()
	}
	f.last = now
	f.credit = min(f.credit+creditPerByte*len(octets), maxCredit)
	for len(octets) > 0 {
		n := min(len(octets), f.t.max()-len(f.buf))
		f.buf = append(f.buf, octets[:n]...)
		octets = octets[n:]
		f.split()
	}
}

// paused is called when the device was silent. It is safe to call it again before the next push.
func (f *framer) paused() {
	switch {
	case f.t.Silence == 0: // a pause does not end a telegram of this format, but the bytes after it begin a whole one
		f.cut = f.cut && len(f.buf) > 0
		return
	case f.bySilence() && len(f.buf) > 0:
		if f.seek(); len(f.buf) > 0 {
			f.take(len(f.buf))
		}
	case len(f.buf) > 0:
		f.fail(len(f.buf), errTruncated)
	}
	f.buf, f.ended, f.cut = f.buf[:0], 0, false
}

// bySilence reports whether telegrams end by silence only.
func (f *framer) bySilence() bool { return f.t.Length == 0 && f.t.LengthType == 0 && len(f.t.End) == 0 }

// split takes all telegrams that are complete off the buffer.
func (f *framer) split() {
	for f.seek(); len(f.buf) > 0; f.seek() {
		n, err := f.length()
		switch {
		case err != nil:
			f.fail(len(f.buf), err)
		case n > 0 && n <= len(f.buf):
			f.take(n)
		case len(f.buf) == f.t.max():
			f.fail(len(f.buf), errTooLong)
		default:
			return
		}
	}
}

// seek drops the bytes before a beginning of a telegram.
func (f *framer) seek() {
	begin := f.t.Begin
	if len(begin) == 0 {
		return
	}
	if at := bytes.Index(f.buf, begin); at >= 0 {
		f.drop(at)
		return
	}
	keep := min(len(begin)-1, len(f.buf)) // these bytes may be the first of a beginning
	for ; keep > 0 && !bytes.HasPrefix(begin, f.buf[len(f.buf)-keep:]); keep-- {
	}
	f.drop(len(f.buf) - keep)
}

// length returns the length of the telegram in the buffer, or 0 if it is not known yet.
func (f *framer) length() (int, error) {
	t := f.t
	if len(f.buf) < len(t.Begin) {
		return 0, nil
	}
	switch {
	case t.Length > 0:
		return t.Length, nil
	case t.LengthType != 0:
		if len(f.buf) < t.LengthAt+t.LengthType.size() {
			return 0, nil
		}
		n := t.LengthType.integer(f.buf[t.LengthAt:], t.Little) + int64(t.LengthAdd)
		if n < int64(t.min()) || n > int64(t.max()) {
			return 0, errLength
		}
		return int(n), nil
	case len(t.Escape) > 0:
		return f.escaped()
	case len(t.End) > 0:
		from := max(f.ended, len(t.Begin))
		if from > len(f.buf) {
			return 0, nil
		}
		at := bytes.Index(f.buf[from:], t.End)
		if at < 0 {
			f.ended = max(0, len(f.buf)-len(t.End)+1)
			return 0, nil
		}
		f.ended = from + at
		return f.ended + len(t.End) + t.Trailer, nil
	}
	return 0, nil
}

// escaped is length for telegrams with escape sequences.
func (f *framer) escaped() (int, error) {
	escape, end := f.t.Escape, f.t.End
	for f.ended = max(f.ended, len(f.t.Begin)); f.ended < len(f.buf); {
		at := bytes.Index(f.buf[f.ended:], escape)
		if at < 0 {
			f.ended = max(f.ended, len(f.buf)-len(escape)+1)
			return 0, nil
		}
		f.ended += at
		switch rest := f.buf[f.ended:]; {
		case bytes.HasPrefix(rest, end):
			return f.ended + len(end) + f.t.Trailer, nil
		case bytes.HasPrefix(rest[len(escape):], escape): // data
			f.ended += 2 * len(escape)
		case len(rest) >= 2*len(escape):
			return 0, errEscape
		default:
			return 0, nil
		}
	}
	return 0, nil
}

// take takes the first n bytes as a telegram if they are valid.
func (f *framer) take(n int) {
	telegram := f.buf[:n]
	err := errTooShort
	if n >= f.t.min() {
		err = f.t.verify(telegram)
	}
	if err != nil || f.cut && f.t.Check.Name == "" {
		if err == nil {
			err = errTruncated
		}
		f.fail(n, err)
		return
	}
	f.cut = false
	f.good(telegram)
	f.drop(n)
}

// fail drops a telegram of n bytes that is not valid. Another one may begin within it: a telegram that was cut off, or data
// that look like a beginning.
func (f *framer) fail(n int, err error) {
	cut := f.cut
	f.cut = false
	if cut {
		err = errors.Join(errPartial, err)
	}
	f.bad(f.buf[:n], err)
	if len(f.t.Begin) == 0 || f.credit < n {
		f.drop(n)
		return
	}
	f.credit -= n
	f.drop(1)
	if within := bytes.Index(f.buf[:n-1], f.t.Begin); within < 0 {
		// A beginning may extend over the telegram's end.
		f.drop(max(0, n-len(f.t.Begin)))
	} else {
		f.drop(within)
	}
}

// errPartial marks a telegram that may have begun before the port was opened.
var errPartial = errors.New("partial")

func (f *framer) drop(n int) {
	if n == 0 {
		return
	}
	f.buf = f.buf[:copy(f.buf, f.buf[n:])]
	f.ended = 0
}
