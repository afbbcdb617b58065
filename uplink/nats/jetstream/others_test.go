package jetstream

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runnel/test/kit"
	"runnel/uplink/nats/conn"
)

// The answers of other programs do not end a publication. An error ends it, and so does a PubAck that follows them.
func TestAnswersOfOthers(t *testing.T) {
	const other, stream, failed = `{"stream":"OTHER","seq":7}`, `{"stream":"S","seq":8}`, `{"error":{"code":503,"err_code":10008}}`
	for _, c := range []struct {
		answers []string
		want    string
	}{
		{[]string{other, `7`, ``, `{}`, stream}, "{S 8 false } <nil>"},
		{[]string{stream, other}, "{S 8 false } <nil>"},
		{[]string{other, failed, stream}, "(10008)"},
		{[]string{other}, ErrNoPubAck.Error()},
		{[]string{`7`, `7`}, ErrNoPubAck.Error()},
		{nil, conn.ErrTimeout.Error()},
	} {
		synctest.Test(t, func(t *testing.T) {
			j, s := start(t)
			outcome := make(chan string, 10)
			kit.Must(t, j.Send(conn.Out{Subject: "a"}, func(stream string) bool { return stream == "S" }, func(a PubAck, err error) {
				outcome <- fmt.Sprint(a, err)
			}))
			r := s.next()
			for _, text := range c.answers {
				s.answer(r, text)
			}
			time.Sleep(time.Minute)
			if got := <-outcome; !strings.Contains(got, c.want) || len(outcome) > 0 {
				t.Errorf("%q: %s", c.answers, got)
			}
			s.shutDown(j)
		})
	}
}
