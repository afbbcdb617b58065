/* A greenhouse node. It publishes a temperature, subscribes to a set-point, registers procedures and calls another one.
 *
 *	com.example.greenhouse.temperature   published every second: degrees, and heating as a keyword argument
 *	com.example.greenhouse.set_point     subscribed, with its retained value when the session begins: degrees
 *	com.example.greenhouse.valve         durable subscription "valve": percent; commands wait while the node is away or measures
 *	com.example.greenhouse.state         procedure: the set-point and the state of the device
 *	com.example.greenhouse.measure       procedure: the mean temperature over the next seconds; the call takes as long
 *	com.example.greenhouse.calibration   called when the session begins, with the measured temperature; returns the correction
 */
#include "node.h"

enum { PERIOD = 1000, LONGEST_MEASUREMENT = 60 };

static struct {
	int32_t (*sensor)(void);
	int64_t set_point, correction; /* hundredths of a degree */
	bool heating;
	int64_t valve; /* percent */
	int32_t moves, lost; /* executed commands to the valve; gaps and events that were too long */

	/* The current measurement. */
	struct runnel_invocation asked;
	int32_t sum, count, wanted;
} node = {0, 2000, 0, false, 0, 0, 0, {0, 0}, 0, 0, 0};

static struct runnel router;

static int32_t temperature(void) { return node.sensor() + (int32_t)node.correction; }

static void on_set_point(struct runnel *r, struct runnel_message *m, void *context)
{
	(void)context;
	if (!runnel_read_fixed(&m->args, 2, &node.set_point))
		runnel_log(r, "the set-point must be a number");
}

/* Returns true once the valve has the commanded position. During a measurement the valve must not move, so the router has to
   resend the command. */
static bool on_valve(struct runnel *r, struct runnel_message *m, void *context)
{
	int64_t percent;
	(void)context;
	if (m->error) {
		node.lost++;
		runnel_log(r, m->error);
		return true;
	}
	if (node.wanted > 0)
		return false;
	if (runnel_read_int(&m->args, &percent)) {
		node.valve = percent;
		node.moves++;
	} else {
		runnel_log(r, "the valve's position must be a number"); /* acknowledge it: a resent command would be as wrong */
	}
	return true;
}

static void on_state(struct runnel *r, struct runnel_message *m, void *context)
{
	(void)context;
	if (!runnel_result(r, &m->invocation))
		return;
	runnel_put_kwargs(r);
	runnel_put_text(r, "set_point");
	runnel_put_fixed(r, (int32_t)node.set_point, 2);
	runnel_put_text(r, "correction");
	runnel_put_fixed(r, (int32_t)node.correction, 2);
	runnel_put_text(r, "heating");
	runnel_put_bool(r, node.heating);
	runnel_put_text(r, "valve");
	runnel_put_int(r, node.valve);
	runnel_put_text(r, "moves");
	runnel_put_int(r, node.moves);
	runnel_put_text(r, "lost");
	runnel_put_int(r, node.lost);
	runnel_put_text(r, "measuring");
	runnel_put_bool(r, node.wanted > 0);
	runnel_put_text(r, "sessions");
	runnel_put_int(r, r->counters.sessions);
	runnel_put_text(r, "resent");
	runnel_put_int(r, r->counters.resent);
	runnel_put_text(r, "bad");
	runnel_put_int(r, r->counters.bad);
	runnel_send(r);
}

/* Answers later: it keeps the invocation and returns. */
static void on_measure(struct runnel *r, struct runnel_message *m, void *context)
{
	int64_t seconds;
	(void)context;
	if (!runnel_read_int(&m->args, &seconds) || seconds < 1 || seconds > LONGEST_MEASUREMENT) {
		if (runnel_error(r, &m->invocation, "wamp.error.invalid_argument")) {
			runnel_put_text(r, "how many seconds, 1 to 60");
			runnel_send(r);
		}
		return;
	}
	if (node.wanted > 0) {
		if (runnel_error(r, &m->invocation, "com.example.error.busy"))
			runnel_send(r);
		return;
	}
	node.asked = m->invocation;
	node.sum = node.count = 0;
	node.wanted = (int32_t)seconds;
	m->later = true;
}

static void measure(struct runnel *r)
{
	if (node.wanted == 0)
		return;
	node.sum += temperature();
	if (++node.count < node.wanted)
		return;
	node.wanted = 0;
	/* runnel_result returns false if the session of the call has ended. The router then expects no answer. */
	if (runnel_result(r, &node.asked)) {
		runnel_put_fixed(r, node.sum / node.count, 2);
		runnel_send(r);
	}
}

static void on_calibration(struct runnel *r, struct runnel_message *m, void *context)
{
	(void)context;
	if (m->error) /* no such procedure: use the sensor uncalibrated */
		runnel_log(r, m->error);
	else if (!runnel_read_fixed(&m->args, 2, &node.correction))
		runnel_log(r, "the calibration must be a number");
}

static void on_change(struct runnel *r, enum runnel_state state, const char *reason, void *context)
{
	(void)reason;
	(void)context;
	if (state != RUNNEL_JOINED) {
		node.wanted = 0;
		return;
	}
	runnel_log(r, "greenhouse node is here");
	if (runnel_call(r, "com.example.greenhouse.calibration", 5000, on_calibration, 0)) {
		runnel_put_fixed(r, node.sensor(), 2);
		runnel_send(r);
	}
}

static void publish(struct runnel *r)
{
	int32_t now = temperature();
	node.heating = now < node.set_point;
	if (!runnel_publish(r, "com.example.greenhouse.temperature", RUNNEL_RETAIN, 0, 0))
		return; /* no session: drop the reading, because it would arrive too late */
	runnel_put_fixed(r, now, 2);
	runnel_put_kwargs(r);
	runnel_put_text(r, "heating");
	runnel_put_bool(r, node.heating);
	runnel_send(r);
}

void node_run(const struct runnel_port *port, bool half_duplex, int32_t (*sensor)(void))
{
	static const struct runnel_durable valve = {"com.example.greenhouse.valve", "valve", on_valve, 0};
	static struct runnel_config config;
	config.port = port;
	config.half_duplex = half_duplex;
	config.name = "greenhouse";
	config.t1 = RUNNEL_T1(115200);
	config.on_change = on_change;
	node.sensor = sensor;
	runnel_init(&router, &config);
	runnel_subscribe(&router, "com.example.greenhouse.set_point", RUNNEL_GET_RETAINED, on_set_point, 0);
	runnel_subscribe_durable(&router, &valve, 0);
	runnel_register(&router, "com.example.greenhouse.state", 0, on_state, 0);
	runnel_register(&router, "com.example.greenhouse.measure", 0, on_measure, 0);
	for (;;) {
		publish(&router);
		measure(&router);
		runnel_wait(&router, PERIOD);
	}
}
