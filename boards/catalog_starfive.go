package boards

var riscv = []Board{
	{
		Name: "StarFive VisionFive 2", Vendor: "StarFive", SoC: "JH7110", Build: "riscv64",
		Compatible: []string{"starfive,visionfive-2-v1.3b", "starfive,visionfive-2-v1.2a", "starfive,visionfive-2"},
		UARTs:      []UART{{"/dev/ttyS0", "UART0", header("GPIO5", "GPIO6"), consoleNote}},
	},
	{
		Name: "Milk-V Duo", Vendor: "Milk-V", SoC: "CV1800B", Build: "riscv64",
		Compatible: []string{"milkv,duo"},
		UARTs:      []UART{{"/dev/ttyS0", "UART0", "TX GP12 (pin 16), RX GP13 (pin 17)", consoleNote}},
		Note:       "Linux has about half of the 64 MB in the vendor's images",
	},
}
