package report

import "runnel/edge"

func routerFigures(add adder, r *Status) {
	add("connections", "Sessions, and connections on the way to one.", float64(r.Router.Connections))
	add("messages_received_total", "Messages received from peers.", float64(r.Router.Messages))
	add("publications_total", "PUBLISH messages that were accepted.", float64(r.Router.Publications))
	add("events_total", "EVENTs to subscribers.", float64(r.Router.Events))
	add("calls_total", "CALLs that reached a callee.", float64(r.Router.Calls))
	add("events_dropped_total", "EVENTs dropped because a peer was too slow.", float64(r.Router.Drops))
	add("node_clashes", "Node ids that two linked routers share.", float64(len(r.Router.Clashes)))
	add("faults", "Parts of the configuration that could not start.", float64(len(r.Faults)))
	add("stalls_total", "Times a peer stopped reading.", float64(r.Router.Stalls))
}

func realmFigures(add adder, m *edge.RealmStatus) {
	add("sessions", "Sessions of the realm.", float64(m.Sessions))
	add("subscriptions", "Topics and patterns subscribed to.", float64(m.Subscriptions))
	add("registrations", "Procedures and patterns registered.", float64(m.Registrations))
	add("disk_trouble", "1 if the realm cannot write its data to disk.", one(m.Trouble != ""))
}

func listenerFigures(add adder, l *Listener) {
	add("connections", "Open connections.", float64(l.Connections))
	add("connections_limit", "Limit of open connections.", float64(l.Limit))
	add("rawsocket_peers", "Peers that speak RawSocket.", float64(l.RawSocket))
	add("websocket_peers", "Peers that speak WebSocket.", float64(l.WebSocket))
	add("longpoll_peers", "Peers that speak HTTP long-poll.", float64(l.LongPoll))
	add("mqtt_peers", "Peers that speak MQTT.", float64(l.MQTT))
	add("connections_accepted_total", "Connections accepted.", float64(l.Accepted))
	add("connections_refused_total", "Connections refused because of the limit.", float64(l.Refused))
	add("handshakes_failed_total", "Connections that ended before their first message.", float64(l.Failed))
	add("messages_received_total", "Messages from peers.", float64(l.MessagesIn))
	add("messages_sent_total", "Messages to peers.", float64(l.MessagesOut))
	add("received_bytes_total", "Bytes of messages from peers.", float64(l.OctetsIn))
	add("sent_bytes_total", "Bytes of messages to peers.", float64(l.OctetsOut))
}

func uplinkFigures(add adder, u *Uplink) {
	add("up", "1 if the uplink has a session at the central router.", one(u.Up))
	add("changed_timestamp_seconds", "When the uplink last went up or down.", float64(u.Since.UnixMilli())/1000)
	add("reconnects_total", "Sessions after the first.", float64(u.Reconnects))
	add("round_trip_seconds", "Last measured round trip to the central router.", u.RoundTrip/1000)
	add("rules_refused", "Rules that a router currently refuses.", float64(len(u.Refused)))
	add("clash", "1 if another node has this node's id and the link is refused or taken over.", one(u.Clash != ""))
	add("looped_total", "Events and calls stopped because of a loop or too many hops.", float64(u.Looped))
	add("sent_bytes_total", "Bytes sent to the centre.", float64(u.OctetsOut))
	add("received_bytes_total", "Bytes received from the centre.", float64(u.OctetsIn))
	add("events_up_total", "Events forwarded to the centre.", float64(u.EventsUp.Forwarded))
	add("events_down_total", "Events forwarded from the centre.", float64(u.EventsDown.Forwarded))
	add("events_up_dropped_total", "Events not forwarded to the centre.", float64(u.EventsUp.Dropped))
	add("events_down_dropped_total", "Events not forwarded from the centre.", float64(u.EventsDown.Dropped))
	add("calls_up_total", "Calls forwarded to the centre.", float64(u.CallsUp.Forwarded))
	add("calls_down_total", "Calls forwarded from the centre.", float64(u.CallsDown.Forwarded))
	add("calls_up_failed_total", "Calls to the centre that failed.", float64(u.CallsUp.Dropped))
	add("calls_down_failed_total", "Calls from the centre that failed.", float64(u.CallsDown.Dropped))
	add("queue_events", "Events waiting for the centre.", float64(u.Queue.Events))
	add("queue_bytes", "Size of the waiting events in bytes.", float64(u.Queue.Octets))
	add("queue_disk_events", "Waiting events that are on disk.", float64(u.Queue.OnDisk))
	add("queue_disk_bytes", "Size of the queue's files in bytes.", float64(u.Queue.Files))
	add("queue_oldest_seconds", "How long the oldest event has waited.", u.Queue.Oldest)
	add("held_events", "Events that the far side rejects.", float64(u.Queue.HeldEvents))
	add("held_topics", "Topics of the rejected events.", float64(u.Queue.HeldTopics))
	add("held_bytes", "Size of the rejected events in bytes.", float64(u.Queue.HeldOctets))
	add("queue_dropped_total", "Events dropped because the queue was full.", float64(u.Queue.Dropped))
	add("queue_expired_total", "Events that expired before they could be sent.", float64(u.Queue.Expired))
	add("queue_alarm", "1 if the queue cannot be written to disk.", one(u.Queue.Alarm != ""))
}

