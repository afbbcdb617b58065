package modbus

import (
	"slices"
	"time"
)

// How long a slave is left alone that does not answer: not at all after the first time, as anything may disturb one
// answer, then twice as long each time.
const (
	patience = 2 // failures in a row that make a slave silent
	restMin  = time.Second
	restMax  = time.Minute
)

// slave is what the schedule knows of a slave.
type slave struct {
	failures int       // in a row
	rest     time.Time // until when it is left alone
}

// answered notes an answer, failed the want of one. They report whether the slave has turned from one to the other.
func (s *slave) answered() (news bool) {
	news = s.failures >= patience
	*s = slave{}
	return news
}

func (s *slave) failed(now time.Time) (news bool) {
	s.failures++
	if s.failures >= patience {
		s.rest = now.Add(min(restMax, restMin<<min(s.failures-patience, 10)))
	}
	return s.failures == patience
}

// poll is a query that is asked again and again.
type poll struct {
	query
	how grouping
	due time.Time
}

// schedule says whose turn it is. It has no goroutine and no clock.
type schedule struct {
	points []Point
	polls  []poll
	slaves map[byte]*slave
}

func newSchedule(points []Point, now time.Time) *schedule {
	s := &schedule{points: points, slaves: map[byte]*slave{}}
	var looked []int
	for i, p := range points {
		s.slaves[p.Slave] = &slave{}
		if !p.WriteOnly {
			looked = append(looked, i)
		}
	}
	s.add(group(points, looked, bridged), bridged, now)
	return s
}

func (s *schedule) add(queries []query, how grouping, due time.Time) {
	for _, q := range queries {
		s.polls = append(s.polls, poll{q, how, due})
	}
}

// next returns what is asked next, and when; free says when a query may be. Of several that may be asked at the same time
// the one that has waited longest is first. ok is false if there is none.
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

// looked notes that points were asked for. What is late is not asked twice to make up for it.
func (s *schedule) looked(points []int, now time.Time) {
	i := s.of(points)
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

// of returns the poll that asks for points, and maybe for others; -1 if there is none.
func (s *schedule) of(points []int) int {
	return slices.IndexFunc(s.polls, func(p poll) bool { return len(points) > 0 && slices.Contains(p.points, points[0]) })
}

// hurry has a point looked at next.
func (s *schedule) hurry(point int, now time.Time) {
	if i := s.of([]int{point}); i >= 0 {
		s.polls[i].due = now
	}
}

// split has points that were asked for together asked for by smaller requests. It reports whether it could.
func (s *schedule) split(points []int, now time.Time) bool {
	i := s.of(points)
	if i < 0 || len(s.polls[i].points) < 2 {
		return false
	}
	old := s.polls[i]
	s.polls = slices.Delete(s.polls, i, i+1)
	how := old.how + 1
	queries := group(s.points, old.points, how)
	if how < single && len(queries) == 1 {
		how = single
		queries = group(s.points, old.points, how)
	}
	s.add(queries, how, now)
	return true
}
