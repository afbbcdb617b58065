package config

import "slices"

// checkClientIDs reports uplinks with the same client id at one broker, which would disconnect them in turn.
func (k checker) checkClientIDs() {
	for i, u := range k.c.Uplinks {
		for _, before := range k.c.Uplinks[:i] {
			shared := slices.ContainsFunc(u.URL, func(text string) bool { return slices.Contains(before.URL, text) })
			if shared && u.ClientID != "" && u.ClientID == before.ClientID {
				k.Add(u.Place, "client_id", "the uplink %q at %s uses this id at the same broker, which accepts only one of them; choose another", before.Name, before.Place)
			}
		}
	}
}
