/* Runnel for microcontrollers: a WAMP peer over a serial line.
 *
 * The client is two files of C99, this one and runnel.c. It needs no memory allocation, operating system or C library. A
 * device joins a realm of a Runnel router over three wires. It publishes, subscribes, offers procedures and calls others.
 * The link resends lost and corrupted octets. When either side restarts, the client opens a new session and repeats the
 * device's subscriptions and registrations.
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
 * All work is done in runnel_poll, which runnel_wait calls. Only runnel_poll calls handlers. Do not call any function from an
 * interrupt. Do not call runnel_poll or runnel_wait from a handler.
 *
 * From bottom to top: HDLC frames with a 32-bit FCS, a LAPB link (the device's end), RawSocket, WAMP in CBOR. With
 * RUNNEL_STREAM the client can also send RawSocket over a reliable byte stream such as TCP, without frames and link.
 */
#ifndef RUNNEL_H
#define RUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sizes. Define them for the whole program: every file that includes this one must see the same values. */

#if defined(__AVR__) && !defined(RUNNEL_N1) /* an Arduino Uno has 2 KiB of RAM, and its UART buffers 64 bytes */
#define RUNNEL_N1 32
#define RUNNEL_K 1
#define RUNNEL_MESSAGE 192
#define RUNNEL_SEND 192
#define RUNNEL_OFFERS 4
#define RUNNEL_CALLS 2
#define RUNNEL_LOG 40
#endif

#ifndef RUNNEL_N1
#define RUNNEL_N1 128 /* octets in a frame, 32 to 1024; the UART must buffer all input between two polls */
#endif
#ifndef RUNNEL_K
#define RUNNEL_K 4 /* unacknowledged frames, 1 to 7 */
#endif
#ifndef RUNNEL_MESSAGE
#define RUNNEL_MESSAGE 384 /* longest received message; the client rejects longer ones */
#endif
#ifndef RUNNEL_SEND
#define RUNNEL_SEND 384 /* octets waiting to be sent or acknowledged, and the longest message sent */
#endif
#ifndef RUNNEL_OFFERS
#define RUNNEL_OFFERS 6 /* subscriptions and procedures */
#endif
#ifndef RUNNEL_CALLS
#define RUNNEL_CALLS 3 /* pending calls and acknowledged publications */
#endif
#ifndef RUNNEL_LOG
#define RUNNEL_LOG 64 /* longest log line */
#endif
#ifndef RUNNEL_HALF_DUPLEX
#define RUNNEL_HALF_DUPLEX 1 /* 0 leaves out the code for RS-485 */
#endif

#ifndef RUNNEL_STREAM /* 1 adds byte streams (TCP). The Arduino IDE cannot set it for a sketch, so it is on where memory allows. */
#if defined(ARDUINO) && !defined(__AVR__)
#define RUNNEL_STREAM 1
#else
#define RUNNEL_STREAM 0
#endif
#endif

#define RUNNEL_REPLY 96 /* octets reserved for answers to calls */
#define RUNNEL_DEPTH 8  /* nesting of lists and maps */

/* The timeout for the router's answers at a baud rate, in milliseconds: the value of t1 in the configuration. */
#define RUNNEL_T1_RAW(baud) (3 * (RUNNEL_K * (RUNNEL_N1 + 9) * 10000L / (baud) + 20))
#define RUNNEL_T1(baud) ((uint16_t)(RUNNEL_T1_RAW(baud) < 100 ? 100 : RUNNEL_T1_RAW(baud) > 60000 ? 60000 : RUNNEL_T1_RAW(baud)))

/* The port layer: the functions that the client needs from the board. Each of them gets context. */
struct runnel_port {
	/* Returns the next received octet, or -1. Never waits. */
	int (*read)(void *context);
	/* Sends an octet. Returns false if there is no room; the client then retries the same octet. Should not wait. */
	bool (*write)(void *context, uint8_t octet);
	/* Returns the milliseconds since an arbitrary start, modulo 2^32. */
	uint32_t (*clock)(void *context);
	/* Returns a number that differs from boot to boot, for logs: from a random source, a counter in flash, or noise. */
	uint32_t (*boot)(void *context);
	/* Sleeps for that many milliseconds or until an octet arrives. It may feed the watchdog and return early. If it is null,
	   runnel_wait polls without sleeping. */
	void (*idle)(void *context, uint32_t milliseconds);
	void *context;
};

#if RUNNEL_STREAM
/* A byte stream such as a TCP connection, which replaces the serial line: RawSocket without frames and link. The functions
   get the port's context. The client does not call the port's write, which may be null. */
