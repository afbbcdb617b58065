/* The part of Arduino's core that the TCP sketch uses, so that it compiles for a PC and for a bare ARM. See host.cpp. */
#ifndef ARDUINO_H
#define ARDUINO_H

#include <stddef.h>
#include <stdint.h>

#include "Client.h"

enum { LOW, HIGH, OUTPUT = 1, A0 = 36 };

uint32_t millis();
uint32_t micros();
void delay(unsigned long milliseconds);
int analogRead(uint8_t pin);
int digitalRead(uint8_t pin);
void digitalWrite(uint8_t pin, uint8_t value);
void pinMode(uint8_t pin, uint8_t mode);
void setup();
void loop();

struct Console : Print {
	void begin(unsigned long baud);
	size_t write(uint8_t octet);
	size_t write(const uint8_t *octets, size_t size);
	size_t print(const char *text);
	size_t println(const char *text = "");
};
extern Console Serial;

#endif
