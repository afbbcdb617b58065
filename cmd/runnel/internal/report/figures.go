package report

import "runnel/edge"

var routerFigures = []figure[*Status]{
	{"connections", "Sessions, and connections on the way to one.", func(r *Status) float64 { return float64(r.Router.Connections) }},
	{"messages_received_total", "Messages that peers have sent.", func(r *Status) float64 { return float64(r.Router.Messages) }},
	{"publications_total", "PUBLISH that were accepted.", func(r *Status) float64 { return float64(r.Router.Publications) }},
	{"events_total", "EVENTs made of publications.", func(r *Status) float64 { return float64(r.Router.Events) }},
	{"calls_total", "CALLs that reached a callee.", func(r *Status) float64 { return float64(r.Router.Calls) }},
	{"events_dropped_total", "EVENTs that slow peers have lost.", func(r *Status) float64 { return float64(r.Router.Drops) }},
	{"node_clashes", "Node ids that two linked routers have.", func(r *Status) float64 { return float64(len(r.Router.Clashes)) }},
	{"faults", "Parts of the configuration that do not run.", func(r *Status) float64 { return float64(len(r.Faults)) }},
	{"stalls_total", "How often a peer did not take what it was sent.", func(r *Status) float64 { return float64(r.Router.Stalls) }},
}

var realmFigures = []figure[*edge.RealmStatus]{
	{"sessions", "Sessions of the realm.", func(m *edge.RealmStatus) float64 { return float64(m.Sessions) }},
	{"subscriptions", "Topics and patterns subscribed to.", func(m *edge.RealmStatus) float64 { return float64(m.Subscriptions) }},
	{"registrations", "Procedures and patterns registered.", func(m *edge.RealmStatus) float64 { return float64(m.Registrations) }},
	{"disk_trouble", "1 if what the realm keeps can't be written to disk.", func(m *edge.RealmStatus) float64 { return one(m.Trouble != "") }},
}

var listenerFigures = []figure[*Listener]{
	{"connections", "Connections there are now.", func(l *Listener) float64 { return float64(l.Connections) }},
	{"connections_limit", "Connections there may be.", func(l *Listener) float64 { return float64(l.Limit) }},
	{"rawsocket_peers", "Peers that speak RawSocket.", func(l *Listener) float64 { return float64(l.RawSocket) }},
	{"websocket_peers", "Peers that speak WebSocket.", func(l *Listener) float64 { return float64(l.WebSocket) }},
	{"longpoll_peers", "Peers that speak HTTP long-poll.", func(l *Listener) float64 { return float64(l.LongPoll) }},
	{"connections_accepted_total", "Connections that there was room for.", func(l *Listener) float64 { return float64(l.Accepted) }},
	{"connections_refused_total", "Connections that were too many.", func(l *Listener) float64 { return float64(l.Refused) }},
	{"handshakes_failed_total", "Connections that did not come to their first message.", func(l *Listener) float64 { return float64(l.Failed) }},
	{"messages_received_total", "Messages of the peers.", func(l *Listener) float64 { return float64(l.MessagesIn) }},
	{"messages_sent_total", "Messages to the peers.", func(l *Listener) float64 { return float64(l.MessagesOut) }},
	{"received_bytes_total", "Octets of messages of the peers.", func(l *Listener) float64 { return float64(l.OctetsIn) }},
	{"sent_bytes_total", "Octets of messages to the peers.", func(l *Listener) float64 { return float64(l.OctetsOut) }},
}

