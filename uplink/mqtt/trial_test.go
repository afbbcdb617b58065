package mqtt

import "testing"

func under(sequences ...uint64) (open []sent) {
	for _, n := range sequences {
		open = append(open, sent{sequence: n})
	}
	return open
}

// An event is convicted when the broker, having answered, has closed the connection twice with it alone under way.
func TestTrial(t *testing.T) {
	tr := newTrial()
	if tr.closed(under(1, 2, 3), true) != nil || tr.suspects(1) {
		t.Error("suspected after one closing")
	}
	if tr.closed(under(2, 3, 4), true) != nil || tr.suspects(1) || !tr.suspects(2) || !tr.suspects(3) || tr.suspects(4) {
		t.Error("those under way both times are suspects, and no others")
	}
	tr.acquit(2)
	if tr.closed(under(3), false) != nil {
		t.Error("convicted by a broker that had not answered")
	}
	if tr.closed(under(3), true) != nil {
		t.Error("convicted by one strike")
	}
	if guilty := tr.closed(under(3), true); guilty == nil || guilty.sequence != 3 {
		t.Errorf("not convicted by two: %v", guilty)
	}
	if tr.suspects(2) || tr.suspects(3) {
		t.Error("suspected after the verdict")
	}
	probe := under(9)
	probe[0].probe = true
	if tr.closed(probe, true) == nil {
		t.Error("a probe needs two strikes")
	}
}
