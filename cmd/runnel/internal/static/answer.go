package static

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"runnel/edge/budget"
)

// pieceSize is the number of bytes that a transfer reads at a time.
const pieceSize = 64 << 10

// answer answers a request for a file that exists.
func (s *server) answer(w http.ResponseWriter, r *http.Request, f *file) {
	size, modified := f.info.Size(), f.info.ModTime()
	tag := `"` + strconv.FormatInt(modified.UnixNano(), 36) + "-" + strconv.FormatInt(size, 36) + `"`
	h := w.Header()
	h.Set("ETag", tag)
	h.Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	if status := precondition(r.Header, tag, modified); status != 0 {
		w.WriteHeader(status)
		return
	}
	status, from, length := http.StatusOK, int64(0), size
	if r.Method == http.MethodGet && size > 0 && unchanged(r.Header, tag, modified) {
		status, from, length = selected(r.Header.Get("Range"), size)
	}
	switch status {
	case http.StatusPartialContent:
		h.Set("Content-Range", "bytes "+decimal(from)+"-"+decimal(from+length-1)+"/"+decimal(size))
	case http.StatusRequestedRangeNotSatisfiable:
		h.Set("Content-Range", "bytes */"+decimal(size))
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Type", typeOf(f.name))
	h.Set("Content-Length", decimal(length))
	if r.Method == http.MethodHead || length == 0 {
		w.WriteHeader(status)
		return
	}
	s.send(w, r, f, status, from, length)
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// send writes a part of a file, piece by piece. It disconnects a client that does not read for a while.
func (s *server) send(w http.ResponseWriter, r *http.Request, f *file, status int, from, length int64) {
	control, cut := http.NewResponseController(w), atomic.Bool{}
	b := make([]byte, min(length, pieceSize))
	account, err := s.Memory.Open(budget.Peer{Name: r.RemoteAddr, Base: len(b), Close: func() {
		cut.Store(true)
		control.SetWriteDeadline(time.Now())
	}})
	if err != nil {
		clear(w.Header())
		w.Header().Set("Retry-After", "5")
		http.Error(w, "runnel: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer account.Close()
	w.WriteHeader(status)
	for length > 0 {
		b = b[:min(length, pieceSize)]
		if err := f.readAt(b, from); err != nil {
			panic(http.ErrAbortHandler) // the client must not mistake the part that it has for the whole file
		}
		control.SetWriteDeadline(time.Now().Add(s.Stall))
		if cut.Load() {
			panic(http.ErrAbortHandler)
		}
		if _, err := w.Write(b); err != nil {
			return
		}
		from, length = from+int64(len(b)), length-int64(len(b))
	}
}

// precondition evaluates a conditional request (RFC 9110, 13.2.2). It returns 0, or the status of the answer.
func precondition(h http.Header, tag string, modified time.Time) int {
	if list := h.Get("If-Match"); list != "" {
		if !names(list, tag, false) {
			return http.StatusPreconditionFailed
		}
	} else if newer, ok := since(h, "If-Unmodified-Since", modified); ok && newer > 0 {
		return http.StatusPreconditionFailed
	}
	if list := h.Get("If-None-Match"); list != "" {
		if names(list, tag, true) {
			return http.StatusNotModified
		}
	} else if newer, ok := since(h, "If-Modified-Since", modified); ok && newer <= 0 {
		return http.StatusNotModified
	}
	return 0
}

// since compares the time of a file, in seconds, with that of a header.
func since(h http.Header, key string, modified time.Time) (newer int64, ok bool) {
	at, err := http.ParseTime(h.Get(key))
	return modified.Unix() - at.Unix(), err == nil
}

// names reports whether a list of entity tags contains tag. The weak comparison treats a weak tag like a strong one.
func names(list, tag string, weak bool) bool {
	i := strings.Index(list, tag)
	return list == "*" || i >= 0 && (weak || i < 2 || list[i-2:i] != "W/")
}

// unchanged evaluates If-Range: the range applies only to the file of which the client has the rest (RFC 9110, 13.1.5).
func unchanged(h http.Header, tag string, modified time.Time) bool {
	const key = "If-Range"
	if condition := h.Get(key); condition == "" || condition == tag {
		return true
	}
	newer, ok := since(h, key, modified)
	return ok && newer == 0
}

// selected evaluates Range (RFC 9110, 14.2). A header with several ranges, or one that is invalid, is ignored.
func selected(header string, size int64) (status int, from, length int64) {
	unit, spec, _ := strings.Cut(header, "=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !strings.EqualFold(strings.TrimSpace(unit), "bytes") || !dash {
		return http.StatusOK, 0, size
	}
	a, okA := number(first)
	b, okB := number(last)
	switch {
	case first == "" && okB: // the last b bytes
		b = min(b, size)
		from, length = size-b, b
	case okA && last == "":
		from, length = a, size-a
	case okA && okB && a <= b:
		from, length = a, min(b, size-1)-a+1
	default:
		return http.StatusOK, 0, size
	}
	if length <= 0 {
		return http.StatusRequestedRangeNotSatisfiable, 0, 0
	}
	return http.StatusPartialContent, from, length
}

// number parses digits. A number beyond the range of int64 is its greatest value.
func number(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n, true
}
