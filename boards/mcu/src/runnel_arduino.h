/* The port layer for Arduinos: over any of their hardware serial ports.
 *
 *	static const runnel_port port = RUNNEL_ARDUINO_PORT(Serial);
 *
 * The port is the link's alone: nothing else may print to it. runnel_log says what Serial.print would have said.
 */
#ifndef RUNNEL_ARDUINO_H
#define RUNNEL_ARDUINO_H

#include <Arduino.h>

#include "runnel.h"

static int runnel_arduino_read(void *serial) { return static_cast<HardwareSerial *>(serial)->read(); }

static bool runnel_arduino_write(void *serial, uint8_t octet)
{
	HardwareSerial *s = static_cast<HardwareSerial *>(serial);
	return s->availableForWrite() > 0 && s->write(octet) == 1;
}

static uint32_t runnel_arduino_clock(void *) { return millis(); }

/* What an open pin picks up, and the time of the first call, are not the same at each boot. */
static uint32_t runnel_arduino_boot(void *)
{
	uint32_t number = micros();
	for (uint8_t i = 0; i < 16; i++)
		number = number * 31 + (uint32_t)analogRead(A0);
	return number;
}

static void runnel_arduino_idle(void *, uint32_t) { yield(); }

#define RUNNEL_ARDUINO_PORT(serial) \
	{runnel_arduino_read, runnel_arduino_write, runnel_arduino_clock, runnel_arduino_boot, runnel_arduino_idle, &(serial)}

#endif
