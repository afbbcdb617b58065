package serial

import "strings"

// Info describes a serial port. It is gathered without opening the port.
type Info struct {
	Device string // "/dev/ttyUSB0"
	Driver string // "ftdi_sio", "uart-pl011"; "" if unknown

	USB          USB // zero unless it is a USB port
	Manufacturer string
	Product      string

	Names   []string  // other names of the device, under /dev/serial/by-id and by-path
	Holders []Process // processes that have it open, as far as this process may see
}

// List lists the serial ports of the machine.
func List() ([]Info, error) {
	ports, err := ports()
	if err != nil {
		return nil, err
	}
	addHolders(ports)
	return ports, nil
}

// String returns "/dev/ttyUSB0 (usb 0403:6001 serial A900 interface 00, FT232R, by-path/...)".
func (i Info) String() string {
	var about []string
	if i.USB != (USB{}) {
		about = append(about, i.USB.String())
	}
	if i.Product != "" {
		about = append(about, i.Product)
	}
	about = append(about, i.Names...)
	if len(about) == 0 {
		return i.Device
	}
	return i.Device + " (" + strings.Join(about, ", ") + ")"
}
