/* Runnel for microcontrollers: a WAMP peer over a serial line.
 *
 * C99, no memory allocation, no operating system, no C library: this file and runnel.c. A device joins a realm of a
 * Runnel router over three wires, publishes, subscribes, offers procedures and calls others; broken and lost octets
 * are repaired, and when either side restarts the session comes back with all that the device offers.
 *
 *	static struct runnel link;
 *	runnel_init(&link, &config);
 *	runnel_register(&link, "com.example.led", 0, on_led, 0);
 *	for (;;) {
 *		runnel_wait(&link, 1000);
 *		if (runnel_publish(&link, "com.example.temperature", 0, 0, 0)) {
 *			runnel_put_fixed(&link, read_sensor(), 2);
 *			runnel_send(&link);
 *		}
 *	}
 *
 * Everything happens in runnel_poll (which runnel_wait calls), handlers included; nothing is called from anywhere else.
 * None of the functions may be called from an interrupt, and handlers must not call runnel_poll or runnel_wait.
 *
 * From bottom to top: HDLC frames with a 32-bit FCS, a LAPB link (the device's end), RawSocket, WAMP in CBOR.
 */
#ifndef RUNNEL_H
#define RUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sizes. Each can be set from outside, the same for every file that includes this one. */

#if defined(__AVR__) && !defined(RUNNEL_N1) /* an Arduino Uno has 2 KiB, of which its UART's buffer holds 64 octets */
#define RUNNEL_N1 32
#define RUNNEL_K 1
#define RUNNEL_MESSAGE 192
#define RUNNEL_SEND 192
#define RUNNEL_OFFERS 4
#define RUNNEL_CALLS 2
#define RUNNEL_LOG 40
#endif

#ifndef RUNNEL_N1
#define RUNNEL_N1 128 /* octets in a frame, 32 to 1024. The UART must hold a frame's octets while nobody polls. */
#endif
#ifndef RUNNEL_K
#define RUNNEL_K 4 /* frames under way, 1 to 7 */
#endif
#ifndef RUNNEL_MESSAGE
#define RUNNEL_MESSAGE 384 /* the longest message that is read whole; longer ones are refused, see below */
#endif
#ifndef RUNNEL_SEND
#define RUNNEL_SEND 384 /* octets that wait to be sent or acknowledged; the longest message that can be sent */
#endif
#ifndef RUNNEL_OFFERS
#define RUNNEL_OFFERS 6 /* subscriptions and procedures */
#endif
#ifndef RUNNEL_CALLS
#define RUNNEL_CALLS 3 /* calls and acknowledged publications that wait for their answer */
#endif
#ifndef RUNNEL_LOG
#define RUNNEL_LOG 64 /* the longest log line */
#endif
#ifndef RUNNEL_HALF_DUPLEX
#define RUNNEL_HALF_DUPLEX 1 /* 0 leaves out the code for RS-485 */
#endif

#define RUNNEL_REPLY 96 /* octets that stay free for the answer to a call, while others are sent */
#define RUNNEL_DEPTH 8  /* of lists and maps within each other */

/* The time to wait for an answer of the router, from the baud rate: for the configuration's t1, in milliseconds. */
#define RUNNEL_T1_RAW(baud) (3 * (RUNNEL_K * (RUNNEL_N1 + 9) * 10000L / (baud) + 20))
#define RUNNEL_T1(baud) ((uint16_t)(RUNNEL_T1_RAW(baud) < 100 ? 100 : RUNNEL_T1_RAW(baud) > 60000 ? 60000 : RUNNEL_T1_RAW(baud)))

/* The port layer: what the client needs of the machine. context is handed to each function. */
struct runnel_port {
	/* The next octet that has arrived, or -1. Never waits. */
	int (*read)(void *context);
	/* Sends an octet, or returns false if there is no room now: it is offered again. Should not wait. */
	bool (*write)(void *context, uint8_t octet);
	/* Milliseconds since any moment. It wraps at 2^32. */
	uint32_t (*clock)(void *context);
	/* A number that is another one at each boot: of a random source, a counter in flash, or noise. Only for logs. */
	uint32_t (*boot)(void *context);
	/* Nothing to do for so many milliseconds, or until an octet arrives: sleep, feed the watchdog. May return early; may
	   be null, which keeps the processor busy in runnel_wait. */
	void (*idle)(void *context, uint32_t milliseconds);
	void *context;
};

enum runnel_state {
	RUNNEL_DOWN,   /* the router is not there */
	RUNNEL_LINKED, /* it is, and the session is not yet */
	RUNNEL_JOINED,
	RUNNEL_LEFT /* after runnel_leave */
};