struct runnel_stream {
	/* Connects and returns true on success. It may wait for a few seconds. After a failure the client calls it again, with
	   growing pauses of at most 31 s. */
	bool (*connect)(void *context);
	/* Returns false once the connection has ended and all received octets have been read. */
	bool (*connected)(void *context);
	/* Sends some of the octets and returns how many; 0 if there is no room. Should not wait. */
	size_t (*write)(void *context, const uint8_t *octets, size_t size);
	void (*close)(void *context);
	/* Prints a line of runnel_log, because a stream cannot carry it to the router. May be null. */
	void (*log)(void *context, const char *text, size_t size);
};
#endif

enum runnel_state {
	RUNNEL_DOWN,   /* no link to the router */
	RUNNEL_LINKED, /* the link is up, and the session is not joined yet */
	RUNNEL_JOINED,
	RUNNEL_LEFT /* after runnel_leave */
};

struct runnel;

/* The configuration. The client does not copy it, so it must not change. It can be in flash. */
struct runnel_config {
	const struct runnel_port *port;
	const char *name;  /* for the router's log and status, at most 32 octets of UTF-8; may be null */
	const char *realm; /* null: realm1 */
	uint16_t t1;       /* RUNNEL_T1(baud); 0: that of 115200 baud */
	bool half_duplex;  /* RS-485: send only when polled */

	/* Called when the state has changed; may be null. reason is the URI in ABORT or GOODBYE, or null. */
	void (*on_change)(struct runnel *link, enum runnel_state state, const char *reason, void *context);
	void *context;

#if RUNNEL_STREAM
	const struct runnel_stream *stream; /* null: a serial line */
	/* The identity at a listener that requires a ticket. Both null: anonymous. */
	const char *authid, *ticket;
#endif
};

/* Reads the CBOR items of a list, a map or a message's arguments. It can be copied. If an item is missing or has another
   type, the read function returns false, and the reader continues after the item. */
struct runnel_reader {
	const uint8_t *at, *end;
	uint16_t left; /* remaining items; UINT16_MAX: until a break */
};

/* A call that the device has to answer. */
struct runnel_invocation {
	uint64_t request;
	uint8_t session;
};

/* A message as passed to a handler. It is valid until the handler returns. */
struct runnel_message {
	const char *error;            /* URI of the error; null on success */
	struct runnel_reader details; /* a map */
	struct runnel_reader args;
	struct runnel_reader kwargs; /* a map */
	struct runnel_invocation invocation;
	bool later; /* set it in a handler to answer after the handler has returned, with a copy of invocation */
};

typedef void runnel_handler(struct runnel *link, struct runnel_message *message, void *context);

/* Start and stop */

void runnel_init(struct runnel *link, const struct runnel_config *config);
void runnel_poll(struct runnel *link);                         /* does all pending work; call it often */
void runnel_wait(struct runnel *link, uint32_t milliseconds);  /* polls for that long */
void runnel_leave(struct runnel *link);                        /* sends GOODBYE and disconnects: poll until RUNNEL_LEFT */
void runnel_join(struct runnel *link);                         /* after runnel_leave: connects again */
enum runnel_state runnel_state(const struct runnel *link);
/* Sends a line to the router's log, or to the stream's log function. Returns false if the previous line is not sent yet. */
bool runnel_log(struct runnel *link, const char *text);

/* Offers are subscriptions and procedures. The client repeats them in every session, and they cannot be removed. It does not
   copy the URI. The functions return false if RUNNEL_OFFERS offers exist already. If a procedure's handler neither answers
   nor sets later, the client answers the call with an empty result. */

enum {
	RUNNEL_PREFIX = 1,        /* match all URIs that begin with this one */
	RUNNEL_WILDCARD = 2,      /* empty components match any */
	RUNNEL_GET_RETAINED = 4,  /* with runnel_subscribe: deliver the last retained event first */
	RUNNEL_RETAIN = 8,        /* with runnel_publish: the router keeps the event for later subscribers */
	RUNNEL_INCLUDE_ME = 16    /* with runnel_publish: deliver the event to this device as well */
};

bool runnel_subscribe(struct runnel *link, const char *topic, unsigned flags, runnel_handler *handler, void *context);
bool runnel_register(struct runnel *link, const char *procedure, unsigned flags, runnel_handler *handler, void *context);

/* Durable subscriptions: the router keeps the events of a topic while the device is away, and delivers them in order when it is
   back. The handler returns true to acknowledge an event, once it has processed the event. If it returns false, the router
   resends the event after a second. The router also resends it if the device restarts before the acknowledgement has arrived.
   A handler must therefore tolerate an event that it has seen before: details then have "redelivered". The router sends up to
   four events without waiting for an acknowledgement.

   If message->error is set, the message has no arguments. The error is runnel_gap (compare the pointer) if the router has dropped
   events. It is "wamp.error.payload_size_exceeded" if an event is longer than RUNNEL_MESSAGE; the client then acknowledges the
   event whatever the handler returns. Details of a gap: _gap has events, the number of dropped events (0: unknown), and reason.

   The router needs a data directory, and it must know the device, because the subscription belongs to the device. On a serial
   line, the [[serial]] table therefore needs a role. Either that role has durable = true, or the configuration declares the
   subscription for the device's authid. */

