package boards

const routerConsole = "The kernel's console, and a shell, are on it: comment the askconsole line of /etc/inittab out"

// openwrt lists routers and modules with MediaTek's MIPS processors. They are known by SoC, as there are hundreds.
var openwrt = []Board{
	{
		Name: "Onion Omega2", Vendor: "Onion", SoC: "MT7688", Build: "mipsle",
		Compatible: []string{"onion,omega2", "onion,omega2p", "onion,omega2+"},
		UARTs: []UART{
			{"/dev/ttyS0", "UART0", "TX GPIO12, RX GPIO13; on a dock its USB socket", routerConsole},
			{"/dev/ttyS1", "UART1", "TX GPIO45, RX GPIO46", ""},
		},
	},
	{
		Name: "MT7628 or MT7688 router", SoC: "MT7628", Build: "mipsle",
		Compatible: []string{"mediatek,mt7628an-soc", "ralink,mt7628a-soc", "ralink,mt7688a-soc"},
		UARTs:      []UART{{"/dev/ttyS0", "UART0", "a header or pads on the circuit board", routerConsole}},
	},
	{
		Name: "MT7621 router", SoC: "MT7621", Build: "mipsle",
		Compatible: []string{"mediatek,mt7621-soc"},
		UARTs:      []UART{{"/dev/ttyS0", "UART0", "a header or pads on the circuit board", routerConsole}},
	},
}