struct runnel;

/* What does not change. It is not copied, and can stand in flash. */
struct runnel_config {
	const struct runnel_port *port;
	const char *name;  /* for the router's log and status, at most 32 octets of UTF-8; may be null */
	const char *realm; /* null: realm1 */
	uint16_t t1;       /* RUNNEL_T1(baud); 0: that of 115200 baud */
	bool half_duplex;  /* RS-485: speak only when asked */

	/* Called when the state has changed; may be null. reason is a URI, of ABORT or GOODBYE, or null. */
	void (*on_change)(struct runnel *link, enum runnel_state state, const char *reason, void *context);
	void *context;
};

/* Reading CBOR. A reader stands before an item of a list or map, or of a message's arguments. It can be copied. Reading
   what is not there, or is of another kind, returns false, and the reader goes on behind it. */
struct runnel_reader {
	const uint8_t *at, *end;
	uint16_t left; /* items; UINT16_MAX: until a break */
};

/* A call that is to be answered. */
struct runnel_invocation {
	uint64_t request;
	uint8_t session;
};

/* What a handler is given. It is valid until the handler returns. */
struct runnel_message {
	const char *error;            /* of what was asked for: its URI; null: it was done */
	struct runnel_reader details; /* a map */
	struct runnel_reader args;
	struct runnel_reader kwargs; /* a map */
	struct runnel_invocation invocation;
	bool later; /* set by a procedure's handler that answers after it has returned, with a copy of invocation */
};

typedef void runnel_handler(struct runnel *link, struct runnel_message *message, void *context);

/* Life */

void runnel_init(struct runnel *link, const struct runnel_config *config);
void runnel_poll(struct runnel *link);                         /* does what there is to do; call it often */
void runnel_wait(struct runnel *link, uint32_t milliseconds);  /* polls for so long */
void runnel_leave(struct runnel *link);                        /* says GOODBYE and disconnects: poll until RUNNEL_LEFT */
void runnel_join(struct runnel *link);                         /* after runnel_leave: begins again */
enum runnel_state runnel_state(const struct runnel *link);
bool runnel_log(struct runnel *link, const char *text); /* a line for the router's log; false: one waits still */

/* Offers: they hold until the end, over all sessions. The URI is not copied. False: RUNNEL_OFFERS are made already.
   A handler that neither answers nor sets later has its call answered with an empty result. */

enum {
	RUNNEL_PREFIX = 1,        /* the URI is the beginning of others */
	RUNNEL_WILDCARD = 2,      /* its empty components stand for any */
	RUNNEL_GET_RETAINED = 4,  /* with runnel_subscribe: the last retained event comes first */
	RUNNEL_RETAIN = 8,        /* with runnel_publish: the router keeps the event for those who come later */
	RUNNEL_INCLUDE_ME = 16    /* with runnel_publish: the event is for this device as well */
};

bool runnel_subscribe(struct runnel *link, const char *topic, unsigned flags, runnel_handler *handler, void *context);
bool runnel_register(struct runnel *link, const char *procedure, unsigned flags, runnel_handler *handler, void *context);

/* Messages: one of these begins a message, the runnel_put functions write its arguments, runnel_send sends it. All three
   in a row: runnel_poll drops a message that was not sent. False: there is no session, or no room; try again later.

   done is called once, when the answer is there or the session is lost, with error set if it was not done. With done
   null a publication is not acknowledged, and a call's result is not looked at. timeout is in milliseconds, 0 for none. */

bool runnel_publish(struct runnel *link, const char *topic, unsigned flags, runnel_handler *done, void *context);
bool runnel_call(struct runnel *link, const char *procedure, uint32_t timeout, runnel_handler *done, void *context);
bool runnel_result(struct runnel *link, const struct runnel_invocation *invocation);
bool runnel_error(struct runnel *link, const struct runnel_invocation *invocation, const char *uri);
bool runnel_send(struct runnel *link);

void runnel_put_int(struct runnel *link, int64_t value);
void runnel_put_fixed(struct runnel *link, int32_t value, uint8_t decimals); /* 2135, 2 is 21.35; decimals up to 9 */
void runnel_put_float(struct runnel *link, float value);
void runnel_put_bool(struct runnel *link, bool value);
void runnel_put_null(struct runnel *link);
void runnel_put_text(struct runnel *link, const char *text); /* UTF-8 */
void runnel_put_bytes(struct runnel *link, const void *bytes, size_t size);
void runnel_put_array(struct runnel *link); /* what follows is in it, until runnel_put_end; at most 255 items */
void runnel_put_map(struct runnel *link);   /* key, value, key, value, ... with keys by runnel_put_text */
void runnel_put_end(struct runnel *link);
void runnel_put_kwargs(struct runnel *link); /* ends the arguments; what follows is as in a map */

