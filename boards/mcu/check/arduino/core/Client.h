/* Arduino's abstract network client. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct Print {
	virtual size_t write(uint8_t octet) = 0;
	virtual size_t write(const uint8_t *octets, size_t size) = 0;
};

struct IPAddress;

struct Client : Print {
	virtual int connect(IPAddress address, uint16_t port) = 0;
	virtual int connect(const char *host, uint16_t port) = 0;
	virtual int available() = 0;
	virtual int read() = 0;
	virtual int read(uint8_t *octets, size_t size) = 0;
	virtual int peek() = 0;
	virtual void flush() = 0;
	virtual void stop() = 0;
	virtual uint8_t connected() = 0;
	virtual operator bool() = 0;
};

#endif
