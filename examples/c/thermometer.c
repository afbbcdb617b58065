/* The C example: offers a procedure, subscribes to a topic, publishes a reading and calls the procedure.
 *
 * It runs a microcontroller's program on a PC. On a board, only the port functions differ: they read and write a UART.
 *
 *	cc -std=c99 -Iboards/mcu/src -o thermometer examples/c/thermometer.c boards/mcu/src/runnel.c
 *	./thermometer /dev/ttyUSB0
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "runnel.h"

static int tty;
static bool received, finished;

/* The port: one byte in, one byte out, a clock. */

static int port_read(void *context)
{
	unsigned char b;
	(void)context;
	return read(tty, &b, 1) == 1 ? b : -1;
}

static bool port_write(void *context, uint8_t b)
{
	(void)context;
	return write(tty, &b, 1) == 1;
}

static uint32_t port_clock(void *context)
{
	struct timespec t;
	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)t.tv_sec * 1000u + (uint32_t)(t.tv_nsec / 1000000);
}

static uint32_t port_boot(void *context)
{
	(void)context;
	return (uint32_t)getpid();
}

static void port_idle(void *context, uint32_t milliseconds)
{
	struct pollfd p = {tty, POLLIN, 0};
	(void)context;
	poll(&p, 1, (int)milliseconds);
}

/* The program. It counts in hundredths of a degree, because many microcontrollers have no floating-point unit. */

static void to_fahrenheit(struct runnel *link, struct runnel_message *m, void *context)
{
	int64_t celsius;
	(void)context;
	if (!runnel_read_fixed(&m->args, 2, &celsius)) {
		if (runnel_error(link, &m->invocation, "wamp.error.invalid_argument"))
			runnel_send(link);
		return;
	}
	if (runnel_result(link, &m->invocation)) {
		runnel_put_fixed(link, (int32_t)(celsius * 9 / 5 + 3200), 2);
		runnel_send(link);
	}
}

static void on_weather(struct runnel *link, struct runnel_message *m, void *context)
{
	int64_t celsius;
	(void)link;
	(void)context;
	if (received || !runnel_read_fixed(&m->args, 1, &celsius))
		return;
	received = true;
	printf("event com.example.weather %d.%d\n", (int)(celsius / 10), (int)(celsius % 10));
}

static void on_result(struct runnel *link, struct runnel_message *m, void *context)
{
	int64_t fahrenheit;
	(void)link;
	(void)context;
	if (m->error) {
		printf("call: %s\n", m->error);
		return;
	}
	if (runnel_read_fixed(&m->args, 1, &fahrenheit)) {
		printf("result %d.%d\n", (int)(fahrenheit / 10), (int)(fahrenheit % 10));
		finished = true;
	}
}

static void open_tty(const char *device)
{
	struct termios t;
	tty = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (tty < 0 || tcgetattr(tty, &t) < 0) {
		perror(device);
		exit(1);
	}
	t.c_iflag = t.c_oflag = t.c_lflag = 0;
	t.c_cflag = CS8 | CREAD | CLOCAL;
	cfsetispeed(&t, B115200);
	cfsetospeed(&t, B115200);
	tcsetattr(tty, TCSANOW, &t);
}

int main(int argc, char **argv)
{
	static const struct runnel_port port = {port_read, port_write, port_clock, port_boot, port_idle, NULL};
	static const struct runnel_config config = {.port = &port, .name = "thermometer", .t1 = RUNNEL_T1(115200)};
	static struct runnel link;

	if (argc != 2) {
		fprintf(stderr, "usage: thermometer DEVICE\n");
		return 2;
	}
	open_tty(argv[1]);
	runnel_init(&link, &config);
	runnel_register(&link, "com.example.c.to_fahrenheit", 0, to_fahrenheit, NULL);
	runnel_subscribe(&link, "com.example.weather", 0, on_weather, NULL);
	while (!finished) {
		/* A publisher does not get its own events unless it asks for them. */
		if (!received && runnel_publish(&link, "com.example.weather", RUNNEL_INCLUDE_ME, NULL, NULL)) {
			runnel_put_fixed(&link, 215, 1);
			runnel_send(&link);
		}
		if (received && runnel_call(&link, "com.example.c.to_fahrenheit", 5000, on_result, NULL)) {
			runnel_put_fixed(&link, 2150, 2);
			runnel_send(&link);
		}
		runnel_wait(&link, 500);
	}
	runnel_leave(&link);
	while (runnel_state(&link) != RUNNEL_LEFT)
		runnel_wait(&link, 50);
	return 0;
}
