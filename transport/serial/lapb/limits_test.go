package lapb

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestConfigLimits: every parameter at its last valid value, and one beyond.
func TestConfigLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		c     Config
		valid bool
	}{
		{"device", Config{Role: Device}, true},
		{"role", Config{Role: Device + 1}, false},
		{"longest frame", Config{Info: MaxInfo}, true},
		{"longer frame", Config{Info: MaxInfo + 1}, false},
		{"shortest frame", Config{Info: MinInfo}, true},
		{"shorter frame", Config{Info: MinInfo - 1}, false},
		{"half-duplex", Config{HalfDuplex: true, Window: 1}, true},
		{"half-duplex, window 2", Config{HalfDuplex: true, Window: 2}, false},
		{"retries", Config{Retries: maxRetries}, true},
		{"more retries", Config{Retries: maxRetries + 1}, false},
		{"negative retries", Config{Retries: -1}, false},
		{"T1", Config{T1: maxTimer}, true},
		{"longer T1", Config{T1: maxTimer + 1}, false},
		{"T3", Config{T3: maxTimer}, true},
		{"negative T3", Config{T3: -1}, false},
		{"T2", Config{T1: time.Second, T2: time.Second / 4}, true},
		{"longer T2", Config{T1: time.Second, T2: time.Second/4 + 1}, false},
		{"negative T2", Config{T2: -1}, false},
		{"poll", Config{HalfDuplex: true, Poll: maxTimer}, true},
		{"longer poll", Config{HalfDuplex: true, Poll: maxTimer + 1}, false},
	} {
		if err := c.c.Validate(); (err == nil) != c.valid {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestIdentityLimits checks the limits of the other end's identity.
func TestIdentityLimits(t *testing.T) {
	for _, i := range []Identity{
		{Window: 1, Info: MinInfo}, {Window: MaxWindow, Info: MaxInfo, BootID: 0xffffffff, Name: strings.Repeat("n", maxName)}, {Window: 2, Info: 300, Name: "é"},
	} {
		if got, ok := parseIdentity(i.append(nil)); !ok || got != i {
			t.Errorf("%+v comes back as %+v, %v", i, got, ok)
		}
	}
	for _, i := range []Identity{{Window: 0, Info: 128}, {Window: MaxWindow + 1, Info: 128}, {Window: 1, Info: MinInfo - 1}, {Window: 1, Info: MaxInfo + 1}, {Window: 1, Info: 128, Name: "\xff"},
		{Window: 1, Info: 128, Name: strings.Repeat("n", maxName+1)}} {
		if _, ok := parseIdentity(i.append(nil)); ok {
			t.Errorf("%+v is accepted", i)
		}
	}
	whole := Identity{Window: 1, Info: 128}.append(nil)
	for n := range whole {
		if i, ok := parseIdentity(whole[:n]); ok {
			t.Errorf("%d octets are accepted as %+v", n, i)
		}
	}
	whole[0]++
	if i, ok := parseIdentity(whole); ok {
		t.Errorf("another version is accepted as %+v", i)
	}
}

// TestLogLength: a log line as long as a frame is sent whole, a longer one is cut between characters.
func TestLogLength(t *testing.T) {
	d := newRig(t, Config{Role: Device, NoXID: true, Info: 32})
	whole := strings.Repeat("n", 32)
	d.SendLog(whole)
	d.SendLog(whole + "x")
	d.SendLog(strings.Repeat("n", 31) + "é")
	d.sends("SABM P; UI " + whole + "; UI " + whole + "; UI " + whole[1:])
}

// TestNoiseLimits: the baud rate is suspected after enough octets over enough time, once.
func TestNoiseLimits(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		octets int
		over   time.Duration
		want   bool
	}{
		{"enough", suspectOctets, suspectAfter, true},
		{"too few", suspectOctets - 1, suspectAfter, false},
		{"too soon", suspectOctets, suspectAfter - 1, false},
	} {
		n := noise{}
		if n.octets(1, begin) {
			t.Errorf("%s: suspect at the first octet", c.name)
		}
		if got := n.octets(c.octets-1, begin.Add(c.over)); got != c.want || n.suspect != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if n.octets(1, begin.Add(c.over)) && c.want {
			t.Errorf("%s: reported again", c.name)
		}
	}
}

// TestBusyPeerIsNotStuck: a peer without room may refuse frames without a time limit.
func TestBusyPeerIsNotStuck(t *testing.T) {
	r := connectedRig(t, Config{})
	r.Send([]byte("a"))
	r.sends("I 0,0 a")
	r.gets("RNR 0 resp")
	for range 2 * stuckFactor * 5 {
		r.clock = r.t1
		r.sends("RR 0 P")
		r.gets("RNR 0 F resp")
		r.sends("")
	}
	r.says()
	if r.stuck != 0 {
		t.Errorf("%d timeouts count against it", r.stuck)
	}
}

// TestDeadline: the earliest timer is the deadline, and it has expired at its very moment.
func TestDeadline(t *testing.T) {
	r := connectedRig(t, Config{})
	if at := r.Deadline(); !at.Equal(r.t3) {
		t.Errorf("the deadline is %v, T3 %v", at, r.t3)
	}
	r.Send([]byte("a"))
	r.sends("I 0,0 a")
	if at := r.Deadline(); !at.Equal(r.t1) || !r.t1.Equal(r.clock.Add(r.c.T1)) {
		t.Errorf("the deadline is %v, T1 %v", at, r.t1)
	}
	r.after(r.c.T1 - 1)
	r.sends("")
	r.after(1)
	r.sends("I 0,0 P a; RR 0 P")
	if n := r.Counters().Timeouts; n != 1 {
		t.Errorf("%d timeouts", n)
	}
}

// TestT1RunsOn: a frame sent while T1 runs does not restart it. An acknowledgement of some of the frames does.
func TestT1RunsOn(t *testing.T) {
	r := connectedRig(t, Config{})
	r.Send([]byte("a"))
	r.sends("I 0,0 a")
	t1 := r.t1
	r.after(r.c.T1 / 2)
	r.Send([]byte("b"))
	if r.sends("I 1,0 b"); !r.t1.Equal(t1) {
		t.Errorf("T1 ends at %v, not at %v", r.t1, t1)
	}
	if r.gets("RR 1 resp"); !r.t1.Equal(r.clock.Add(r.c.T1)) {
		t.Errorf("after an acknowledgement T1 ends at %v", r.t1)
	}
	if r.gets("RR 2 resp"); !r.t1.IsZero() {
		t.Errorf("with nothing under way T1 ends at %v", r.t1)
	}
	r.Send([]byte("c"))
	r.sends("I 2,0 c")
	if r.gets("I 0,3 x"); !r.t1.IsZero() {
		t.Errorf("after an I frame that acknowledges all, T1 ends at %v", r.t1)
	}
}

// TestMemoryOfConnections: a connection reuses the memory of the previous one.
func TestMemoryOfConnections(t *testing.T) {
	var w window
	w.reset(1000)
	if n := testing.AllocsPerRun(10, func() { w.put(make([]byte, 10)); w.reset(1000) }); n != 0 || !w.empty() || cap(w.octets) != 1000 {
		t.Errorf("%v allocations; room for %d octets", n, cap(w.octets))
	}
	if w.reset(1001); w.put(make([]byte, 2000)) != 1001 {
		t.Errorf("room for %d octets", cap(w.octets))
	}
}

// TestReasons: which ends of a connection count as resets.
func TestReasons(t *testing.T) {
	for _, c := range []struct {
		frame  string
		reason error
		resets uint64
	}{
		{"DM F", ErrUnknown, 1}, {"FRMR F", ErrConfused, 1}, {"SABM P", ErrRestarted, 1}, {"DISC P", errors.New("EOF"), 0},
	} {
		r := connectedRig(t, Config{})
		r.gets(c.frame)
		want := []string{"down: " + c.reason.Error()}
		if c.frame == "SABM P" {
			want = append(want, "up")
		}
		r.says(want...)
		if n := r.Counters().Resets; n != c.resets {
			t.Errorf("%s: %d resets, want %d", c.frame, n, c.resets)
		}
	}
}

// TestRejectOnce: the frames after a lost frame cause one REJ. If the repeated frame is lost again, they cause another.
func TestRejectOnce(t *testing.T) {
	r := connectedRig(t, Config{})
	r.gets("I 1,0 b")
	r.sends("REJ 0 resp")
	r.gets("I 2,0 c", "I 3,0 d")
	r.sends("")
	r.gets("I 1,0 b") // sent again, without the first
	r.sends("REJ 0 resp")
	r.gets("I 0,0 a")
	r.says("a")
	if c := r.Counters(); c.RejectsOut != 2 || c.Ignored != 0 {
		t.Errorf("%+v", c)
	}
}
