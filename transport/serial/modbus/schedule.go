package modbus

import "time"

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

// schedule says whose turn it is. It has no goroutine and no clock.
type schedule struct {
	points []Point
	due    []time.Time // of each point
	slaves map[byte]*slave
}

func newSchedule(points []Point, now time.Time) *schedule {
	s := &schedule{points: points, due: make([]time.Time, len(points)), slaves: map[byte]*slave{}}
	for i, p := range points {
		s.due[i] = now
		s.slaves[p.Slave] = &slave{}
	}
	return s
}

// next returns the point that is asked for next, and when; free says when a point may be. Of several that may be asked
// at the same time the one that has waited longest is first. ok is false if none ever is.
func (s *schedule) next(free func(point int) time.Time) (point int, at time.Time, ok bool) {
	for i := range s.points {
		if s.points[i].WriteOnly {
			continue
		}
		may := later(later(s.due[i], s.slaves[s.points[i].Slave].rest), free(i))
		if !ok || may.Before(at) || may.Equal(at) && s.due[i].Before(s.due[point]) {
			point, at, ok = i, may, true
		}
	}
	return point, at, ok
}

// looked notes that a point was asked for. One that is late is not asked for twice to make up for it.
func (s *schedule) looked(point int, now time.Time) {
	next := s.due[point].Add(s.points[point].Every)
	if next.Before(now) {
		next = now.Add(s.points[point].Every)
	}
	s.due[point] = next
}
