/* The port layer for Arduino boards. It works with every serial port, UART or USB, whose class has availableForWrite.
 *
 *	static const runnel_port port = RUNNEL_ARDUINO_PORT(Serial);
 *
 * The link needs the port for itself: the sketch must not print to it. Use runnel_log instead of Serial.print.
 */
#ifndef RUNNEL_ARDUINO_H
#define RUNNEL_ARDUINO_H

#include <Arduino.h>

#include "runnel.h"

/* A template, because the class of Serial depends on the board. */
template <class Port> int runnel_arduino_read(void *serial) { return static_cast<Port *>(serial)->read(); }

template <class Port> bool runnel_arduino_write(void *serial, uint8_t octet)
{
	Port *s = static_cast<Port *>(serial);
	return s->availableForWrite() > 0 && s->write(octet) == 1;
}

static uint32_t runnel_arduino_clock(void *) { return millis(); }

/* The noise of an open pin, and the time of the first call, differ from boot to boot. */
static uint32_t runnel_arduino_boot(void *)
{
	uint32_t number = micros();
	for (uint8_t i = 0; i < 16; i++)
		number = number * 31 + (uint32_t)analogRead(A0);
	return number;
}

static void runnel_arduino_idle(void *, uint32_t) { yield(); }

#define RUNNEL_ARDUINO_PORT(serial) \
	{runnel_arduino_read<decltype(serial)>, runnel_arduino_write<decltype(serial)>, runnel_arduino_clock, runnel_arduino_boot, \
	 runnel_arduino_idle, &(serial)}

#endif
