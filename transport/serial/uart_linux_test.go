package serial

import (
	"context"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// The kernel reads and writes as many octets as its structs have.
func TestKernelStructs(t *testing.T) {
	if rs, ic := unsafe.Sizeof(rs485{}), unsafe.Sizeof(icounter{}); rs != 32 || ic != 80 {
		t.Errorf("serial_rs485 has %d octets, want 32; serial_icounter_struct %d, want 80", rs, ic)
	}
}

func TestRS485(t *testing.T) {
	for _, c := range []struct {
		r    RS485
		want rs485
	}{
		{RS485{}, rs485{flags: 0x3}},
		{RS485{Inverted: true, DelayBefore: time.Millisecond}, rs485{flags: 0x5, before: 1}},
		{RS485{ReceiveOwn: true, Terminate: true, DelayBehind: 20 * time.Millisecond}, rs485{flags: 0x33, behind: 20}},
	} {
		if got := c.r.kernel(); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.r, got, c.want)
		}
	}
	want := rs485{flags: 0x33, before: 1, behind: 2}
	if d := want.differences(want); d != nil {
		t.Error(d)
	}
	got := want.differences(rs485{flags: 0x04})
	if all := []string{"rs485", "inverted", "receive_own", "terminate", "delay_before", "delay_behind"}; !reflect.DeepEqual(got, all) {
		t.Error(got)
	}
	for _, d := range []time.Duration{-1, time.Second, 1500 * time.Microsecond} {
		if err := (Config{Device: "/dev/ttyS0", RS485: &RS485{DelayBefore: d}}).Validate(); err == nil {
			t.Errorf("a delay of %v was accepted", d)
		}
	}
}

// A driver without RS-485 is no reason to speak on the bus at the wrong time.
func TestRS485IsRefused(t *testing.T) {
	d := plug(t, filepath.Join(t.TempDir(), "port"))
	_, err := Open(context.Background(), Config{Device: d.Port(), RS485: &RS485{}})
	if err == nil || !strings.Contains(err.Error(), "set RS-485: not supported by the driver") {
		t.Errorf("Open: %v", err)
	}
}

// TestPastPorts: the counters of a port that is closed stay in the total.
func TestPastPorts(t *testing.T) {
	u := &uartState{port: &Port{}, now: Errors{Framing: 3, Overrun: 1}, known: true} // a port that can no longer be read
	for range 2 {
		if got := u.errors(); got == nil || *got != (Errors{Framing: 3, Overrun: 1}) {
			t.Errorf("the total is %+v", got)
		}
		u.detach()
	}
	if got := (&uartState{}).errors(); got != nil {
		t.Errorf("without counters: %+v", got)
	}
}
