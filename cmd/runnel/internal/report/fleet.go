package report

import "time"

// Fleet is the nodes that link to a realm.
type Fleet struct {
	Realm   string `json:"realm"`
	Online  int    `json:"online"`
	Offline int    `json:"offline"`
	Alarms  int    `json:"alarms"` // of all nodes
	Queued  int    `json:"queue"`  // events that wait at all nodes

	Nodes []FleetNode `json:"-"` // for metrics; at most 1,000
}

// FleetNode is a node of a Fleet.
type FleetNode struct {
	ID             string
	Up             bool
	LastSeen       time.Time // zero: never
	Alarms, Queued int
}

func fleetFigures(add adder, f *Fleet) {
	add("nodes_online", "Nodes of the fleet whose link is up.", float64(f.Online))
	add("nodes_offline", "Nodes of the fleet whose link is down.", float64(f.Offline))
	add("alarms", "Alarms that the nodes have reported.", float64(f.Alarms))
	add("queue_events", "Events waiting at the nodes.", float64(f.Queued))
}

// realmNode is a node and its realm.
type realmNode struct {
	*FleetNode
	realm string
}

func nodesOf(fleets []Fleet) (list []realmNode) {
	for i := range fleets {
		for j := range fleets[i].Nodes {
			list = append(list, realmNode{&fleets[i].Nodes[j], fleets[i].Realm})
		}
	}
	return list
}

func (n *realmNode) labels() string {
	return "node=" + labelText(n.ID) + ",realm=" + labelText(n.realm)
}

func nodeFigures(add adder, n *realmNode) {
	add("up", "1 if the link of the node is up.", one(n.Up))
	add("last_seen_timestamp_seconds", "When the node was last seen; 0 if never.", timestamp(n.LastSeen))
	add("alarms", "Alarms that the node has reported.", float64(n.Alarms))
	add("queue_events", "Events waiting at the node.", float64(n.Queued))
}
