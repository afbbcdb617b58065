package boards

// Raspberry Pi OS puts its console on the UART at pins 8 and 10 of the header, and names that UART /dev/serial0.
const piConsole = "Raspberry Pi OS may have its console and a login on it: turn them off with raspi-config"

// piPL011 is the UART of the boards without Bluetooth.
var piPL011 = []UART{
	{"/dev/ttyAMA0", "UART0 (PL011)", header("GPIO14", "GPIO15"), "Also /dev/serial0. " + piConsole},
}

// piMini are the UARTs of the boards with Bluetooth, which takes the full-featured one.
var piMini = []UART{
	{"/dev/ttyS0", "UART1 (mini UART)", header("GPIO14", "GPIO15"),
		"Also /dev/serial0. Needs enable_uart=1 in config.txt, which also fixes the core clock on which its baud rate depends. It has no " +
			"parity bit and detects neither framing errors nor breaks. " + piConsole},
	{"/dev/ttyAMA0", "UART0 (PL011)", "the Bluetooth chip",
		"dtoverlay=disable-bt in config.txt puts it on GPIO14 and GPIO15 in place of the mini UART; so does miniuart-bt, which keeps Bluetooth"},
}

// pi4 are the UARTs of the BCM2711.
var pi4 = append(piMini[:len(piMini):len(piMini)],
	UART{"", "UART2 (PL011)", "TX GPIO0 (pin 27), RX GPIO1 (pin 28)", "dtoverlay=uart2; the pins are those of the HAT's EEPROM"},
	UART{"", "UART3 (PL011)", "TX GPIO4 (pin 7), RX GPIO5 (pin 29)", "dtoverlay=uart3"},
	UART{"", "UART4 (PL011)", "TX GPIO8 (pin 24), RX GPIO9 (pin 21)", "dtoverlay=uart4; the pins are SPI0's"},
	UART{"", "UART5 (PL011)", "TX GPIO12 (pin 32), RX GPIO13 (pin 33)", "dtoverlay=uart5"},
)

// pi5 are the UARTs of the BCM2712 and of its I/O chip, the RP1.
var pi5 = []UART{
	{"/dev/ttyAMA10", "debug UART (PL011)", "the 3-pin connector between the HDMI sockets", "Also /dev/serial0. " + piConsole},
	{"/dev/ttyAMA0", "UART0 (PL011, RP1)", header("GPIO14", "GPIO15"), "dtparam=uart0=on in config.txt"},
	{"/dev/ttyAMA1", "UART1 (PL011, RP1)", "TX GPIO0 (pin 27), RX GPIO1 (pin 28)", "dtoverlay=uart1-pi5; the pins are those of the HAT's EEPROM"},
	{"/dev/ttyAMA2", "UART2 (PL011, RP1)", "TX GPIO4 (pin 7), RX GPIO5 (pin 29)", "dtoverlay=uart2-pi5"},
	{"/dev/ttyAMA3", "UART3 (PL011, RP1)", "TX GPIO8 (pin 24), RX GPIO9 (pin 21)", "dtoverlay=uart3-pi5; the pins are SPI0's"},
	{"/dev/ttyAMA4", "UART4 (PL011, RP1)", "TX GPIO12 (pin 32), RX GPIO13 (pin 33)", "dtoverlay=uart4-pi5"},
}

// piModule are the UARTs of a compute module without its carrier board, which determines the pins.
var piModule = []UART{
	{"/dev/serial0", "primary UART", "TX GPIO14, RX GPIO15 of the module", "enable_uart=1 in config.txt. " + piConsole},
}

var raspberryPi = func() []Board {
	all := []Board{
		{Name: "Raspberry Pi Zero", SoC: "BCM2835", Compatible: []string{"raspberrypi,model-zero"}, UARTs: piPL011},
		{Name: "Raspberry Pi Zero W", SoC: "BCM2835", Compatible: []string{"raspberrypi,model-zero-w"}, UARTs: piMini},
		{Name: "Raspberry Pi Zero 2 W", SoC: "BCM2837", Compatible: []string{"raspberrypi,model-zero-2-w", "raspberrypi,model-zero-2"}, UARTs: piMini},
		{Name: "Raspberry Pi Model A", SoC: "BCM2835", Compatible: []string{"raspberrypi,model-a"}, UARTs: piPL011},
		{Name: "Raspberry Pi Model A+", SoC: "BCM2835", Compatible: []string{"raspberrypi,model-a-plus"}, UARTs: piPL011},
		{Name: "Raspberry Pi Model B", SoC: "BCM2835", Compatible: []string{"raspberrypi,model-b", "raspberrypi,model-b-rev2"}, UARTs: piPL011},
		{Name: "Raspberry Pi Model B+", SoC: "BCM2835", Compatible: []string{"raspberrypi,model-b-plus"}, UARTs: piPL011},
		{Name: "Raspberry Pi 2 Model B", SoC: "BCM2836", Compatible: []string{"raspberrypi,2-model-b"}, UARTs: piPL011},
		{Name: "Raspberry Pi 2 Model B v1.2", SoC: "BCM2837", Compatible: []string{"raspberrypi,2-model-b-rev2"}, UARTs: piPL011},
		{Name: "Raspberry Pi 3 Model B", SoC: "BCM2837", Compatible: []string{"raspberrypi,3-model-b"}, UARTs: piMini},
		{Name: "Raspberry Pi 3 Model B+", SoC: "BCM2837", Compatible: []string{"raspberrypi,3-model-b-plus"}, UARTs: piMini},
		{Name: "Raspberry Pi 3 Model A+", SoC: "BCM2837", Compatible: []string{"raspberrypi,3-model-a-plus"}, UARTs: piMini},
		{Name: "Raspberry Pi 4 Model B", SoC: "BCM2711", Compatible: []string{"raspberrypi,4-model-b"}, UARTs: pi4},
		{Name: "Raspberry Pi 400", SoC: "BCM2711", Compatible: []string{"raspberrypi,400"}, UARTs: pi4},
		{Name: "Raspberry Pi 5", SoC: "BCM2712", Compatible: []string{"raspberrypi,5-model-b"}, UARTs: pi5},
		{Name: "Raspberry Pi Compute Module", SoC: "BCM2835", Compatible: []string{"raspberrypi,compute-module"}, UARTs: piModule},
		{Name: "Raspberry Pi Compute Module 3", SoC: "BCM2837", Compatible: []string{"raspberrypi,3-compute-module"}, UARTs: piModule},
		{Name: "Raspberry Pi Compute Module 4", SoC: "BCM2711", Compatible: []string{"raspberrypi,4-compute-module"}, UARTs: piModule},
		{Name: "Raspberry Pi Compute Module 4S", SoC: "BCM2711", Compatible: []string{"raspberrypi,4-compute-module-s"}, UARTs: piModule},
		{Name: "Raspberry Pi Compute Module 5", SoC: "BCM2712", Compatible: []string{"raspberrypi,5-compute-module"}, UARTs: piModule},
	}
	builds := map[string]string{"BCM2835": "arm6", "BCM2836": "arm7"}
	for i := range all {
		b := &all[i]
		b.Vendor = "Raspberry Pi"
		if b.Build = builds[b.SoC]; b.Build == "" {
			b.Build, b.Note = "arm64", "A 32-bit system takes the arm7 build"
		}
	}
	return all
}()
