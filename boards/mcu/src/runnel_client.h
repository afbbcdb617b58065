/* The port layer for TCP. It uses the Client of an Arduino network library, such as WiFiClient or EthernetClient.
 *
 *	static WiFiClient wifi;
 *	static runnel_client server = {&wifi, "192.168.1.10", 8081};
 *	static const runnel_port port = RUNNEL_CLIENT_PORT(server);
 *
 *	config.port = &port;
 *	config.stream = &runnel_client_stream;
 *
 * A client with TLS, such as WiFiClientSecure, works in the same way. Runnel connects by itself, and reconnects whenever the
 * connection is lost. Lines of runnel_log are printed to Serial.
 */
#ifndef RUNNEL_CLIENT_H
#define RUNNEL_CLIENT_H

#include <Arduino.h>
#include <Client.h>

#include "runnel.h"

#if !RUNNEL_STREAM
#error "runnel_client.h needs RUNNEL_STREAM=1 for the whole program: build_flags in PlatformIO, build.extra_flags in the Arduino IDE"
#endif

struct runnel_client {
	Client *client;
	const char *host; /* the router's name or address */
	uint16_t port;
};

static inline Client *runnel_client_of(void *context) { return static_cast<runnel_client *>(context)->client; }

static inline int runnel_client_read(void *context)
{
	Client *c = runnel_client_of(context);
	return c->available() > 0 ? c->read() : -1;
}

static inline uint32_t runnel_client_clock(void *) { return millis(); }

static inline uint32_t runnel_client_boot(void *) { return micros(); }

/* It calls delay, which feeds the watchdog of an ESP32; yield does not. */
static inline void runnel_client_idle(void *, uint32_t milliseconds)
{
	if (milliseconds > 0)
		delay(1);
}

static inline bool runnel_client_connect(void *context)
{
	runnel_client *c = static_cast<runnel_client *>(context);
	c->client->stop();
	return c->client->connect(c->host, c->port) == 1;
}

static inline bool runnel_client_connected(void *context) { return runnel_client_of(context)->connected(); }

static inline size_t runnel_client_write(void *context, const uint8_t *octets, size_t size)
{
	return runnel_client_of(context)->write(octets, size);
}

static inline void runnel_client_close(void *context) { runnel_client_of(context)->stop(); }

static inline void runnel_client_log(void *, const char *text, size_t size)
{
	Serial.write(reinterpret_cast<const uint8_t *>(text), size);
	Serial.println();
}

static const runnel_stream runnel_client_stream = {runnel_client_connect, runnel_client_connected, runnel_client_write, runnel_client_close,
                                                   runnel_client_log};

#define RUNNEL_CLIENT_PORT(server) {runnel_client_read, 0, runnel_client_clock, runnel_client_boot, runnel_client_idle, &(server)}

#endif
