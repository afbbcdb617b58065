package lines

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/transport/serial/reading"
)

// published runs a sensor whose device sends a chunk each second, and lists the events: the time in seconds, the
// topic's last component, and the values without the time and the units.
func published(t *testing.T, c Config, chunks ...string) (got []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.Topic = "com.{id}"
		s := NewSensor(parser(t, c), nil)
		began := time.Now()
		s.Run(&slow{chunks, time.Second}, func(e reading.Event) {
			values := reading.Event{Topic: e.Topic, Args: e.Args, Kwargs: map[string]any{}}
			for name, v := range e.Kwargs {
				if name != "time" && name != "units" && name != "id" {
					values.Kwargs[name] = v
				}
			}
			got = append(got, fmt.Sprint(time.Since(began).Seconds(), " ", strings.TrimPrefix(e.Topic, "com."), " ", values.Kwargs))
		})
	})
	return got
}

func TestPublishing(t *testing.T) {
	csv := func(p Publishing, fields ...Field) Config {
		return Config{Format: CSV, Columns: []string{"id", "t", "s"}, Publishing: p, Fields: fields}
	}
	const second = time.Second
	for _, c := range []struct {
		name   string
		c      Config
		chunks []string
		want   []string
	}{
		{"each", csv(Publishing{}), []string{"a,1,x\n", "a,1,x\n"}, []string{"1 a map[s:x t:1]", "2 a map[s:x t:1]"}},
		{"on change", csv(Publishing{OnChange: true}), []string{"a,1,x\n", "a,1,x\n", "a,1,y\n", "b,1,y\n", "a,1,y\n", "a,,y\n"},
			[]string{"1 a map[s:x t:1]", "3 a map[s:y t:1]", "4 b map[s:y t:1]", "6 a map[s:y]"}},
		{"dead band", csv(Publishing{OnChange: true}, Field{Name: "t", As: "celsius", Kind: Number, Deadband: 0.5}), []string{"a,20,x\n", "a,20.4,x\n", "a,19.5,x\n", "a,19.9,x\n", "a,20,x\n", "a,nan,x\n"},
			[]string{"1 a map[celsius:20 s:x]", "3 a map[celsius:19.5 s:x]", "5 a map[celsius:20 s:x]", "6 a map[s:x]"}},
		{"refresh", csv(Publishing{OnChange: true, Refresh: 3 * second}), []string{"a,1,x\n", "a,1,x\n", "a,1,x\n", "a,1,x\n", "a,1,x\n"}, []string{"1 a map[s:x t:1]", "4 a map[s:x t:1]"}},
		{"last", csv(Publishing{Every: 2400 * time.Millisecond}), []string{"a,1,x\n", "a,3,y\n", "b,1,x\n", "a,4,z\n", "a,9,z\n"}, []string{"2.4 a map[s:y t:3]", "4.8 a map[s:z t:4]", "4.8 b map[s:x t:1]", "6 a map[s:z t:9]"}},
		{"mean", csv(Publishing{Every: 3500 * time.Millisecond, Aggregate: Mean}), []string{"a,1,x\n", "a,3,y\n", "a,,y\n"}, []string{"3.5 a map[s:y t:2]"}},
		{"mean of fractions", csv(Publishing{Every: 2500 * time.Millisecond, Aggregate: Mean}), []string{"a,0.1,x\n", "a,0.2,y\n"}, []string{"2.5 a map[s:y t:0.15]"}},
		{"min", csv(Publishing{Every: 3500 * time.Millisecond, Aggregate: Min}), []string{"a,5,x\n", "a,-3,y\n", "a,4,y\n"}, []string{"3.5 a map[s:y t:-3]"}},
		{"max", csv(Publishing{Every: 3500 * time.Millisecond, Aggregate: Max}), []string{"a,5,x\n", "a,7.5,y\n", "a,4,y\n"}, []string{"3.5 a map[s:y t:7.5]"}},
		{"mean on change", csv(Publishing{Every: 2400 * time.Millisecond, Aggregate: Mean, OnChange: true}), []string{"a,1,x\n", "a,3,x\n", "a,2,x\n", "a,2,x\n", "a,9,x\n"}, []string{"2.4 a map[s:x t:2]", "6 a map[s:x t:9]"}},
	} {
		got := published(t, c.c, c.chunks...)
		if strings.HasPrefix(c.name, "last") && len(got) == 4 && got[1] > got[2] {
			got[1], got[2] = got[2], got[1] // topics have no order
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q\nwant %q", c.name, got, c.want)
		}
	}
}

// A device with ever new topics takes bounded memory; all its readings are published.
func TestPublishingLimit(t *testing.T) {
	sent := 0
	p := newPublisher(parser(t, Config{Publishing: Publishing{OnChange: true}}))
	p.begin(func(reading.Event) { sent++ })
	for i := range 2 * maxTopics {
		p.reading(reading.Event{Topic: fmt.Sprint("com.", i)}, noon)
	}
	if len(p.topics) != maxTopics || sent != 2*maxTopics {
		t.Errorf("%d topics, %d published", len(p.topics), sent)
	}
	s := &series{}
	for i := range 2 * maxNames {
		s.add(reading.Event{Topic: "com.x", Kwargs: map[string]any{fmt.Sprint(i): int64(i)}})
	}
	if len(s.window.Kwargs) != maxNames || len(s.numbers) != maxNames {
		t.Errorf("%d names, %d numbers", len(s.window.Kwargs), len(s.numbers))
	}
}

func TestPublishingConfig(t *testing.T) {
	for _, c := range []struct {
		p    Publishing
		want string
	}{
		{Publishing{Every: MinAsk - 1}, "every 9.999999ms"},
		{Publishing{Every: 25 * time.Hour}, "every 25h0m0s"},
		{Publishing{Aggregate: Mean}, "aggregate: set every"},
		{Publishing{Refresh: time.Hour}, "refresh is for publish"},
		{Publishing{Every: time.Minute, Aggregate: Max, OnChange: true, Refresh: time.Hour}, ""},
	} {
		_, err := New(Config{Topic: "a", Publishing: c.p})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.p, err, c.want)
		}
	}
}
