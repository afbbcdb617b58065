package doctor

import (
	"context"
	"fmt"
	"time"
)

// oldest is a time before this program was built. A clock with an earlier time is wrong.
var oldest = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const clockRemedy = "sudo timedatectl set-ntp true; add a real-time clock (RTC) if there is no network at boot"

func checkClock(_ context.Context, e *examination) {
	synchronised, known := clockSynchronised()
	e.checkClock(time.Now(), synchronised, known)
}

func (e *examination) checkClock(now time.Time, synchronised, known bool) {
	switch {
	case now.Before(oldest):
		e.add(Finding{"clock", Error, "", fmt.Sprintf("the clock shows %s: certificates are not valid yet, and readings get wrong times", now.UTC().Format(time.RFC3339)), clockRemedy})
	case known && !synchronised:
		e.add(Finding{"clock", Note, "", "the clock is not synchronised", clockRemedy})
	}
}
