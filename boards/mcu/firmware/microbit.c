/* The node on a BBC micro:bit (nRF51822) or another nRF51: the startup code and the port layer. Nothing else is linked.
 *
 *	make -C boards/mcu microbit
 *	qemu-system-arm -M microbit -nographic -serial pty -kernel build/microbit.elf
 *
 * Interrupts stay masked, so no handler runs: a pending interrupt only ends the sleep (WFI). The UART buffers six bytes. At
 * 115200 baud, runnel_poll must therefore run every half millisecond, and it does.
 */
#include "node.h"

#define REGISTER_AT(address) (*(volatile uint32_t *)(uintptr_t)(address))

#define UART(offset) REGISTER_AT(0x40002000u + (offset))
#define UART_STARTRX UART(0x000)
#define UART_STARTTX UART(0x008)
#define UART_RXDRDY UART(0x108)
#define UART_TXDRDY UART(0x11c)
#define UART_INTENSET UART(0x304)
#define UART_ENABLE UART(0x500)
#define UART_PSELTXD UART(0x50c)
#define UART_PSELRXD UART(0x514)
#define UART_RXD UART(0x518)
#define UART_TXD UART(0x51c)
#define UART_BAUDRATE UART(0x524)

#define TIMER(offset) REGISTER_AT(0x40008000u + (offset))
#define TIMER_START TIMER(0x000)
#define TIMER_CAPTURE0 TIMER(0x040)
#define TIMER_COMPARE1 TIMER(0x144)
#define TIMER_INTENSET TIMER(0x304)
#define TIMER_BITMODE TIMER(0x508)
#define TIMER_PRESCALER TIMER(0x510)
#define TIMER_CC0 TIMER(0x540)
#define TIMER_CC1 TIMER(0x544)

#define RNG(offset) REGISTER_AT(0x4000d000u + (offset))
#define RNG_START RNG(0x000)
#define RNG_STOP RNG(0x004)
#define RNG_VALRDY RNG(0x100)
#define RNG_VALUE RNG(0x508)

#define NVIC_ENABLE REGISTER_AT(0xe000e100u)
#define NVIC_UNPEND REGISTER_AT(0xe000e280u)

enum {
	UART_IRQ = 1 << 2,
	TIMER_IRQ = 1 << 8,
	PIN_TX = 24, /* on the micro:bit, connected to its USB chip */
	PIN_RX = 25,
	MICROSECONDS = 4, /* prescaler: 16 MHz / 2^4 */
	BAUD_115200 = 0x01d7e000
};

static uint32_t microseconds(void)
{
	TIMER_CAPTURE0 = 1;
	return TIMER_CC0;
}

static int port_read(void *context)
{
	(void)context;
	if (!UART_RXDRDY)
		return -1;
	UART_RXDRDY = 0;
	return (int)(UART_RXD & 0xff);
}

/* Accepts an octet once the previous one is sent. */
static bool port_write(void *context, uint8_t octet)
{
	static bool begun;
	(void)context;
	if (begun && !UART_TXDRDY)
		return false;
	begun = true;
	UART_TXDRDY = 0;
	UART_TXD = octet;
	return true;
}

static uint32_t port_clock(void *context)
{
	/* The microsecond counter wraps too soon, so its increments are added up. The client calls this often enough. */
	static uint32_t then, milliseconds;
	uint32_t now = microseconds();
	(void)context;
	for (; now - then >= 1000; then += 1000)
		milliseconds++;
	return milliseconds;
}

static uint32_t port_boot(void *context)
{
	uint32_t number = 0;
	int i;
	(void)context;
	RNG_START = 1;
	for (i = 0; i < 4; i++) {
		while (!RNG_VALRDY) {
		}
		RNG_VALRDY = 0;
		number = number << 8 | (RNG_VALUE & 0xff);
	}
	RNG_STOP = 1;
	return number;
}

static void port_idle(void *context, uint32_t milliseconds)
{
	(void)context;
	if (milliseconds == 0)
		return;
	if (milliseconds > 1000000)
		milliseconds = 1000000;
	TIMER_COMPARE1 = 0;
	TIMER_CC1 = microseconds() + milliseconds * 1000;
	NVIC_UNPEND = UART_IRQ | TIMER_IRQ;
	if (!UART_RXDRDY) /* if an octet arrives from here on, the pending interrupt ends WFI at once */
		__asm__ volatile("wfi");
}

static int32_t sensor(void) { return 2137; }

int main(void)
{
	static const struct runnel_port port = {port_read, port_write, port_clock, port_boot, port_idle, 0};
	__asm__ volatile("cpsid i");
	TIMER_BITMODE = 3; /* 32 bits */
	TIMER_PRESCALER = MICROSECONDS;
	TIMER_INTENSET = 1u << 17; /* COMPARE1 */
	TIMER_START = 1;
	UART_PSELTXD = PIN_TX;
	UART_PSELRXD = PIN_RX;
	UART_BAUDRATE = BAUD_115200;
	UART_ENABLE = 4;
	UART_INTENSET = 1u << 2; /* RXDRDY */
	UART_STARTTX = 1;
	UART_STARTRX = 1;
	NVIC_ENABLE = UART_IRQ | TIMER_IRQ;
	node_run(&port, false, sensor);
	return 0;
}

/* The reset handler. */

extern uint32_t data_image[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];

void reset(void)
{
	uint32_t *to;
	const uint32_t *from = data_image;
	for (to = data_start; to < data_end; to++)
		*to = *from++;
	for (to = bss_start; to < bss_end; to++)
		*to = 0;
	main();
	for (;;) {
	}
}

/* A fault restarts the program. The router handles it like any restart of the device. */
static void fault(void) { REGISTER_AT(0xe000ed0cu) = 0x05fa0004; }

__attribute__((section(".vectors"), used)) static void *const vectors[] = {
	stack_top, (void *)(uintptr_t)reset, (void *)(uintptr_t)fault, (void *)(uintptr_t)fault,
};

/* The compiler calls these functions by itself. They are defined here because no C library is linked. */

void *memset(void *to, int value, size_t n);
void *memcpy(void *to, const void *from, size_t n);

void *memset(void *to, int value, size_t n)
{
	volatile unsigned char *p = to;
	while (n-- > 0)
		*p++ = (unsigned char)value;
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	volatile unsigned char *p = to;
	const unsigned char *q = from;
	while (n-- > 0)
		*p++ = *q++;
	return to;
}
