package doctor

import (
	"context"
	"fmt"
	"time"
)

// oldest is a time before which no clock can be right: this program was made later.
var oldest = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const clockRemedy = "sudo timedatectl set-ntp true, and fit a real-time clock (RTC) where there is no network at boot"

func checkClock(_ context.Context, e *examination) {
	now := time.Now()
	switch synchronised, known := clockSynchronised(); {
	case now.Before(oldest):
		e.add(Finding{"clock", Error, "", fmt.Sprintf("the clock says %s: certificates are not valid yet, and readings get wrong times", now.UTC().Format(time.RFC3339)), clockRemedy})
	case known && !synchronised:
		e.add(Finding{"clock", Note, "", "the kernel does not know whether the clock is right: nothing synchronises it", clockRemedy})
	}
}
