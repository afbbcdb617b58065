package lines

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Limits of Telegram.Max in bytes.
const (
	DefaultTelegram = 4 << 10
	MinTelegram     = 2
	MaxTelegram     = 64 << 10
)

// Limits of Telegram.Silence. USB adapters deliver the bytes of a telegram in chunks up to about 16 ms apart.
const (
	MinSilence = 2 * time.Millisecond
	MaxSilence = time.Minute
)

// Telegram describes messages of several lines or of bytes. A telegram begins with Begin, or after the end of the previous
// one. It ends by Length, by LengthType, by End, or else by Silence.
type Telegram struct {
	Begin, End []byte
	Trailer    int           // bytes after End that belong to the telegram
	Length     int           // of the whole telegram in bytes
	LengthType Binary        // type of a length within the telegram; 0 for none
	LengthAt   int           // its position
	LengthAdd  int           // added to it for the whole telegram's length
	Little     bool          // byte order of the length within the telegram
	Silence    time.Duration // ends a telegram; if it ends otherwise, drops an incomplete one
	Escape     []byte        // of SML: End begins with it, and data that look like it are preceded by it once more; nil for none
	Max        int           // bytes; 0 for DefaultTelegram
	Check      Check
	LineCheck  string // check of each line within, one of LineCheckNames; "" for none
}

// Check describes the checksum of a telegram. The value is at the end of the telegram or, if the trailer has no room
// for it, directly before End.
type Check struct {
	Name    string // one of CheckNames; "" for none
	Hex     bool   // the value is in hexadecimal digits
	Little  bool   // byte order of a binary value of 16 bits
	Skip    int    // bytes at the beginning of the telegram that it does not cover
	SkipEnd int    // bytes before the value that it does not cover
}

// size returns the number of bytes of the value.
func (c Check) size() int {
	n := checks[c.Name].bytes
	if c.Hex {
		n *= 2
	}
	return n
}

// max returns the length of the longest telegram.
func (t *Telegram) max() int { return cmp.Or(t.Max, DefaultTelegram) }

// min returns the length of the shortest telegram.
func (t *Telegram) min() int {
	n := max(1, len(t.Begin)+len(t.End)+t.Trailer, t.Check.Skip+t.Check.SkipEnd+t.Check.size()+t.behind())
	if t.LengthType != 0 {
		n = max(n, t.LengthAt+t.LengthType.size())
	}
	return n
}

// behind returns how many bytes follow the check value.
func (t *Telegram) behind() int {
	if t.Check.Name == "" || t.Trailer >= t.Check.size() {
		return 0
	}
	return t.Trailer + len(t.End)
}

// Validate returns an error that names the invalid setting.
func (t *Telegram) Validate() error {
	if t.Max != 0 && (t.Max < MinTelegram || t.Max > MaxTelegram) {
		return fmt.Errorf("telegram: max %d: want %d to %d bytes", t.Max, MinTelegram, MaxTelegram)
	}
	if t.Silence != 0 && (t.Silence < MinSilence || t.Silence > MaxSilence) {
		return fmt.Errorf("telegram: silence %v: want %v to %v", t.Silence, MinSilence, MaxSilence)
	}
	if _, known := checks[t.Check.Name]; !known && t.Check.Name != "" {
		return fmt.Errorf("telegram: check %q is not known", t.Check.Name)
	}
	if !slices.Contains(LineCheckNames, t.LineCheck) && t.LineCheck != "" {
		return fmt.Errorf("telegram: line_check %q is not known", t.LineCheck)
	}
	switch {
	case t.Length == 0 && t.LengthType == 0 && len(t.End) == 0 && t.Silence == 0:
		return errors.New("telegram: its end is missing; set end, length, length_type or silence")
	case t.Length != 0 && t.LengthType != 0:
		return errors.New("telegram: length and length_type exclude each other")
	case (t.Length != 0 || t.LengthType != 0) && len(t.Begin) == 0 && t.Silence == 0:
		return errors.New("telegram: its beginning is missing; set begin, or the silence between telegrams")
	case t.Trailer > 0 && len(t.End) == 0:
		return errors.New("telegram: trailer without end")
	case t.LengthType != 0 && (t.LengthType == Float32 || t.LengthType == Float64 || t.LengthType.size() == 0 || t.LengthType.size() > 4):
		return errors.New("telegram: length_type: want a whole number of at most 32 bits")
	case t.Length > t.max():
		return fmt.Errorf("telegram: length %d: longer than max, %d bytes", t.Length, t.max())
	case t.Length != 0 && t.Length < t.min():
		return fmt.Errorf("telegram: length %d: too short for its parts, %d bytes", t.Length, t.min())
	case t.min() > t.max():
		return fmt.Errorf("telegram: its parts have %d bytes, but max is %d", t.min(), t.max())
	}
	return nil
}

// verify checks a telegram of at least min bytes.
func (t *Telegram) verify(telegram []byte) error {
	if end := len(telegram) - t.Trailer - len(t.End); len(t.End) > 0 && string(telegram[end:end+len(t.End)]) != string(t.End) {
		return errNoEnd
	}
	if t.Check.Name == "" {
		return nil
	}
	return t.Check.verify(telegram[:len(telegram)-t.behind()])
}

// content returns the text between Begin and End.
func (t *Telegram) content(telegram []byte) []byte {
	end := len(telegram) - t.Trailer - len(t.End)
	if t.behind() > 0 {
		end = len(telegram) - t.behind() - t.Check.size()
	} else if len(t.End) == 0 && t.Check.Name != "" {
		end -= t.Check.size()
	}
	return telegram[len(t.Begin):max(end, len(t.Begin))]
}

// Reasons for dropping a telegram.
var (
	errNoEnd     = errors.New("the telegram does not end as configured")
	errCheck     = errors.New("wrong check")
	errLength    = errors.New("the length in the telegram is out of range")
	errTooLong   = errors.New("longer than the telegram's max")
	errTooShort  = errors.New("shorter than the parts of the telegram")
	errEscape    = errors.New("unknown escape sequence in the telegram")
	errTruncated = errors.New("the telegram is incomplete")
)
