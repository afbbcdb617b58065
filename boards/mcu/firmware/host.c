/* The node as a program, with standard input and output as its line. Tests use it. It also runs the example without a board:
 *
 *	socat PTY,link=/tmp/greenhouse,raw,echo=0,wait-slave EXEC:./host
 *
 * With --half-duplex the node sends only when the router polls it.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node.h"

static int port_read(void *context)
{
	unsigned char b;
	ssize_t n = read(0, &b, 1);
	(void)context;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		exit(0); /* unplugged */
	return n == 1 ? b : -1;
}

static bool port_write(void *context, uint8_t octet)
{
	ssize_t n = write(1, &octet, 1);
	(void)context;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		exit(0);
	return n == 1;
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
	struct pollfd p = {0, POLLIN, 0};
	(void)context;
	poll(&p, 1, (int)milliseconds);
}

static int32_t sensor(void) { return 2137; }

int main(int argc, char **argv)
{
	static const struct runnel_port port = {port_read, port_write, port_clock, port_boot, port_idle, 0};
	fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
	fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);
	node_run(&port, argc > 1 && strcmp(argv[1], "--half-duplex") == 0, sensor);
	return 0;
}