func serialFigures(add adder, s *Serial) {
	add("open", "1 if the port is open.", one(s.Device != ""))
	add("alarms", "Alarms that are raised now.", float64(len(s.Alarms)))
	add("opens_total", "Times the port was opened.", float64(s.Opens))
	add("losses_total", "Times the device disappeared.", float64(s.Losses))
	add("peers_total", "Peers that were served.", float64(s.Peers))
	add("received_bytes_total", "Bytes received.", float64(s.In))
	add("sent_bytes_total", "Bytes sent.", float64(s.Out))
	add("skipped_bytes_total", "Bytes received that belong to no peer.", float64(s.Skipped))
}

func uartFigures(add adder, u *UART) {
	add("framing_errors_total", "Characters without a stop bit.", float64(u.Framing))
	add("parity_errors_total", "Characters with a wrong parity bit.", float64(u.Parity))
	add("overruns_total", "Characters lost because they were not read in time.", float64(u.Overrun))
	add("breaks_total", "Times the line was held low.", float64(u.Breaks))
}

func linkFigures(add adder, l *Link) {
	add("up", "1 if the reliable link is up.", one(l.Up))
	add("frames_received_total", "Frames received.", float64(l.FramesIn))
	add("frames_sent_total", "Frames sent.", float64(l.FramesOut))
	add("frames_resent_total", "Frames sent again.", float64(l.Resent))
	add("rejects_total", "Frames that the device found missing.", float64(l.Rejects))
	add("timeouts_total", "Answers that did not arrive in time.", float64(l.Timeouts))
	add("fcs_errors_total", "Frames with a wrong checksum.", float64(l.FCS))
	add("framing_errors_total", "Frames too long, too short or aborted.", float64(l.Framing))
	add("connections_total", "Times the link came up.", float64(l.Connections))
	add("resets_total", "Times the link was reset.", float64(l.Resets))
}

func sensorFigures(add adder, s *Sensor) {
	add("silent", "1 if no good reading arrived within expect_every.", one(s.Silent))
	add("last_good_timestamp_seconds", "When the last good reading arrived; 0 if never.", timestamp(s.LastGood))
}

func linesFigures(add adder, l *Lines) {
	add("good_total", "Lines that became events.", float64(l.Good))
	add("bad_total", "Lines that could not be read.", float64(l.Bad))
	add("check_errors_total", "Telegrams with a wrong checksum.", float64(l.Check))
	add("requests_total", "Requests sent.", float64(l.Asked))
	add("unanswered_total", "Requests without an answer.", float64(l.Unanswered))
	add("partial_total", "Lines that began before the port was opened.", float64(l.Partial))
	add("bad_fields_total", "Fields of good lines that could not be read.", float64(l.BadFields))
}

func slaveFigures(add adder, s *lineSlave) {
	add("silent", "1 if the slave does not answer.", one(s.Silent))
	add("requests_total", "Requests to the slave.", float64(s.Requests))
	add("exceptions_total", "Answers that are exceptions.", float64(s.Exceptions))
	add("timeouts_total", "Requests that the slave did not answer.", float64(s.Timeouts))
	add("crc_errors_total", "Answers with a wrong CRC.", float64(s.Broken))
	add("late_total", "Answers that took longer than the timeout.", float64(s.Late))
}

func certificateFigures(add adder, c *Certificate) {
	add("expiry_seconds", "Seconds until the certificate expires; negative if it has expired.", c.Expiry)
	add("alarm", "1 if the certificate has expired or expires soon, or its files cannot be used.", one(c.Alarm != ""))
}