var uplinkFigures = []figure[*Uplink]{
	{"up", "1 if the central router is joined.", func(u *Uplink) float64 { return one(u.Up) }},
	{"changed_timestamp_seconds", "When up became what it is.", func(u *Uplink) float64 { return float64(u.Since.UnixMilli()) / 1000 }},
	{"reconnects_total", "Sessions after the first.", func(u *Uplink) float64 { return float64(u.Reconnects) }},
	{"round_trip_seconds", "To the central router and back, as measured last.", func(u *Uplink) float64 { return u.RoundTrip / 1000 }},
	{"rules_refused", "Rules that a router refuses now.", func(u *Uplink) float64 { return float64(len(u.Refused)) }},
	{"clash", "1 if another node has the id of this one: the link is refused, or its session taken over.", func(u *Uplink) float64 { return one(u.Clash != "") }},
	{"looped_total", "Events and calls that had come round in a circle, or too far.", func(u *Uplink) float64 { return float64(u.Looped) }},
	{"sent_bytes_total", "Octets to the centre.", func(u *Uplink) float64 { return float64(u.OctetsOut) }},
	{"received_bytes_total", "Octets from the centre.", func(u *Uplink) float64 { return float64(u.OctetsIn) }},
	{"events_up_total", "Events forwarded to the centre.", func(u *Uplink) float64 { return float64(u.EventsUp.Forwarded) }},
	{"events_down_total", "Events forwarded from the centre.", func(u *Uplink) float64 { return float64(u.EventsDown.Forwarded) }},
	{"events_up_dropped_total", "Events not forwarded to the centre.", func(u *Uplink) float64 { return float64(u.EventsUp.Dropped) }},
	{"events_down_dropped_total", "Events not forwarded from the centre.", func(u *Uplink) float64 { return float64(u.EventsDown.Dropped) }},
	{"calls_up_total", "Calls forwarded to the centre.", func(u *Uplink) float64 { return float64(u.CallsUp.Forwarded) }},
	{"calls_down_total", "Calls forwarded from the centre.", func(u *Uplink) float64 { return float64(u.CallsDown.Forwarded) }},
	{"calls_up_failed_total", "Calls that could not be made at the centre.", func(u *Uplink) float64 { return float64(u.CallsUp.Dropped) }},
	{"calls_down_failed_total", "Calls of the centre that could not be made.", func(u *Uplink) float64 { return float64(u.CallsDown.Dropped) }},
	{"queue_events", "Events that wait for the centre.", func(u *Uplink) float64 { return float64(u.Queue.Events) }},
	{"queue_bytes", "Octets of the events that wait.", func(u *Uplink) float64 { return float64(u.Queue.Octets) }},
	{"queue_disk_events", "Events that wait and are on disk.", func(u *Uplink) float64 { return float64(u.Queue.OnDisk) }},
	{"queue_disk_bytes", "Octets of the queue's files.", func(u *Uplink) float64 { return float64(u.Queue.Files) }},
	{"queue_oldest_seconds", "How long the oldest event has waited.", func(u *Uplink) float64 { return u.Queue.Oldest }},
	{"held_events", "Events that the far side rejects.", func(u *Uplink) float64 { return float64(u.Queue.HeldEvents) }},
	{"held_topics", "Topics of these.", func(u *Uplink) float64 { return float64(u.Queue.HeldTopics) }},
	{"held_bytes", "Octets of these.", func(u *Uplink) float64 { return float64(u.Queue.HeldOctets) }},
	{"queue_dropped_total", "Events dropped because the queue was full.", func(u *Uplink) float64 { return float64(u.Queue.Dropped) }},
	{"queue_expired_total", "Events whose time was over before they could be sent.", func(u *Uplink) float64 { return float64(u.Queue.Expired) }},
	{"queue_alarm", "1 if the queue can't be written to disk.", func(u *Uplink) float64 { return one(u.Queue.Alarm != "") }},
}

var serialFigures = []figure[*Serial]{
	{"open", "1 if the port is open.", func(s *Serial) float64 { return one(s.Device != "") }},
	{"alarms", "Alarms that are raised now.", func(s *Serial) float64 { return float64(len(s.Alarms)) }},
	{"opens_total", "Times the port was opened.", func(s *Serial) float64 { return float64(s.Opens) }},
	{"losses_total", "Times the device went away.", func(s *Serial) float64 { return float64(s.Losses) }},
	{"peers_total", "Peers that were served.", func(s *Serial) float64 { return float64(s.Peers) }},
	{"received_bytes_total", "Octets received.", func(s *Serial) float64 { return float64(s.In) }},
	{"sent_bytes_total", "Octets sent.", func(s *Serial) float64 { return float64(s.Out) }},
	{"skipped_bytes_total", "Octets received that were no peer's.", func(s *Serial) float64 { return float64(s.Skipped) }},
}

