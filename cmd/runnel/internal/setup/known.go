package setup

import (
	"fmt"
	"slices"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/spelling"
	"runnel/transport/serial/detect"
	"runnel/transport/serial/lines"
)

// KnownDevices returns the profiles of devices whose messages can be recognized. Profiles that are invalid are left out.
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

// NoDecoder returns the error for an unknown decoder. It lists the valid names: formats and known devices.
func NoDecoder(name string, known detect.Devices) string {
	names := slices.Clone(detect.Formats)
	for _, d := range known {
		names = append(names, d.Profile)
	}
	if near := spelling.Similar(name, names); len(near) > 0 {
		return fmt.Sprintf("did you mean %s? \"runnel serial profiles\" lists the profiles", config.OneOf(near...))
	}
	return fmt.Sprintf("use %s, or the profile of a device that sends lines or telegrams; \"runnel serial profiles\" lists them", config.OneOf(detect.Formats...))
}
