package setup

import (
	"runnel/cmd/runnel/internal/config"
	"runnel/transport/serial/detect"
	"runnel/transport/serial/lines"
)

// KnownDevices returns the profiles of devices whose messages can be recognised. Profiles that are invalid are left out.
func KnownDevices(main string) (known detect.Devices) {
	list, _ := config.Profiles(main) // the error lists the invalid ones
	for _, p := range list {
		if p.Mode() != "lines" {
			continue
		}
		c := p.Serials[0].LinesConfig()
		c.Topic = "com.example" // those of a profile may be missing
		if parser, err := lines.New(c); err == nil {
			known = append(known, detect.Device{Profile: p.Name, Parser: parser})
		}
	}
	return known
}
