/* A device for tests that sends as much as it can. It is linked with firmware/host.c instead of the node.
 *
 *	com.example.stream.up     published: the session's number, a count 1, 2, 3, ... within it, and some text
 *	com.example.stream.down   subscribed: ascending numbers; the program fails if they are out of order
 *	com.example.stream.add    procedure: the sum of two numbers
 *	com.example.stream.leave  procedure: leaves the realm and disconnects, then joins again
 *	com.example.stream.count  procedure: publications acknowledged, rejected, and lost with their session; departures of the device
 *
 * Every fourth publication asks for an acknowledgement. Some publications go to a topic that no client may publish to.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

static struct runnel router;
static int64_t heard, sent, session, acknowledged, refused, lost, left;

static void on_number(struct runnel *r, struct runnel_message *m, void *context)
{
	int64_t n = 0;
	(void)r;
	(void)context;
	if (!runnel_read_int(&m->args, &n) || (heard != 0 && n != heard + 1)) {
		fprintf(stderr, "heard %lld after %lld\n", (long long)n, (long long)heard);
		exit(1);
	}
	heard = n;
}

static void on_add(struct runnel *r, struct runnel_message *m, void *context)
{
	int64_t a = 0, b = 0;
	(void)context;
	if (!runnel_read_int(&m->args, &a) || !runnel_read_int(&m->args, &b)) {
		fprintf(stderr, "no numbers to add\n");
		exit(1);
	}
	if (runnel_result(r, &m->invocation)) {
		runnel_put_int(r, a + b);
		runnel_send(r);
	}
}

static void on_leave(struct runnel *r, struct runnel_message *m, void *context)
{
	(void)m;
	(void)context;
	runnel_leave(r);
}

static void put_count(struct runnel *r, const char *key, int64_t value)
{
	runnel_put_text(r, key);
	runnel_put_int(r, value);
}

static void on_count(struct runnel *r, struct runnel_message *m, void *context)
{
	(void)context;
	if (!runnel_result(r, &m->invocation))
		return;
	runnel_put_kwargs(r);
	put_count(r, "acknowledged", acknowledged);
	put_count(r, "refused", refused);
	put_count(r, "lost", lost);
	put_count(r, "left", left);
	runnel_send(r);
}

static void on_acknowledged(struct runnel *r, struct runnel_message *m, void *context)
{
	(void)r;
	(void)context;
	if (!m->error)
		acknowledged++;
	else if (strcmp(m->error, "wamp.error.network_failure") == 0)
		lost++;
	else
		refused++;
}

static void on_change(struct runnel *r, enum runnel_state state, const char *reason, void *context)
{
	(void)r;
	(void)reason;
	(void)context;
	heard = sent = 0;
	session += state == RUNNEL_JOINED;
}

static void publish(struct runnel *r)
{
	static const char text[] = "\x7e\x7d\x11\x13 what is escaped, and what is not, and more of it, until it takes several frames: "
				   "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789";
	if (sent % 50 == 7 && runnel_publish(r, "wamp.not.for.clients", 0, on_acknowledged, 0))
		runnel_send(r);
	if (!runnel_publish(r, "com.example.stream.up", 0, sent % 4 ? 0 : on_acknowledged, 0))
		return;
	runnel_put_int(r, session);
	runnel_put_int(r, sent + 1);
	runnel_put_text(r, text + (size_t)rand() % sizeof text);
	if (runnel_send(r))
		sent++;
}

void node_run(const struct runnel_port *port, bool half_duplex, int32_t (*sensor)(void))
{
	struct runnel_config config = {0, "stream", 0, 0, false, on_change, 0};
	(void)sensor;
	config.port = port;
	config.half_duplex = half_duplex;
	runnel_init(&router, &config);
	runnel_subscribe(&router, "com.example.stream.down", 0, on_number, 0);
	runnel_register(&router, "com.example.stream.add", 0, on_add, 0);
	runnel_register(&router, "com.example.stream.leave", 0, on_leave, 0);
	runnel_register(&router, "com.example.stream.count", 0, on_count, 0);
	for (;;) {
		if (runnel_state(&router) == RUNNEL_LEFT) {
			left++;
			runnel_join(&router);
		}
		publish(&router);
		runnel_wait(&router, 1);
	}
}
