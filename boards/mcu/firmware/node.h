/* A sensor node: the example of docs/mcu.md, for any machine that has a port layer. */
#ifndef NODE_H
#define NODE_H

#include "runnel.h"

/* Runs for ever, on a half-duplex line if so. sensor returns the temperature in hundredths of a degree. */
void node_run(const struct runnel_port *port, bool half_duplex, int32_t (*sensor)(void));

#endif
