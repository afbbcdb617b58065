package logbook

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The number of log lines is bounded, and the counts are complete, whatever number of peers joins and leaves.
func TestLogbook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		book := Book{Log: slog.New(slog.NewTextHandler(&text, nil))}
		const minutes, rate = 10, 100
		written := 0
		for range minutes * 60 * rate {
			if book.Allow(Joins) {
				written++
			}
			book.Allow(Ends)
			time.Sleep(time.Second / rate)
		}
		book.Close()
		book.Close() // no summary is due
		if most := minutes * 6 * linesLogged; written > most || written < most/2 {
			t.Errorf("%d lines in %d minutes", written, minutes)
		}
		summaries := strings.Count(text.String(), "\n")
		if summaries < minutes*5 || summaries > minutes*6+1 {
			t.Errorf("%d summaries in %d minutes", summaries, minutes)
		}
		if !strings.Contains(text.String(), " joined=980 ended=980") {
			t.Errorf("no summary has the right counts:\n%.500s", text.String())
		}
	})
}

func TestLogbookOfFew(t *testing.T) {
	var text bytes.Buffer
	book := Book{Log: slog.New(slog.NewTextHandler(&text, nil))}
	for range linesLogged {
		if !book.Allow(Joins) || !book.Allow(Ends) {
			t.Fatal("a line is left out")
		}
	}
	book.Close()
	if text.Len() > 0 {
		t.Error(text.String())
	}
	if book.Allow(Ends) {
		t.Error("one line too many is written")
	}
	book.Close()
	if line := text.String(); !strings.Contains(line, "ended=1") || strings.Contains(line, "joined") {
		t.Error(line)
	}
}

// A summary that was written early is not followed by another before the next window ends.
func TestLogbookClosedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		book := Book{Log: slog.New(slog.NewTextHandler(&text, nil))}
		for summaries := range 2 {
			for range linesLogged + 1 {
				book.Allow(Joins)
			}
			time.Sleep(logWindow * 2 / 3)
			synctest.Wait()
			if n := strings.Count(text.String(), "\n"); n != summaries {
				t.Errorf("%d summaries, expected %d", n, summaries)
			}
			book.Close()
		}
	})
}
