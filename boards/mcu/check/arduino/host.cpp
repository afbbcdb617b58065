/* A PC as an Arduino with WiFi. It runs the sketch without changes. Every connection leads to 127.0.0.1, whatever host the
   sketch names; the environment variable ROUTER_PORT has the port. The program ends at the end of its standard input. */
#include <WiFi.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

Console Serial;
Network WiFi;
struct IPAddress {};

static uint8_t pins[256];

uint32_t micros()
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)(t.tv_sec * 1000000ull + (uint64_t)t.tv_nsec / 1000);
}

uint32_t millis()
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)(t.tv_sec * 1000ull + (uint64_t)t.tv_nsec / 1000000);
}

void delay(unsigned long milliseconds)
{
	struct pollfd input = {0, POLLIN, 0};
	if (poll(&input, 1, (int)milliseconds) > 0) {
		char octet;
		if (read(0, &octet, 1) <= 0)
			exit(0);
	}
}

int analogRead(uint8_t) { return 265; } /* 21.35 degrees */
int digitalRead(uint8_t pin) { return pins[pin]; }
void digitalWrite(uint8_t pin, uint8_t value) { pins[pin] = value; }
void pinMode(uint8_t, uint8_t) {}

void Console::begin(unsigned long) {}
size_t Console::write(const uint8_t *octets, size_t size) { return fwrite(octets, 1, size, stdout); }
size_t Console::write(uint8_t octet) { return write(&octet, 1); }
size_t Console::print(const char *text) { return write((const uint8_t *)text, strlen(text)); }
size_t Console::println(const char *text)
{
	size_t n = print(text) + write('\n');
	fflush(stdout);
	return n;
}

void Network::begin(const char *, const char *) {}

int WiFiClient::connect(const char *, uint16_t)
{
	const char *port = getenv("ROUTER_PORT");
	struct sockaddr_in address = {};
	address.sin_family = AF_INET;
	address.sin_port = htons((uint16_t)atoi(port ? port : "8080"));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || ::connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		stop();
		return 0;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return 1;
}

int WiFiClient::connect(IPAddress, uint16_t port) { return connect("", port); }

size_t WiFiClient::write(const uint8_t *octets, size_t size)
{
	ssize_t n = send(fd, octets, size, MSG_NOSIGNAL);
	return n > 0 ? (size_t)n : 0;
}

size_t WiFiClient::write(uint8_t octet) { return write(&octet, 1); }

int WiFiClient::available()
{
	int n = 0;
	return fd >= 0 && ioctl(fd, FIONREAD, &n) == 0 ? n : 0;
}

int WiFiClient::read(uint8_t *octets, size_t size) { return (int)recv(fd, octets, size, 0); }

int WiFiClient::read()
{
	uint8_t octet;
	return read(&octet, 1) == 1 ? octet : -1;
}

int WiFiClient::peek()
{
	uint8_t octet;
	return recv(fd, &octet, 1, MSG_PEEK) == 1 ? octet : -1;
}

void WiFiClient::flush() {}

void WiFiClient::stop()
{
	if (fd >= 0)
		close(fd);
	fd = -1;
}

/* As on the boards, a closed connection stays connected until the sketch has read everything. */
uint8_t WiFiClient::connected()
{
	uint8_t octet;
	return fd >= 0 && recv(fd, &octet, 1, MSG_PEEK) != 0;
}

WiFiClient::operator bool() { return fd >= 0; }

int main()
{
	setup();
	for (;;)
		loop();
}
