package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/config/directory"
	"runnel/cmd/runnel/internal/report"
	"runnel/transport/serial"
)

// PortError adds the remedy to an error of opening a serial port. If a router holds the port, the remedy names the router's
// line and its file; file is the main file of the configuration by which the router is found.
func PortError(file, device string, err error) error {
	var held *serial.Held
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; \"runnel serial ls\" lists the ports", err)
	case errors.Is(err, fs.ErrPermission):
		if group := fileGroup(device); group != "" {
			return fmt.Errorf("%w; run the command with sudo, or join the port's group: sudo usermod -aG %s %s, then log in again", err, group, userName())
		}
		return fmt.Errorf("%w; run the command with sudo", err)
	case errors.As(err, &held):
		c, _ := config.Load(file, nil) // an invalid one still says where the router listens
		if remedy := freeLine(c, device); remedy != "" {
			return fmt.Errorf("%w; %s", err, remedy)
		}
		if slices.ContainsFunc(held.By, func(p serial.Process) bool { return strings.HasPrefix(p.Name, "runnel") }) {
			return fmt.Errorf("%w, a router or another runnel command; \"runnel status\" shows the lines of a router, -c names its configuration", err)
		}
		return fmt.Errorf("%w; stop the program that holds the port, then try again", err)
	}
	return err
}

// freeLine returns the command that frees a port held by a serial line of the router that runs with a configuration;
// "" if no line holds it.
func freeLine(c *config.Config, device string) string {
	if c == nil {
		return ""
	}
	line := routerLine(c, device)
	i := slices.IndexFunc(c.Serials, func(s config.Serial) bool { return line != "" && s.Name == line })
	switch {
	case line == "":
		return ""
	case i < 0:
		return fmt.Sprintf("it is the serial line %q of the running router: \"runnel status\" shows it, and \"runnel reload\" frees the port, because the configuration does not have the line any more", line)
	}
	at := c.Serials[i].Place
	if filepath.Base(filepath.Dir(at.File)) == "conf.d" {
		return fmt.Sprintf("it is the serial line %q of the running router (%s): \"runnel status\" shows it; to free the port: mv %s %s.off && runnel reload", line, at, at.File, at.File)
	}
	return fmt.Sprintf("it is the serial line %q of the running router (%s): \"runnel status\" shows it; to free the port, remove the table [[serial]] there, then: runnel reload", line, at)
}

// routerLine returns the name of the line that the running router has at a port. If its status cannot be read,
// routerLine uses the configuration.
func routerLine(c *config.Config, device string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	text, err := (&Router{Realm: "realm1", Serializer: "cbor"}).StatusOf(ctx, c)
	var status struct{ Serial []report.Serial }
	if err == nil && json.Unmarshal(text, &status) == nil {
		for _, s := range status.Serial {
			if s.Device != "" && directory.SamePath(s.Device, device) {
				return s.Name
			}
		}
		return ""
	}
	ports, _ := serial.List()
	if s := c.LineAt(device, ports); s != nil {
		return s.Name
	}
	return ""
}
