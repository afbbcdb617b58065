package journal

import (
	"errors"
	"testing"
)

// After the first sync of a log has failed, its only segment has no records, and Rewrite replaces it. The new segment must
// not be taken for the old one.
func TestRewriteAfterTheFirstSyncFailed(t *testing.T) {
	disk, l := failedFirstSync(t)
	if err := l.Rewrite(list([]string{"one"})); !errors.Is(err, disk.sync) {
		t.Fatal(err)
	}
	disk.sync = nil
	if err := l.Rewrite(list([]string{"one", "two"})); err != nil || l.Records() != 2 || len(l.Segments()) != 1 {
		t.Errorf("%v, %+v", err, l.Segments())
	}
	l.again().holds("one", "two")
}

// The same where no new segment can be begun.
func TestRewriteWithoutASegment(t *testing.T) {
	disk, l := failedFirstSync(t)
	disk.sync, disk.append = nil, errors.New("no space")
	for range 2 {
		if err := l.Rewrite(list([]string{"one"})); !errors.Is(err, disk.append) || l.Records() != 0 {
			t.Errorf("%v, %+v", err, l.Segments())
		}
	}
	disk.append = nil
	if err := l.Rewrite(list([]string{"one"})); err != nil {
		t.Error(err)
	}
	l.again().holds("one")
}
