/* A sensor node: the example of docs/mcu.md, for any board with a port layer. */
#ifndef NODE_H
#define NODE_H

#include "runnel.h"

/* Runs the node; never returns. half_duplex selects a half-duplex line. sensor returns hundredths of a degree. */
void node_run(const struct runnel_port *port, bool half_duplex, int32_t (*sensor)(void));

#endif