typedef bool runnel_consumer(struct runnel *link, struct runnel_message *message, void *context);

/* The client does not copy it, so it must not change. It can be in flash. */
struct runnel_durable {
	const char *topic;
	const char *name; /* of the subscription: letters, digits, '-', '_' and '.', at most 100 */
	runnel_consumer *handler;
	void *context;
};

extern const char runnel_gap[];

bool runnel_subscribe_durable(struct runnel *link, const struct runnel_durable *subscription, unsigned flags);

/* Messages: one of these functions begins a message, the runnel_put functions write its arguments, and runnel_send sends it.
   Complete a message before the next runnel_poll, which drops an unsent message. The functions return false if there is no
   session or no room; then retry later.

   The client calls done once, with the answer or when the session is lost. error is set on failure. If done is null, a
   publication is not acknowledged, and the result of a call is ignored. timeout is in milliseconds, 0 for none. */

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
void runnel_put_array(struct runnel *link); /* contains the following items until runnel_put_end, at most 255 */
void runnel_put_map(struct runnel *link);   /* key, value, key, value, ... with keys by runnel_put_text */
void runnel_put_end(struct runnel *link);
void runnel_put_kwargs(struct runnel *link); /* ends the positional arguments; continue as in a map */

/* Reading arguments */

bool runnel_more(const struct runnel_reader *reader);
bool runnel_read_int(struct runnel_reader *reader, int64_t *value);                       /* fractions are rounded */
bool runnel_read_fixed(struct runnel_reader *reader, uint8_t decimals, int64_t *value);   /* 21.35 with 2 is 2135 */
bool runnel_read_float(struct runnel_reader *reader, float *value);
bool runnel_read_bool(struct runnel_reader *reader, bool *value);
bool runnel_read_text(struct runnel_reader *reader, const char **text, size_t *size); /* without a final NUL */
bool runnel_read_bytes(struct runnel_reader *reader, const uint8_t **bytes, size_t *size);
bool runnel_read_null(struct runnel_reader *reader);
bool runnel_enter(struct runnel_reader *reader, struct runnel_reader *inner); /* a list or a map */
bool runnel_skip(struct runnel_reader *reader);
bool runnel_find(struct runnel_reader map, const char *key, struct runnel_reader *value);

/* Counters of a link. */
struct runnel_counters {
	uint32_t frames;      /* received intact */
	uint32_t bad;         /* received broken */
	uint32_t resent;      /* I frames sent again */
	uint32_t connections; /* connections of the link */
	uint32_t sessions;    /* sessions joined */
	uint32_t refused;     /* rejected messages: longer than RUNNEL_MESSAGE or nested deeper than RUNNEL_DEPTH */
};

/* The rest is private to runnel.c, except link.counters. */

enum { RUNNEL_TIMERS = 10, RUNNEL_IN = 4 + RUNNEL_MESSAGE + RUNNEL_N1 + 4 };

struct runnel_offer {
	uint64_t id; /* of the subscription or registration; until it exists, of the request */
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

/* Small members come first, and single bytes within the first 32: small processors reach those with the shortest instructions. */
struct runnel {
	/* The link. */
	uint8_t phase, turn, answers, k, peer_k;
	uint8_t base, cut, under; /* V(A); frames cut from the outgoing data; how many of these were sent */
	uint8_t vr, owed, gap, tries, stuck;
	bool met, final_ua, heard, busy, rejecting, peer_busy, polled, recovering;

	/* The frame being sent. */
	bool out_active, out_abort, out_escaped, out_flagged;
	uint8_t out_source, out_index;

	/* The session and the message being written. */
	uint8_t stage, depth;
	bool bad, open, escaped;

	uint8_t out_address, out_control;
	uint8_t head[2]; /* of the frame being received */
	uint8_t reserve, reply, session, log_size;
	bool handling, polling, leaving, broken;

	uint16_t due, armed;               /* armed: a bit for each timer */
	uint16_t used, length;             /* octets in in; octets of the frame being received */
	uint16_t first, held, sent, written; /* the ring out: its first octet; unacknowledged octets; how many of these are cut
	                                        into frames; octets of the message being written, which follow them */
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
	struct runnel_call asking; /* for the message being written */
	char log[RUNNEL_LOG];
	uint8_t in[RUNNEL_IN]; /* received RawSocket frames, followed by the info of the frame being received */
	uint8_t out[RUNNEL_SEND];
};

#ifdef __cplusplus
}
#endif
#endif
