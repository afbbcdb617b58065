package modbus

import (
	"slices"
	"time"
)

// A slave that does not answer is not polled for a time. The first failure has no effect, because any disturbance can
// spoil one answer. After that the time doubles with each failure.
const (
	silentAfter = 2 // consecutive failures that make a slave silent
	restMin     = time.Second
	restMax     = time.Minute
)

// slave is the schedule's state of a slave.
type slave struct {
	failures int       // consecutive
	rest     time.Time // not polled until then
}

// answered records an answer, failed a missing one. They report whether the slave has become available or silent by it.
func (s *slave) answered() (news bool) {
	news = s.failures >= silentAfter
	*s = slave{}
	return news
}

func (s *slave) failed(now time.Time) (news bool) {
	s.failures++
	if s.failures >= silentAfter {
		s.rest = now.Add(min(restMax, restMin<<min(s.failures-silentAfter, 10)))
	}
	return s.failures == silentAfter
}

// poll is a query that is repeated.
type poll struct {
	query
	how grouping
	due time.Time
}

// schedule decides which query is sent next. It has no goroutine and no clock.
type schedule struct {
	points []Point
	polls  []poll
	slaves map[byte]*slave
}

func newSchedule(points []Point, now time.Time) *schedule {
	s := &schedule{points: points, slaves: map[byte]*slave{}}
	var polled []int
	for i, p := range points {
		s.slaves[p.Slave] = &slave{}
		if !p.WriteOnly {
			polled = append(polled, i)
		}
	}
	s.add(group(points, polled, bridged), bridged, now)
	return s
}

func (s *schedule) add(queries []query, how grouping, due time.Time) {
	for _, q := range queries {
		s.polls = append(s.polls, poll{q, how, due})
	}
}

// next returns the poll to send next and when to send it. free returns when a query may be sent. Of several polls that may
// be sent at the same time, the one due longest is first. ok is false if there are no polls.
func (s *schedule) next(free func(query) time.Time) (next int, at time.Time, ok bool) {
	for i := range s.polls {
		p := &s.polls[i]
		may := later(later(p.due, s.slaves[p.slave()].rest), free(p.query))
		if !ok || may.Before(at) || may.Equal(at) && p.due.Before(s.polls[next].due) {
			next, at, ok = i, may, true
		}
	}
	return next, at, ok
}

// polled records that points were polled. Polls that were missed are not made up for.
func (s *schedule) polled(points []int, now time.Time) {
	i := s.pollOf(points)
	if i < 0 {
		return
	}
	every := s.points[points[0]].Every
	next := s.polls[i].due.Add(every)
	if next.Before(now) {
		next = now.Add(every)
	}
	s.polls[i].due = next
}

// pollOf returns the index of the poll that reads points, or -1.
func (s *schedule) pollOf(points []int) int {
	return slices.IndexFunc(s.polls, func(p poll) bool { return len(points) > 0 && slices.Contains(p.points, points[0]) })
}

// pollNow makes the poll of a point due.
func (s *schedule) pollNow(point int, now time.Time) {
	if i := s.pollOf([]int{point}); i >= 0 {
		s.polls[i].due = now
	}
}

// split replaces the poll of points by smaller ones. It returns false if there is only one point.
func (s *schedule) split(points []int, now time.Time) bool {
	i := s.pollOf(points)
	if i < 0 || len(s.polls[i].points) < 2 {
		return false
	}
	old := s.polls[i]
	s.polls = slices.Delete(s.polls, i, i+1)
	how := old.how + 1
	queries := group(s.points, old.points, how)
	if len(queries) == 1 {
		how = single
		queries = group(s.points, old.points, how)
	}
	s.add(queries, how, now)
	return true
}
