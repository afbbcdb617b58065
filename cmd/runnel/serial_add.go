package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"runnel/cmd/runnel/internal/cli"
	"runnel/cmd/runnel/internal/config"
	"runnel/cmd/runnel/internal/node"
	"runnel/cmd/runnel/internal/remote"
	"runnel/cmd/runnel/internal/setup"
	"runnel/cmd/runnel/internal/term"
	"runnel/transport/serial"
	"runnel/transport/serial/detect"
)

// addition is a run of "runnel serial add".
type addition struct {
	setup.Line
	file string // the main configuration file
	baud int
	each time.Duration

	profile string
	ask     *setup.Prompter
}

func serialAddCommand() *cobra.Command {
	var a addition
	var yes bool
	cmd := &cobra.Command{
		Use:   "add DEVICE",
		Short: "Detect what a serial device sends, and add it to the config",
		Long: `Listens to a serial port as "runnel serial probe" does and shows what it detected. It
asks for the line's name and topic, and whether to write its file, conf.d/NAME.toml
beside the config. With --yes it asks nothing. The file is checked together with
the whole config before it is written; a router that runs with it reloads.

With --profile it does not listen: the profile of that name says what the device
speaks ("runnel serial profiles" lists them).

The file names an adapter by its USB identity if that is unique, so that the router
finds it under any device name.`,
		Example: `  sudo runnel serial add /dev/ttyUSB0
  sudo runnel serial add /dev/ttyACM0 --name greenhouse --topic com.example.greenhouse --yes
  sudo runnel serial add /dev/ttyUSB1 --profile sdm120 --slave 2`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if a.each <= 0 || a.baud < 0 {
				return cli.UsageError("--each and --baud must be greater than 0")
			}
			if a.Slave < 0 || a.Slave > 0 && a.profile == "" {
				return cli.UsageError("--slave must be greater than 0, and needs --profile")
			}
			a.ask = setup.NewPrompter(os.Stdin, os.Stderr, yes)
			return a.run(args[0])
		},
	}
	configFlag(cmd, &a.file)
	f := cmd.Flags()
	f.BoolVarP(&yes, "yes", "y", false, "ask nothing: use the flags and what was detected")
	f.StringVar(&a.Name, "name", "", "`NAME` of the line (default: the last part of DEVICE)")
	f.StringVar(&a.Topic, "topic", "", "`URI` under which readings are published (default: from the name)")
	f.StringVar(&a.Realm, "realm", "", "`NAME` of the realm, if there are several")
	f.StringVar(&a.Role, "role", "", "`NAME` of the line's role (default: sensor, if the realm has it)")
	f.StringVar(&a.profile, "profile", "", "`NAME` of the device's profile, instead of listening")
	cmd.RegisterFlagCompletionFunc("profile", completeProfile)
	f.IntVar(&a.Slave, "slave", 0, "`NUMBER` of the slave, with the profile of a Modbus device (default: as shipped)")
	f.IntVar(&a.baud, "baud", 0, "try this baud rate only; with --profile: the device's baud rate")
	f.DurationVar(&a.each, "each", 3*time.Second, "how long to listen at each baud rate")
	return cmd
}

func (a *addition) run(device string) error {
	if a.Name != "" {
		if err := setup.CheckLineName(a.Name); err != nil {
			return cli.UsageError(err.Error())
		}
	}
	c, err := node.Load(a.file)
	if err != nil {
		return err
	}
	if !serial.IsNetwork(device) && !serial.IsCOM(device) {
		if device, err = filepath.Abs(device); err != nil {
			return err
		}
	}
	ports, _ := serial.List() // on an error the path alone identifies the port
	if err := setup.CheckUnused(c, device, ports); err != nil {
		return err
	}
	prefix := a.Defaults(c)
	if err := a.listen(device); err != nil {
		return err
	}
	a.USB, a.Port.Device = setup.Identify(device, ports)
	if err := a.complete(device, prefix); err != nil {
		return err
	}
	return a.write()
}

// listen detects the format of the device, unless a profile is named.
func (a *addition) listen(device string) (err error) {
	if a.profile != "" {
		return a.find(device)
	}
	line, err := listen(a.file, serial.Config{Device: device, Baud: a.baud}, a.each)
	if err != nil {
		return remote.PortError(a.file, device, err)
	}
	a.Port, a.Detected, a.Profile = line.Port, line.Detected, line.Profile
	if a.Detected.Kind == detect.Modbus {
		return fmt.Errorf("add serial line %s: a Modbus master polls this bus already, and a bus has one master; disconnect it, then add the device by its --profile, or write the line by hand: see docs/serial.md", device)
	}
	fmt.Fprintf(os.Stderr, "detected %v: %s\n", a.Detected, term.Harmless(strings.ReplaceAll(a.Detected.Sample, "\n", " ")))
	return nil
}

// find finds the profile, and checks that the port exists.
func (a *addition) find(device string) (err error) {
	if a.Profile, err = config.FindProfile(a.file, a.profile); err != nil {
		return cli.UsageError("--profile: " + err.Error())
	}
	if a.Slave > 0 && a.Profile.Mode() != "modbus" {
		return cli.UsageError(fmt.Sprintf("--slave: the profile %q is not one of a Modbus device", a.profile))
	}
	a.Port = serial.Config{Device: device, Baud: a.baud}
	if a.Port.Networked() {
		return nil
	}
	if _, err := os.Stat(device); err != nil {
		return fmt.Errorf("add serial line %s: %w; \"runnel serial ls\" lists the ports", device, err)
	}
	return nil
}

// complete asks for the values that no flag sets.
func (a *addition) complete(device, prefix string) (err error) {
	if a.Name == "" {
		if a.Name, err = a.ask.Text("Name of the line", filepath.Base(device), setup.CheckLineName); err != nil {
			return cli.UsageError("--name: " + err.Error())
		}
	}
	if !a.Lines() {
		if a.Topic != "" {
			return cli.UsageError("--topic: the device speaks WAMP and chooses its own topics")
		}
		return nil
	}
	if a.Topic == "" && (a.Profile == nil || a.SuggestTopic(prefix) != "") {
		a.Topic, err = a.ask.Text("Topic of its readings", a.SuggestTopic(prefix), func(topic string) error {
			if topic == "" {
				return errors.New("a topic is missing")
			}
			return nil
		})
	}
	return err
}

func (a *addition) write() error {
	fmt.Fprintf(term.Stdout, "%s", a.Text())
	if ok, err := a.ask.Confirm("Write this into conf.d/" + a.Name + ".toml?"); err != nil || !ok {
		if err == nil {
			err = errors.New("nothing was written")
		}
		return err
	}
	c, file, err := a.Write(a.file, node.CheckUplink)
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		if w.File == file {
			fmt.Fprintf(os.Stderr, "warning: %v\n", w)
		}
	}
	fmt.Fprintf(term.Stdout, "\nwrote %s\n", file)
	return remote.ReloadFile(term.Stdout, version, c, file, "serial line "+a.Name)
}
