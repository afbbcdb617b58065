/* The part of a board's WiFi library that the TCP sketch uses. On a PC, host.cpp implements it with sockets. For an Arduino with
   its real core, and for a bare ARM, the sketch is only compiled. */
#ifndef WIFI_H
#define WIFI_H

#include <Arduino.h>
#include <Client.h>

struct WiFiClient : Client {
	int connect(IPAddress address, uint16_t port);
	int connect(const char *host, uint16_t port);
	size_t write(uint8_t octet);
	size_t write(const uint8_t *octets, size_t size);
	int available();
	int read();
	int read(uint8_t *octets, size_t size);
	int peek();
	void flush();
	void stop();
	uint8_t connected();
	operator bool();

private:
	int fd = -1;
};

struct Network {
	void begin(const char *name, const char *password);
};
extern Network WiFi;

#endif