/* Reading arguments */

bool runnel_more(const struct runnel_reader *reader);
bool runnel_read_int(struct runnel_reader *reader, int64_t *value);                       /* fractions are rounded */
bool runnel_read_fixed(struct runnel_reader *reader, uint8_t decimals, int64_t *value);   /* 21.35 with 2 is 2135 */
bool runnel_read_float(struct runnel_reader *reader, float *value);
bool runnel_read_bool(struct runnel_reader *reader, bool *value);
bool runnel_read_text(struct runnel_reader *reader, const char **text, size_t *size); /* not ended by a NUL */
bool runnel_read_bytes(struct runnel_reader *reader, const uint8_t **bytes, size_t *size);
bool runnel_read_null(struct runnel_reader *reader);
bool runnel_enter(struct runnel_reader *reader, struct runnel_reader *inner); /* a list, or a map */
bool runnel_skip(struct runnel_reader *reader);
bool runnel_find(struct runnel_reader map, const char *key, struct runnel_reader *value);

/* What a link has seen. */
struct runnel_counters {
	uint32_t frames;      /* that arrived whole */
	uint32_t bad;         /* that did not */
	uint32_t resent;      /* I frames sent again */
	uint32_t connections; /* times the link came up */
	uint32_t sessions;    /* times a realm was joined */
	uint32_t refused;     /* messages longer than RUNNEL_MESSAGE, or nested deeper than RUNNEL_DEPTH */
};

/* From here on nothing is for others than runnel.c, but for link.counters. */

enum { RUNNEL_TIMERS = 10, RUNNEL_IN = 4 + RUNNEL_MESSAGE + RUNNEL_N1 + 4 };

struct runnel_offer {
	uint64_t id; /* of the subscription or registration; before that of the request */
	const char *uri;
	runnel_handler *handler;
	void *context;
	uint8_t flags, stage;
};

struct runnel_call {
	uint32_t request; /* 0: free */
	runnel_handler *done;
	void *context;
};

/* Small members come first, the octets within 32, as small processors reach those with the shortest instructions. */
struct runnel {
	/* The link. */
	uint8_t phase, turn, answers, k, peer_k;
	uint8_t base, cut, under; /* V(A); frames cut from what is to be sent, and those of them that are under way */
	uint8_t vr, owed, gap, tries, stuck;
	bool met, final_ua, heard, busy, rejecting, peer_busy, polled, recovering;

	/* The frame that is leaving. */
	bool out_active, out_abort, out_escaped, out_flagged;
	uint8_t out_source, out_index;

	/* The session, and the message that is being written. */
	uint8_t stage, depth;
	bool bad, open, escaped;

	uint8_t out_address, out_control;
	uint8_t head[2]; /* of the frame that is arriving */
	uint8_t reserve, reply, session, log_size;
	bool handling, polling, leaving, broken;

	uint16_t due, armed;               /* armed: a bit for each timer */
	uint16_t used, length;             /* octets in in; octets of the frame that is arriving */
	uint16_t first, held, sent, written; /* the ring out: where it begins, octets to be acknowledged, of them cut, and behind
	                                        them those of the message that is being written */
	uint16_t n1, size, peer_n1;
	uint16_t out_at, out_size, out_start;
	uint16_t t1, t2, pause, dropped;

	uint32_t now, crc, out_crc;
	uint32_t at[RUNNEL_TIMERS];
	uint32_t request, limit, since, boot;
	const struct runnel_config *config;
	struct runnel_counters counters;
	uint16_t sizes[7]; /* of the frames */
	struct {
		uint16_t at;
		uint8_t count;
		bool map;
	} nest[RUNNEL_DEPTH];
	uint64_t answering;
	struct runnel_offer offers[RUNNEL_OFFERS];
	struct runnel_call calls[RUNNEL_CALLS];
	struct runnel_call asking; /* for the message that is being written */
	char log[RUNNEL_LOG];
	uint8_t in[RUNNEL_IN]; /* RawSocket frames that have arrived, and behind them the info of the frame that is arriving */
	uint8_t out[RUNNEL_SEND];
};

#ifdef __cplusplus
}
#endif
#endif
