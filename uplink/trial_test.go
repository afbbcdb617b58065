package uplink

import "testing"

// An event is convicted when the far side has ended the connection twice with only this event in flight, after an
// answer.
func TestTrial(t *testing.T) {
	var tr Trial
	if tr.Ended([]uint64{1, 2, 3}, true, false) || tr.IsSuspect(1) || !tr.Known(1) {
		t.Error("suspected after one end")
	}
	if tr.Ended([]uint64{2, 3, 4}, true, false) || tr.IsSuspect(1) || !tr.IsSuspect(2) || !tr.IsSuspect(3) || tr.IsSuspect(4) {
		t.Error("those under way both times are suspects, and no others")
	}
	tr.Acknowledged(2)
	if tr.Ended([]uint64{3}, false, false) {
		t.Error("convicted by a far side that had not answered")
	}
	if tr.Ended([]uint64{3}, true, false) {
		t.Error("convicted by one strike")
	}
	if !tr.Ended([]uint64{3}, true, false) {
		t.Error("not convicted by two")
	}
	if tr.IsSuspect(2) || tr.IsSuspect(3) {
		t.Error("suspected after the verdict")
	}
	if !tr.Ended([]uint64{9}, true, true) {
		t.Error("a probe needs two strikes")
	}
}

// A far side that rejects three events in a row is assumed to accept none. An acknowledgement ends that, and an end
// caused by a probe does not count.
func TestPromising(t *testing.T) {
	var tr Trial
	convict := func(sequence uint64) {
		tr.Ended([]uint64{sequence}, true, false)
		tr.Ended([]uint64{sequence}, true, false)
	}
	convict(1)
	convict(2)
	tr.Ended([]uint64{9}, true, true)
	if !tr.AcceptsSome() {
		t.Error("given up after two events and a probe")
	}
	convict(3)
	if tr.AcceptsSome() {
		t.Error("three events in a row, and it still looks promising")
	}
	if tr.Acknowledged(4); !tr.AcceptsSome() {
		t.Error("not promising after an acknowledgement")
	}
}
