package report

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"runnel/edge/durable"
)

// refusing is a writer that fails.
type refusing struct{}

func (refusing) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Durable subscriptions are listed with their problems.
func TestDurablesForPeople(t *testing.T) {
	day := staleAfter.Seconds()
	var out bytes.Buffer
	if err := PrintDurables(&out, nil); err != nil || out.String() != "no durable subscriptions\n" {
		t.Errorf("%q, %v", &out, err)
	}
	for _, c := range []struct {
		d         durable.State
		want, not string
	}{
		{durable.State{Name: "a", URI: "com.a", Match: "exact"}, " ok", "exact"}, {durable.State{Name: "a", URI: "com.a", Match: "prefix", Events: 1, Oldest: 9}, "com.a (prefix)", "ALARM"},
		{durable.State{Events: 1, Oldest: day}, " ok", "ALARM"}, {durable.State{Events: 1, Oldest: day + 1}, "ALARM: no session reads it", " ok"}, {durable.State{Sessions: 1, Events: 1, Oldest: day + 1}, " ok", "ALARM"},
		{durable.State{Events: 0, Oldest: day + 1}, " - ", "ALARM"}, {durable.State{Dropped: 7}, "7 dropped", " ok"}, {durable.State{Sessions: 1, Barred: 3, Events: 4, Oldest: day + 1}, "ALARM: no session may read 3 events", " ok"}, {durable.State{Sessions: 1, Barred: 3, Events: 4, Oldest: day}, " ok", "ALARM"},
		{durable.State{Dropped: 7, Events: 1, Oldest: day + 1}, "ALARM", "dropped"},
	} {
		out.Reset()
		if err := PrintDurables(&out, []durable.State{c.d}); err != nil || !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), c.not) {
			t.Errorf("%+v: %s%v", c.d, &out, err)
		}
	}
}

// Events are printed with their arguments, and gaps with their reason.
func TestKeptEvents(t *testing.T) {
	var list []KeptEvent
	const text = `[{"time":"T1","topic":"com.a","publication":7,"args":[1,true]},{"time":"T2","topic":"com.b","publication":8},{"time":"T3","gap":{"events":3,"reason":"full"}}]`
	if err := ReadAnswer(ProcedureDurablePeek, text, &list); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := PrintKept(&out, list); err != nil || out.String() != "T1 7 com.a 1 true\nT2 8 com.b\nT3 gap: 3 events (full)\n" {
		t.Errorf("%q, %v", &out, err)
	}
	for _, e := range list {
		if err := PrintKept(refusing{}, []KeptEvent{e}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%+v: %v", e, err)
		}
	}
}
