package boards

const allwinnerOverlay = "Needs its device tree overlay (armbian-config, or overlays= in the boot environment)"

var debugUART0 = UART{"/dev/ttyS0", "UART0", "the 3-pin debug header", consoleNote}

// h616UARTs are the UARTs of the Orange Pi Zero 2 and Zero 3, on the 26-pin header.
var h616UARTs = []UART{
	debugUART0,
	{"/dev/ttyS5", "UART5", header("PH2", "PH3"), allwinnerOverlay},
}

var allwinner = []Board{
	{
		Name: "Orange Pi Zero", Vendor: "Xunlong", SoC: "Allwinner H2+", Build: "arm7",
		Compatible: []string{"xunlong,orangepi-zero"},
		UARTs: []UART{
			debugUART0,
			{"/dev/ttyS1", "UART1", header("PG6", "PG7"), allwinnerOverlay},
			{"/dev/ttyS2", "UART2", "TX PA0 (pin 13), RX PA1 (pin 11)", allwinnerOverlay},
		},
	},
	{
		Name: "Orange Pi Zero 2", Vendor: "Xunlong", SoC: "Allwinner H616", Build: "arm64",
		Compatible: []string{"xunlong,orangepi-zero2"}, UARTs: h616UARTs,
	},
	{
		Name: "Orange Pi Zero 3", Vendor: "Xunlong", SoC: "Allwinner H618", Build: "arm64",
		Compatible: []string{"xunlong,orangepi-zero3"}, UARTs: h616UARTs,
	},
	{
		Name: "Orange Pi PC", Vendor: "Xunlong", SoC: "Allwinner H3", Build: "arm7",
		Compatible: []string{"xunlong,orangepi-pc"},
		UARTs: []UART{
			debugUART0,
			{"/dev/ttyS1", "UART1", "TX PG6 (pin 38), RX PG7 (pin 40)", allwinnerOverlay},
			{"/dev/ttyS2", "UART2", "TX PA0 (pin 13), RX PA1 (pin 11)", allwinnerOverlay},
			{"/dev/ttyS3", "UART3", header("PA13", "PA14"), allwinnerOverlay},
		},
	},
	{
		Name: "Orange Pi 3", Vendor: "Xunlong", SoC: "Allwinner H6", Build: "arm64",
		Compatible: []string{"xunlong,orangepi-3"}, UARTs: []UART{debugUART0},
	},
	{
		Name: "Orange Pi 3 LTS", Vendor: "Xunlong", SoC: "Allwinner H6", Build: "arm64",
		Compatible: []string{"xunlong,orangepi-3-lts"}, UARTs: []UART{debugUART0},
	},
	{
		Name: "Banana Pi M2 Zero", Vendor: "Sinovoip", SoC: "Allwinner H2+", Build: "arm7",
		Compatible: []string{"sinovoip,bpi-m2-zero"},
		UARTs: []UART{
			{"/dev/ttyS0", "UART0", "the debug pads", consoleNote},
			{"/dev/ttyS3", "UART3", header("PA13", "PA14"), allwinnerOverlay},
		},
	},
	{
		Name: "NanoPi NEO", Vendor: "FriendlyElec", SoC: "Allwinner H3", Build: "arm7",
		Compatible: []string{"friendlyarm,nanopi-neo"},
		UARTs: []UART{
			{"/dev/ttyS0", "UART0", "the 4-pin debug header", consoleNote},
			{"/dev/ttyS1", "UART1", header("PG6", "PG7"), allwinnerOverlay},
		},
	},
}
