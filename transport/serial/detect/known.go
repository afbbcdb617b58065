package detect

import "runnel/transport/serial/lines"

// Device is a device whose messages are recognized.
type Device struct {
	Profile string
	Parser  *lines.Parser
}

// Devices are the known devices. If data fit several, the best match is chosen: the one with the most evidence.
type Devices []Device

// Parser returns the parser of a profile, or nil.
func (all Devices) Parser(profile string) *lines.Parser {
	for _, d := range all {
		if d.Profile == profile {
			return d.Parser
		}
	}
	return nil
}

// proven looks for messages with a check.
func (all Devices) proven(octets []byte) Guess {
	return all.best(octets, func(t lines.Trial) bool { return t.Proven(len(octets)) })
}

// fitting looks for messages that fit a device, and are unlikely to come from another.
func (all Devices) fitting(octets []byte) Guess {
	return all.best(octets, lines.Trial.Fits)
}

func (all Devices) best(octets []byte, fits func(lines.Trial) bool) (g Guess) {
	most := 0
	for _, d := range all {
		t := d.Parser.Try(octets)
		if !fits(t) || t.Bits <= most {
			continue
		}
		most = t.Bits
		g = Guess{Kind: Known, Sure: t.Proven(len(octets)) || t.Good >= enough, Pieces: t.Good, Sample: t.Sample, Profile: d.Profile}
	}
	return g
}
