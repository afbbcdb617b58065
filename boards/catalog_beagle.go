package boards

// Debian's kernels since 4.x name the AM335x's UARTs ttyS; older ones named them ttyO.
var boneUARTs = []UART{
	{"/dev/ttyS0", "UART0", "the 6-pin debug header J1", consoleNote},
	{"/dev/ttyS1", "UART1", "TX P9.24, RX P9.26", ""},
	{"/dev/ttyS2", "UART2", "TX P9.21, RX P9.22", ""},
	{"/dev/ttyS4", "UART4", "TX P9.13, RX P9.11", ""},
}

var boneBlackUARTs = append(boneUARTs[:len(boneUARTs):len(boneUARTs)],
	UART{"/dev/ttyS5", "UART5", "TX P8.37, RX P8.38", "The pins are HDMI's: disable_uboot_overlay_video=1 in /boot/uEnv.txt frees them"},
)

var boneGreenUARTs = append(boneUARTs[:len(boneUARTs):len(boneUARTs)],
	UART{"/dev/ttyS5", "UART5", "TX P8.37, RX P8.38", ""},
)

var beagle = []Board{
	{
		Name: "BeagleBone Black", Vendor: "BeagleBoard.org", SoC: "AM335x", Build: "arm7",
		Compatible: []string{"ti,am335x-bone-black", "ti,am335x-bone-black-wireless"}, UARTs: boneBlackUARTs,
	},
	{
		Name: "BeagleBone Green", Vendor: "Seeed Studio", SoC: "AM335x", Build: "arm7",
		Compatible: []string{"ti,am335x-bone-green", "ti,am335x-bone-green-wireless", "seeed,am335x-bone-green", "seeed,am335x-bone-green-wireless"},
		UARTs:      boneGreenUARTs,
	},
	{
		Name: "PocketBeagle", Vendor: "BeagleBoard.org", SoC: "AM335x", Build: "arm7",
		Compatible: []string{"ti,am335x-pocketbeagle"},
		UARTs: []UART{
			{"/dev/ttyS0", "UART0", "TX P1.30, RX P1.32", consoleNote},
			{"/dev/ttyS2", "UART2", "TX P1.10, RX P1.08", "The pins are SPI0's"},
			{"/dev/ttyS4", "UART4", "TX P2.07, RX P2.05", ""},
		},
	},
	{
		Name: "BeaglePlay", Vendor: "BeagleBoard.org", SoC: "AM625", Build: "arm64",
		Compatible: []string{"beagle,am625-beagleplay"},
		UARTs: []UART{
			{"/dev/ttyS0", "UART5", "TX and RX of the mikroBUS socket", ""},
			{"/dev/ttyS2", "UART0", "the 3-pin debug connector", consoleNote},
		},
	},
}