// The figures that only some lines have.
var (
	uartFigures = []figure[*UART]{
		{"framing_errors_total", "Characters without a stop bit.", func(u *UART) float64 { return float64(u.Framing) }},
		{"parity_errors_total", "Characters with a wrong parity bit.", func(u *UART) float64 { return float64(u.Parity) }},
		{"overruns_total", "Characters lost because they were not read in time.", func(u *UART) float64 { return float64(u.Overrun) }},
		{"breaks_total", "How often the line was held low.", func(u *UART) float64 { return float64(u.Breaks) }},
	}
	linkFigures = []figure[*Link]{
		{"up", "1 if the reliable link is up.", func(l *Link) float64 { return one(l.Up) }},
		{"frames_received_total", "Frames received.", func(l *Link) float64 { return float64(l.FramesIn) }},
		{"frames_sent_total", "Frames sent.", func(l *Link) float64 { return float64(l.FramesOut) }},
		{"frames_resent_total", "Frames sent again.", func(l *Link) float64 { return float64(l.Resent) }},
		{"rejects_total", "Frames that the device found missing.", func(l *Link) float64 { return float64(l.Rejects) }},
		{"timeouts_total", "Answers that did not come.", func(l *Link) float64 { return float64(l.Timeouts) }},
		{"fcs_errors_total", "Frames with a wrong check sum.", func(l *Link) float64 { return float64(l.FCS) }},
		{"framing_errors_total", "Frames too long, too short or given up.", func(l *Link) float64 { return float64(l.Framing) }},
		{"connections_total", "How often the link came up.", func(l *Link) float64 { return float64(l.Connections) }},
		{"resets_total", "How often the link began anew.", func(l *Link) float64 { return float64(l.Resets) }},
	}
	sensorFigures = []figure[*Sensor]{
		{"silent", "1 if no good reading came within expect_every.", func(s *Sensor) float64 { return one(s.Silent) }},
		{"last_good_timestamp_seconds", "When the last good reading came; 0: never.", func(s *Sensor) float64 { return timestamp(s.LastGood) }},
	}
	linesFigures = []figure[*Lines]{
		{"good_total", "Lines that became events.", func(l *Lines) float64 { return float64(l.Good) }},
		{"bad_total", "Lines that could not be read.", func(l *Lines) float64 { return float64(l.Bad) }},
		{"check_errors_total", "Telegrams with a wrong check.", func(l *Lines) float64 { return float64(l.Check) }},
		{"requests_total", "Requests sent.", func(l *Lines) float64 { return float64(l.Asked) }},
		{"unanswered_total", "Requests without an answer.", func(l *Lines) float64 { return float64(l.Unanswered) }},
		{"partial_total", "Lines that began before the port was opened.", func(l *Lines) float64 { return float64(l.Partial) }},
		{"bad_fields_total", "Fields of good lines that could not be read.", func(l *Lines) float64 { return float64(l.BadFields) }},
	}
	slaveFigures = []figure[*lineSlave]{
		{"silent", "1 if the slave does not answer.", func(s *lineSlave) float64 { return one(s.Silent) }},
		{"requests_total", "Requests to the slave.", func(s *lineSlave) float64 { return float64(s.Requests) }},
		{"exceptions_total", "Answers that are exceptions.", func(s *lineSlave) float64 { return float64(s.Exceptions) }},
		{"timeouts_total", "Requests that the slave did not answer.", func(s *lineSlave) float64 { return float64(s.Timeouts) }},
		{"crc_errors_total", "Answers with a wrong CRC.", func(s *lineSlave) float64 { return float64(s.Broken) }},
		{"late_total", "Answers that took longer than the timeout.", func(s *lineSlave) float64 { return float64(s.Late) }},
	}
)

var certificateFigures = []figure[*Certificate]{
	{"expiry_seconds", "Seconds until the certificate expires; negative: since it has.", func(c *Certificate) float64 { return c.Expiry }},
	{"alarm", "1 if the certificate has expired or will soon, or its files can't be used.", func(c *Certificate) float64 { return one(c.Alarm != "") }},
}
