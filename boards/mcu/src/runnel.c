/* Runnel for microcontrollers; see runnel.h. From bottom to top:
 *
 *	timers    milliseconds that wrap
 *	writer    encodes CBOR into the ring of outgoing octets
 *	reader    decodes CBOR from received octets
 *	session   WAMP: join, offers, calls; on top of it, the functions of the API
 *	stream    RawSocket: the handshake, messages, PING
 *	link      LAPB (ISO 7776), the device's end: numbered frames, sent again until they are acknowledged
 *	frames    HDLC (RFC 1662), octet by octet
 *	plain     a byte stream such as TCP instead of link and frames
 *
 * The link follows the same rules as the router's transport/serial/lapb. Some rules go beyond the standard: they make
 * restarts of either end safe. Comments mark these differences.
 */
#include "runnel.h"

#if defined(__GNUC__)
#define APART __attribute__((noinline)) /* reduces the code size */
#else
#define APART
#endif

#if RUNNEL_N1 < 32 || RUNNEL_N1 > 1024 || RUNNEL_K < 1 || RUNNEL_K > 7
#error "RUNNEL_N1 is 32 to 1024, RUNNEL_K 1 to 7"
#endif
#if RUNNEL_SEND < 2 * RUNNEL_REPLY || RUNNEL_SEND > 32000 || RUNNEL_MESSAGE < 128 || RUNNEL_MESSAGE > 30000
#error "RUNNEL_SEND is 192 to 32000, RUNNEL_MESSAGE 128 to 30000"
#endif
#if RUNNEL_LOG > 250 || RUNNEL_OFFERS > 250 || RUNNEL_CALLS > 250
#error "RUNNEL_LOG, RUNNEL_OFFERS and RUNNEL_CALLS are at most 250"
#endif

#if RUNNEL_HALF_DUPLEX
#define HALF(r) ((r)->config->half_duplex)
#else
#define HALF(r) false
#endif

#if RUNNEL_STREAM
#define PLAIN(r) ((r)->config->stream != 0)
#else
#define PLAIN(r) false
#endif

/* ---- timers ---- */

enum timer {
	T_CALL,   /* the next SABM is due */
	T_UP,     /* the connection begins, because both ends have sent a SABM */
	T_DM,     /* a DM is due */
	T_1,      /* an answer is overdue */
	T_2,      /* an acknowledgement is sent now, because no I frame came that could carry it */
	T_3,      /* nothing was received for this long */
	T_LINGER, /* DISC was not answered */
	T_SPOKE,  /* runs for T1 after a SABM or DM was sent */
	T_STAGE,  /* timeout of the session's current stage */
	T_OFFER   /* rejected offers are retried */
};

enum {
	T3 = 5000,
	RETRIES = 5,          /* N2: consecutive timeouts of T1 */
	STUCK = 4 * RETRIES,  /* timeouts while the other end answers, but accepts no frame */
	CALL_GAP = 1000,      /* between SABMs */
	PATIENCE = 10000,     /* for the handshake and WELCOME, and before rejected offers are retried */
	PAUSE_MIN = 1000,     /* before the next session, if the router ended the last one */
	PAUSE_MAX = 31000,
	STEADY = 10000        /* a session of this length resets the pause */
};

APART static void arm(struct runnel *r, enum timer t, uint32_t in)
{
	r->at[t] = r->now + in;
	r->armed |= (uint16_t)(1u << t);
}

static void stop(struct runnel *r, enum timer t) { r->armed &= (uint16_t)~(1u << t); }

static bool running(const struct runnel *r, enum timer t) { return r->armed >> t & 1; }

static uint32_t left(const struct runnel *r, enum timer t)
{
	uint32_t in = r->at[t] - r->now;
	return running(r, t) && (int32_t)in > 0 ? in : 0;
}

/* Reports whether a timer has expired. If so, stops it. */
static bool expired(struct runnel *r, enum timer t)
{
	if (!running(r, t) || left(r, t) > 0)
		return false;
	stop(r, t);
	return true;
}

/* ---- writer ---- */

/* Major types. */
enum { UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE };

enum { CBOR_FALSE = 0xf4, CBOR_TRUE, CBOR_NULL, CBOR_HALF = 0xf9, CBOR_FLOAT, CBOR_DOUBLE, CBOR_BREAK = 0xff };

enum { HEAD = 4 }; /* size of the header of a RawSocket frame */

static size_t length(const char *text)
{
	size_t n = 0;
	while (text[n])
		n++;
	return n;
}

static void move(uint8_t *to, const uint8_t *from, size_t n)
{
	while (n-- > 0)
		*to++ = *from++;
}

APART static uint16_t wrap(size_t i) { return (uint16_t)(i >= RUNNEL_SEND ? i - RUNNEL_SEND : i); }

static uint8_t *place(struct runnel *r, size_t i) { return &r->out[wrap((size_t)wrap((size_t)r->first + r->held) + i)]; }

static size_t room(const struct runnel *r) { return (size_t)(RUNNEL_SEND - r->held); }

static void put(struct runnel *r, uint8_t b)
{
	if (r->written + (size_t)r->reserve >= room(r))
		r->bad = true;
	else
		*place(r, r->written++) = b;
}

/* Appends octets to the outgoing stream. The caller has checked that there is room. */
APART static void add(struct runnel *r, const uint8_t *p, size_t n)
{
	for (; n > 0; n--) {
		*place(r, 0) = *p++;
		r->held++;
	}
}

/* Big-endian. */
static void put_number(struct runnel *r, uint64_t v, int octets)
{
	while (octets-- > 0)
		put(r, (uint8_t)(v >> 8 * octets));
}

static void put_head(struct runnel *r, uint8_t major, uint64_t v)
{
	int size = v < 24 ? 0 : v <= UINT8_MAX ? 1 : v <= UINT16_MAX ? 2 : v <= UINT32_MAX ? 4 : 8;
	uint8_t info = size == 0 ? (uint8_t)v : (uint8_t)(size == 8 ? 27 : size == 4 ? 26 : 23 + size);
	put(r, (uint8_t)(major << 5 | info));
	put_number(r, v, size);
}

/* Counts an item of the current list or map. Returns false if no message is being written. */
static bool item(struct runnel *r)
{
	if (r->depth == 0)
		return false;
	if (++r->nest[r->depth - 1].count == 0)
		r->bad = true;
	return true;
}

static void enter(struct runnel *r, uint8_t major)
{
	if (r->depth == RUNNEL_DEPTH) {
		r->bad = true;
		return;
	}
	r->nest[r->depth].at = r->written;
	r->nest[r->depth].count = 0;
	r->nest[r->depth].map = major == MAP;
	r->depth++;
	put(r, (uint8_t)(major << 5 | 24)); /* the next octet is the length; leave sets it */
	put(r, 0);
}

static void leave(struct runnel *r)
{
	uint8_t count = r->nest[--r->depth].count;
	if (r->nest[r->depth].map) {
		r->bad |= count & 1;
		count /= 2;
	}
	if (!r->bad)
		*place(r, r->nest[r->depth].at + 1u) = count;
}

void runnel_put_int(struct runnel *r, int64_t v)
{
	if (item(r))
		put_head(r, v < 0 ? NEGATIVE : UNSIGNED, v < 0 ? ~(uint64_t)v : (uint64_t)v);
}

static void put_simple(struct runnel *r, uint8_t octet)
{
	if (item(r))
		put(r, octet);
}

void runnel_put_bool(struct runnel *r, bool v) { put_simple(r, v ? CBOR_TRUE : CBOR_FALSE); }

void runnel_put_null(struct runnel *r) { put_simple(r, CBOR_NULL); }

static void put_string(struct runnel *r, uint8_t major, const uint8_t *p, size_t size)
{
	if (!item(r))
		return;
	put_head(r, major, size);
	while (size-- > 0 && !r->bad)
		put(r, *p++);
}

void runnel_put_text(struct runnel *r, const char *text) { put_string(r, TEXT, (const uint8_t *)text, length(text)); }

void runnel_put_bytes(struct runnel *r, const void *bytes, size_t size) { put_string(r, BYTES, bytes, size); }

void runnel_put_float(struct runnel *r, float v)
{
	union {
		float number;
		uint32_t bits;
	} u;
	u.number = v;
	put_simple(r, CBOR_FLOAT);
	if (r->depth > 0)
		put_number(r, u.bits, 4);
}

/* Returns the bits of the double nearest to n / d; n > 0. It uses integers only, because floating-point code takes
   kilobytes on a small processor. */
static uint64_t quotient(uint32_t n, uint32_t d)
{
	uint64_t m = 0;
	uint32_t exponent = 1023;
	int i;
	for (; n < d; n <<= 1)
		exponent--;
	for (; n - d >= d; d <<= 1)
		exponent++;
	for (i = 0; i < 53; i++) {
		m <<= 1;
		if (n >= d) {
			n -= d;
			m |= 1;
		}
		n <<= 1;
	}
	m += n > d || (n == d && m & 1);
	/* The first bit of m is not stored: it adds 1 to the exponent, and so does a carry. */
	return ((uint64_t)(exponent - 1) << 52) + m;
}

void runnel_put_fixed(struct runnel *r, int32_t v, uint8_t decimals)
{
	uint64_t bits = 0;
	uint32_t d = 1;
	for (; decimals > 0 && d < 1000000000; decimals--)
		d *= 10;
	if (v != 0)
		bits = quotient(v < 0 ? 0u - (uint32_t)v : (uint32_t)v, d);
	if (v < 0)
		bits |= (uint64_t)1 << 63;
	put_simple(r, CBOR_DOUBLE);
	if (r->depth > 0)
		put_number(r, bits, 8);
}

void runnel_put_array(struct runnel *r)
{
	if (item(r))
		enter(r, ARRAY);
}

void runnel_put_map(struct runnel *r)
{
	if (item(r))
		enter(r, MAP);
}

/* The user writes only items of args and kwargs, which are at depth 2 or deeper. */
void runnel_put_end(struct runnel *r)
{
	if (r->depth > 2)
		leave(r);
	else
		r->bad = true;
}

void runnel_put_kwargs(struct runnel *r)
{
	if (r->depth != 2 || r->nest[1].map) {
		r->bad = true;
		return;
	}
	leave(r);
	runnel_put_map(r);
}

/* Begins a message. */
static bool begin(struct runnel *r, uint16_t type)
{
	r->written = 0;
	r->depth = 0;
	r->reserve = 0;
	r->asking.request = 0;
	r->answering = 0;
	r->bad = false;
	put_number(r, 0, HEAD);
	enter(r, ARRAY);
	runnel_put_int(r, type);
	return !r->bad;
}

/* Sends the message, or drops it if it is invalid or too long. */
static bool finish(struct runnel *r)
{
	size_t size;
	bool ok;
	while (r->depth > 0)
		leave(r);
	size = (size_t)r->written - HEAD;
	ok = !r->bad && size <= r->limit;
	if (ok) {
		r->written = 2;
		put_number(r, size, 2);
		r->held = (uint16_t)(r->held + HEAD + size);
	}
	r->written = 0;
	return ok;
}

/* ---- reader ---- */

#define UNTIL_BREAK UINT16_MAX

struct item {
	uint8_t major, info;
	uint64_t value;
};

/* Reads the head of an item, but not the contents of a string, list or map. */
static bool take(struct runnel_reader *r, struct item *i)
{
	uint8_t octets;
	if (r->at == r->end)
		return false;
	i->major = *r->at >> 5;
	i->info = *r->at++ & 31;
	i->value = i->info;
	if (i->info == 31)
		return i->major >= BYTES && i->major != TAG;
	if (i->info < 24)
		return true;
	octets = (uint8_t)(1u << (i->info & 3));
	if (i->info > 27 || r->end - r->at < octets)
		return false;
	for (i->value = 0; octets > 0; octets--)
		i->value = i->value << 8 | *r->at++;
	return true;
}

/* Returns how many items follow the head of a list or map; 0 for other items. */
static uint16_t inside(const struct item *i)
{
	if (i->info == 31)
		return UNTIL_BREAK;
	if (i->major != ARRAY && i->major != MAP)
		return 0;
	/* A count beyond the available octets is detected later. */
	if (i->value >= UNTIL_BREAK / 2)
		return UNTIL_BREAK - 1;
	return (uint16_t)((unsigned)i->value << (i->major == MAP));
}

/* Skips an item with its contents. */
static bool pass(struct runnel_reader *r)
{
	uint16_t nest[RUNNEL_DEPTH];
	struct item i;
	int depth = 0;
	nest[0] = 1;
	for (;;) {
		while (nest[depth] == 0)
			if (depth-- == 0)
				return true;
		if (!take(r, &i))
			return false;
		if (i.major == SIMPLE && i.info == 31) {
			if (nest[depth] != UNTIL_BREAK)
				return false;
			nest[depth] = 0;
			continue;
		}
		if (nest[depth] != UNTIL_BREAK && i.major != TAG)
			nest[depth]--;
		if ((i.major == BYTES || i.major == TEXT) && i.info != 31) {
			if (i.value > (uint64_t)(r->end - r->at))
				return false;
			r->at += i.value;
		} else if (inside(&i) > 0) {
			if (++depth == RUNNEL_DEPTH)
				return false;
			nest[depth] = inside(&i);
		}
	}
}

/* Ends the reader: nothing more can be read from it. */
static bool broken(struct runnel_reader *r)
{
	r->left = 0;
	return false;
}

bool runnel_more(const struct runnel_reader *r)
{
	return r->left > 0 && r->at != r->end && !(r->left == UNTIL_BREAK && *r->at == CBOR_BREAK);
}

bool runnel_skip(struct runnel_reader *r)
{
	if (!runnel_more(r) || !pass(r))
		return broken(r);
	if (r->left != UNTIL_BREAK)
		r->left--;
	return true;
}

/* Reads the head of the next item into i and skips the item. inner begins after the head. */
static bool next(struct runnel_reader *r, struct runnel_reader *inner, struct item *i)
{
	*inner = *r;
	if (!runnel_skip(r))
		return false;
	do
		take(inner, i);
	while (i->major == TAG); /* tags have no meaning here */
	inner->end = r->at;
	inner->left = inside(i);
	return true;
}

bool runnel_enter(struct runnel_reader *r, struct runnel_reader *inner)
{
	struct item i;
	return next(r, inner, &i) && (i.major == ARRAY || i.major == MAP);
}

static bool read_string(struct runnel_reader *r, uint8_t major, const uint8_t **p, size_t *size)
{
	struct runnel_reader inner;
	struct item i;
	if (!next(r, &inner, &i) || i.major != major || i.info == 31)
		return false;
	*p = inner.at;
	*size = (size_t)i.value;
	return true;
}

bool runnel_read_bytes(struct runnel_reader *r, const uint8_t **bytes, size_t *size)
{
	return read_string(r, BYTES, bytes, size);
}

bool runnel_read_text(struct runnel_reader *r, const char **text, size_t *size)
{
	const uint8_t *p;
	if (!read_string(r, TEXT, &p, size))
		return false;
	*text = (const char *)p;
	return true;
}

bool runnel_read_bool(struct runnel_reader *r, bool *v)
{
	struct runnel_reader inner;
	struct item i;
	if (!next(r, &inner, &i) || i.major != SIMPLE || (i.info | 1) != (CBOR_TRUE & 31))
		return false;
	*v = i.info & 1;
	return true;
}

bool runnel_read_null(struct runnel_reader *r)
{
	struct runnel_reader inner;
	struct item i;
	return next(r, &inner, &i) && i.major == SIMPLE && i.info == (CBOR_NULL & 31);
}

/* A number is (-1)^negative * m * 2^exponent. */
struct number {
	bool negative;
	uint64_t m;
	int exponent;
};

/* Splits a floating-point number into sign, exponent and fraction, given the sizes of its parts. */
static bool unpack(struct number *n, uint64_t bits, int exponent_bits, int fraction_bits)
{
	int top = (1 << exponent_bits) - 1;
	int exponent = (int)(bits >> fraction_bits) & top;
	n->negative = bits >> fraction_bits >> exponent_bits & 1;
	n->m = bits & (((uint64_t)1 << fraction_bits) - 1);
	if (exponent > 0)
		n->m |= (uint64_t)1 << fraction_bits;
	n->exponent = (exponent > 0 ? exponent : 1) - top / 2 - fraction_bits;
	return exponent != top;
}

static bool read_number(struct runnel_reader *r, struct number *n)
{
	struct runnel_reader inner;
	struct item i;
	if (!next(r, &inner, &i))
		return false;
	n->negative = i.major == NEGATIVE;
	n->m = i.value;
	n->exponent = 0;
	if (i.major <= NEGATIVE) {
		n->m += n->negative;
		return n->m != 0 || !n->negative; /* -2^64 */
	}
	switch (i.major << 5 | i.info) {
	case CBOR_HALF:
		return unpack(n, i.value, 5, 10);
	case CBOR_FLOAT:
		return unpack(n, i.value, 8, 23);
	case CBOR_DOUBLE:
		return unpack(n, i.value, 11, 52);
	}
	return false;
}

/* A function, because the compiler would merge the shifts into a multiplication, and that calls the compiler's library. */
APART static uint64_t twice(uint64_t v) { return v + v; }

bool runnel_read_fixed(struct runnel_reader *r, uint8_t decimals, int64_t *v)
{
	struct number n;
	if (!read_number(r, &n))
		return false;
	for (; decimals > 0; decimals--) {
		for (; n.m >> 60 && n.exponent < 0; n.exponent++) /* drops the last bits, which are far right of the point */
			n.m >>= 1;
		if (n.m >> 60)
			return false;
		n.m = twice(twice(twice(n.m))) + twice(n.m); /* times 10 */
	}
	if (n.exponent < -63)
		n.m = 0;
	else if (n.exponent < 0)
		n.m = (n.m >> -n.exponent) + (n.m >> (-n.exponent - 1) & 1);
	for (; n.exponent > 0 && n.m != 0; n.exponent--) {
		if (n.m >> 62)
			return false;
		n.m <<= 1;
	}
	if (n.m > (uint64_t)INT64_MAX)
		return false;
	*v = n.negative ? -(int64_t)n.m : (int64_t)n.m;
	return true;
}

bool runnel_read_int(struct runnel_reader *r, int64_t *v) { return runnel_read_fixed(r, 0, v); }

bool runnel_read_float(struct runnel_reader *r, float *v)
{
	union {
		float number;
		uint32_t bits;
	} u;
	struct number n;
	uint32_t m;
	if (!read_number(r, &n))
		return false;
	for (; n.m >> 25; n.exponent++) /* keep 24 bits, and one for rounding */
		n.m >>= 1;
	m = (uint32_t)n.m;
	for (; m != 0 && m >> 24 == 0; n.exponent--)
		m <<= 1;
	n.exponent += 127 + 24;
	if (n.exponent >= 254)
		return false;
	/* The first bit is not stored: it adds 1 to the exponent, and so does a carry. A value too small for a float becomes 0. */
	u.bits = n.exponent <= 0 || m == 0 ? 0 : ((uint32_t)(n.exponent - 1) << 23) + ((m + 1) >> 1);
	u.bits |= (uint32_t)n.negative << 31;
	*v = u.number;
	return true;
}

static bool same(const char *text, const char *p, size_t size)
{
	size_t i;
	for (i = 0; i < size; i++)
		if (text[i] == 0 || text[i] != p[i])
			return false;
	return text[size] == 0;
}

bool runnel_find(struct runnel_reader map, const char *key, struct runnel_reader *value)
{
	const char *text;
	size_t size;
	while (runnel_more(&map)) {
		bool found = runnel_read_text(&map, &text, &size) && same(key, text, size);
		*value = map;
		if (found)
			return runnel_more(value);
		runnel_skip(&map);
	}
	return false;
}

/* ---- session ---- */

enum {
	HELLO = 1,
	WELCOME = 2,
	ABORT = 3,
	CHALLENGE = 4,
	AUTHENTICATE = 5,
	GOODBYE = 6,
	ERROR = 8,
	PUBLISH = 16,
	PUBLISHED = 17,
	SUBSCRIBE = 32,
	SUBSCRIBED = 33,
	EVENT = 36,
	CALL = 48,
	RESULT = 50,
	REGISTER = 64,
	REGISTERED = 65,
	INVOCATION = 68,
	YIELD = 70,
	EVENT_RECEIVED = 337
};

enum stage {
	DOWN,    /* no link */
	RESTING, /* the link is up; the pause before the handshake is running */
	SHAKING,
	JOINING,
	JOINED,
	PARTING, /* GOODBYE was sent */
	OVER     /* the router has ended the session; the link must be connected again */
};

/* The phases of the link below it. */
enum phase { CALLING, CONNECTED, LEAVING, LEFT, STOPPED };

/* The stages of an offer. FREE is 0. */
enum { FREE, NEW, ASKED, HELD, REFUSED };

/* The kind of offer, stored next to the user's flags. */
enum { DURABLE = 64, PROCEDURE = 128 };

enum { UNANSWERED, ANSWERED, ANSWER_FAILED };

/* The maximum number of unacknowledged events of a durable subscription. Even a slow line carries that many before the router
   would resend them. */
enum { WINDOW = 4 };

/* The longest message that the router may send is 2^(9+LIMIT) octets. This is more than RUNNEL_MESSAGE: WELCOME may be
   longer than the device's buffer, and its beginning is enough. */
enum { LIMIT = RUNNEL_MESSAGE <= 4096 ? 3 : 6 };
#define LONGEST ((uint32_t)512 << LIMIT)

static const char network_failure[] = "wamp.error.network_failure";
const char runnel_gap[] = "runnel.gap";
static const char too_long[] = "wamp.error.payload_size_exceeded";

enum runnel_state runnel_state(const struct runnel *r)
{
	if (r->stage == JOINED)
		return RUNNEL_JOINED;
	if (r->stage != DOWN)
		return RUNNEL_LINKED;
	return r->phase == STOPPED ? RUNNEL_LEFT : RUNNEL_DOWN;
}

static void tell(struct runnel *r, const char *reason)
{
	if (r->config->on_change)
		r->config->on_change(r, runnel_state(r), reason, r->config->context);
}

static void finish_call(struct runnel *r, struct runnel_call *c, struct runnel_message *m)
{
	runnel_handler *done = c->done;
	c->request = 0; /* the handler may call again */
	if (done)
		done(r, m, c->context);
}

/* Fails all pending calls and marks all offers as new, because the session or its link has ended. */
static void forget(struct runnel *r)
{
	struct runnel_message m = {network_failure, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0}, false};
	int i;
	for (i = 0; i < RUNNEL_OFFERS; i++)
		if (r->offers[i].stage != FREE)
			r->offers[i].stage = NEW;
	for (i = 0; i < RUNNEL_CALLS; i++)
		if (r->calls[i].request != 0)
			finish_call(r, &r->calls[i], &m);
}

/* Lengthens the pause before the next attempt, after the router has rejected the session or a stream has failed. */
static void grow_pause(struct runnel *r)
{
	if (r->stage == JOINED && r->now - r->since >= STEADY)
		r->pause = 0;
	r->pause = (uint16_t)(2 * r->pause + PAUSE_MIN);
	if (r->pause > PAUSE_MAX)
		r->pause = PAUSE_MAX;
}

/* The router has ended the session. It normally ends the connection, too. Otherwise the device does so after PAUSE_MIN. */
static void ended(struct runnel *r, const char *reason)
{
	grow_pause(r);
	r->stage = OVER;
	arm(r, T_STAGE, PAUSE_MIN);
	tell(r, reason);
}

/* Handles invalid input: the octets after it cannot be trusted. runnel_poll reconnects the link later, because a reconnect
   from within the parser would need too much stack. */
APART static void violation(struct runnel *r)
{
	grow_pause(r);
	r->broken = true;
}

static void put_details_flag(struct runnel *r, const char *key, bool value)
{
	runnel_put_text(r, key);
	runnel_put_bool(r, value);
}

/* d is used if flags has DURABLE. */
static void put_options(struct runnel *r, unsigned flags, const struct runnel_durable *d)
{
	runnel_put_map(r);
	if (flags & DURABLE) {
		runnel_put_text(r, "_durable");
		runnel_put_text(r, d->name);
		runnel_put_text(r, "_window");
		runnel_put_int(r, WINDOW);
	}
	if (flags & (RUNNEL_PREFIX | RUNNEL_WILDCARD)) {
		runnel_put_text(r, "match");
		runnel_put_text(r, flags & RUNNEL_PREFIX ? "prefix" : "wildcard");
	}
	if (flags & RUNNEL_GET_RETAINED)
		put_details_flag(r, "get_retained", true);
	if (flags & RUNNEL_RETAIN)
		put_details_flag(r, "retain", true);
	if (flags & RUNNEL_INCLUDE_ME)
		put_details_flag(r, "exclude_me", false);
	if (r->asking.request != 0 && r->asking.done)
		put_details_flag(r, "acknowledge", true);
	leave(r);
}

static void put_empty(struct runnel *r)
{
	runnel_put_map(r);
	leave(r);
}

#if RUNNEL_STREAM
static void put_identity(struct runnel *r)
{
	if (r->config->authid) {
		runnel_put_text(r, "authid");
		runnel_put_text(r, r->config->authid);
	}
	if (r->config->ticket) {
		runnel_put_text(r, "authmethods");
		runnel_put_array(r);
		runnel_put_text(r, "ticket");
		leave(r);
	}
}

/* Answers CHALLENGE. */
static void authenticate(struct runnel *r)
{
	begin(r, AUTHENTICATE);
	runnel_put_text(r, r->config->ticket ? r->config->ticket : "");
	put_empty(r);
	finish(r);
}
#endif

static void say_hello(struct runnel *r)
{
	static const uint8_t roles[] = "\xa4\x69publisher\xa0\x6asubscriber\xa0\x66" "caller\xa0\x66" "callee\xa0";
	int i;
	begin(r, HELLO);
	runnel_put_text(r, r->config->realm ? r->config->realm : "realm1");
	runnel_put_map(r);
	runnel_put_text(r, "roles");
	item(r);
	for (i = 0; roles[i]; i++)
		put(r, roles[i]);
#if RUNNEL_STREAM
	put_identity(r);
#endif
	finish(r);
	r->stage = JOINING;
	arm(r, T_STAGE, PATIENCE);
}

static void say_goodbye(struct runnel *r, const char *reason)
{
	begin(r, GOODBYE);
	put_empty(r);
	runnel_put_text(r, reason);
	finish(r);
}

static void say_error(struct runnel *r, uint8_t type, uint64_t request, const char *uri)
{
	begin(r, ERROR);
	runnel_put_int(r, type);
	runnel_put_int(r, (int64_t)request);
	put_empty(r);
	runnel_put_text(r, uri);
	finish(r);
}

static bool ask(struct runnel *r, struct runnel_offer *o)
{
	begin(r, o->flags & PROCEDURE ? REGISTER : SUBSCRIBE);
	runnel_put_int(r, (int64_t)++r->request);
	put_options(r, o->flags, o->context);
	runnel_put_text(r, o->uri);
	if (!finish(r))
		return false;
	o->id = r->request;
	o->stage = ASKED;
	return true;
}

static void offer(struct runnel *r)
{
	int i;
	if (expired(r, T_OFFER))
		for (i = 0; i < RUNNEL_OFFERS; i++)
			if (r->offers[i].stage == REFUSED)
				r->offers[i].stage = NEW;
	for (i = 0; i < RUNNEL_OFFERS; i++)
		if (r->offers[i].stage == NEW && !ask(r, &r->offers[i]))
			return; /* retried when there is room */
}

static struct runnel_offer *find_offer(struct runnel *r, uint8_t kind, uint8_t stage, uint64_t id)
{
	struct runnel_offer *o;
	for (o = r->offers; o < r->offers + RUNNEL_OFFERS; o++)
		if (o->stage == stage && (o->flags & PROCEDURE) == kind && o->id == id)
			return o;
	return 0;
}

static uint8_t append(struct runnel *r, uint8_t at, const char *text)
{
	while (*text && at < RUNNEL_LOG)
		r->log[at++] = *text++;
	return at;
}

/* The router rejected an offer: write that to the router's log, and retry later. */
static void offer_refused(struct runnel *r, struct runnel_offer *o, const char *error)
{
	if (r->log_size == 0)
		r->log_size = append(r, append(r, append(r, 0, o->uri), ": "), error ? error : "");
	o->stage = REFUSED;
	arm(r, T_OFFER, PATIENCE);
}

/* A parsed message. */
struct parsed {
	uint8_t type;
	bool cut; /* incomplete, because it is too long or nested too deep */
	uint8_t count;
	uint64_t ids[2];
	struct runnel_message message;
};

static bool parse_id(struct runnel_reader *r, uint64_t *id)
{
	struct runnel_reader inner;
	struct item i;
	if (r->at == r->end || *r->at >> 5 != UNSIGNED || !next(r, &inner, &i))
		return false;
	*id = i.value;
	return true;
}

/* Terminates a text with a NUL. The text moves down by one octet, over its head. */
static const char *terminate(const uint8_t *p, size_t size)
{
	uint8_t *q = (uint8_t *)(uintptr_t)p - 1; /* the message is in r->in, which is writable */
	move(q, p, size);
	q[size] = 0;
	return (const char *)q;
}

/* Parses a message: a type, up to two ids, and optionally details, a URI, args and kwargs. */
static bool parse(struct parsed *p, struct runnel_reader *r)
{
	struct item i;
	uint64_t type;
	const uint8_t *uri;
	size_t size;
	if (!take(r, &i) || i.major != ARRAY)
		return false;
	r->left = inside(&i);
	if (!parse_id(r, &type) || type > UINT8_MAX)
		return false;
	p->type = (uint8_t)type;
	while (p->count < 2 && parse_id(r, &p->ids[p->count]))
		p->count++;
	p->cut = true;
	if (runnel_more(r) && !runnel_enter(r, &p->message.details))
		return true;
	if (runnel_more(r) && *r->at >> 5 == TEXT) {
		if (!read_string(r, TEXT, &uri, &size))
			return true;
		p->message.error = terminate(uri, size);
	}
	if (runnel_more(r) && !runnel_enter(r, &p->message.args))
		return true;
	if (runnel_more(r) && !runnel_enter(r, &p->message.kwargs))
		return true;
	p->cut = r->left != 0 && r->left != UNTIL_BREAK;
	return true;
}

static void welcomed(struct runnel *r)
{
	r->stage = JOINED;
	stop(r, T_STAGE);
	r->request = 0;
	r->session++;
	r->since = r->now;
	r->counters.sessions++;
	tell(r, 0);
}

static void answered_call(struct runnel *r, uint64_t request, struct parsed *p)
{
	struct runnel_call *c;
	if (p->cut && !p->message.error)
		p->message.error = too_long;
	for (c = r->calls; c < r->calls + RUNNEL_CALLS; c++)
		if (c->request != 0 && c->request == request) {
			finish_call(r, c, &p->message);
			return;
		}
}

static void answered_offer(struct runnel *r, uint8_t kind, struct parsed *p)
{
	struct runnel_offer *o = find_offer(r, kind, ASKED, p->ids[0]);
	if (!o)
		return;
	o->id = p->ids[1];
	o->stage = HELD;
}

static void failed(struct runnel *r, struct parsed *p)
{
	struct runnel_offer *o;
	uint8_t kind = p->ids[0] == REGISTER ? PROCEDURE : 0;
	if (p->ids[0] == CALL || p->ids[0] == PUBLISH) {
		answered_call(r, p->ids[1], p);
		return;
	}
	o = find_offer(r, kind, ASKED, p->ids[1]);
	if (o)
		offer_refused(r, o, p->message.error);
}

static void event(struct runnel *r, struct parsed *p)
{
	struct runnel_offer *o = find_offer(r, 0, HELD, p->ids[0]);
	if (!o || (p->cut && !(o->flags & DURABLE)))
		return;
	p->message.invocation.request = p->ids[1];
	if (p->cut)
		p->message.error = too_long;
	o->handler(r, &p->message, o->context);
}

static void invoked(struct runnel *r, struct parsed *p)
{
	struct runnel_offer *o = find_offer(r, PROCEDURE, HELD, p->ids[1]);
	struct runnel_message *m = &p->message;
	if (!o || p->cut) {
		say_error(r, INVOCATION, p->ids[0], o ? too_long : network_failure);
		return;
	}
	m->invocation.request = p->ids[0];
	m->invocation.session = r->session;
	r->reply = UNANSWERED;
	r->handling = true;
	o->handler(r, m, o->context);
	r->handling = false;
	if (r->reply == ANSWER_FAILED)
		say_error(r, INVOCATION, p->ids[0], too_long);
	else if (r->reply == UNANSWERED && !m->later && runnel_result(r, &m->invocation))
		runnel_send(r);
}

static void joined_message(struct runnel *r, struct parsed *p)
{
	switch (p->type) {
	case ERROR:
		failed(r, p);
		break;
	case PUBLISHED:
	case RESULT:
		answered_call(r, p->ids[0], p);
		break;
	case SUBSCRIBED:
		answered_offer(r, 0, p);
		break;
	case REGISTERED:
		answered_offer(r, PROCEDURE, p);
		break;
	case EVENT:
		event(r, p);
		break;
	case INVOCATION:
		invoked(r, p);
		break;
	}
}

static void parted(struct runnel *r);

/* Handles a message. cut means that the end of the message did not fit. */
static void message(struct runnel *r, const uint8_t *data, size_t size, bool cut)
{
	struct runnel_reader whole = {data, data + size, 1};
	struct parsed p = {0, false, 0, {0, 0}, {0, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0}, false}};
	if (!parse(&p, &whole)) {
		violation(r);
		return;
	}
	p.cut |= cut;
	if (p.type == WELCOME && r->stage == JOINING) {
		welcomed(r);
		return;
	}
#if RUNNEL_STREAM
	if (p.type == CHALLENGE && r->stage == JOINING) {
		authenticate(r);
		return;
	}
#endif
	r->counters.refused += p.cut;
	if (r->stage == PARTING && p.type == GOODBYE)
		arm(r, T_STAGE, 0);
	if (p.type == GOODBYE && r->stage == JOINED)
		say_goodbye(r, "wamp.close.goodbye_and_out");
	if (p.type == ABORT || (p.type == GOODBYE && r->stage != PARTING))
		ended(r, p.message.error);
	else if (r->stage == JOINED)
		joined_message(r, &p);
}

/* Begins to leave: sends GOODBYE if there is a session. */
static void part(struct runnel *r)
{
	if (r->stage != JOINED) {
		parted(r);
		return;
	}
	say_goodbye(r, "wamp.close.close_realm");
	r->stage = PARTING;
	arm(r, T_STAGE, PATIENCE);
	forget(r);
	tell(r, 0);
}

/* Does what is due in the session's current stage. */
static void tick(struct runnel *r)
{
	static const uint8_t handshake[HEAD] = {0x7f, LIMIT << 4 | 3, 0, 0};
	bool late = expired(r, T_STAGE);
	switch ((enum stage)r->stage) {
	case RESTING:
		if (!late)
			break;
		add(r, handshake, HEAD);
		r->stage = SHAKING;
		arm(r, T_STAGE, PATIENCE);
		break;
	case JOINED:
		offer(r);
		break;
	case PARTING:
		if (late)
			parted(r);
		break;
	default:
		if (late)
			violation(r);
	}
}

/* ---- API ---- */

bool runnel_subscribe(struct runnel *r, const char *uri, unsigned flags, runnel_handler *handler, void *context)
{
	struct runnel_offer *o = find_offer(r, 0, FREE, 0);
	if (!o)
		return false;
	o->uri = uri;
	o->flags = (uint8_t)flags;
	o->handler = handler;
	o->context = context;
	o->stage = NEW;
	return true;
}

/* The handler of durable subscriptions. It passes an event to the user's handler, and acknowledges or rejects the event. It
   always acknowledges an event that is too long, because the event would be too long again. */
static void on_durable(struct runnel *r, struct runnel_message *m, void *context)
{
	const struct runnel_durable *d = context;
	uint64_t publication = m->invocation.request; /* set by event */
	struct runnel_reader gap;
	if (runnel_find(m->details, "_gap", &gap))
		m->error = runnel_gap;
	r->handling = true; /* reserves room for the acknowledgement */
	if (d->handler(r, m, d->context) || m->error == too_long) {
		begin(r, EVENT_RECEIVED);
		runnel_put_int(r, (int64_t)publication);
		finish(r);
	} else {
		say_error(r, EVENT, publication, network_failure); /* the router does not look at the URI */
	}
	r->handling = false;
}

bool runnel_subscribe_durable(struct runnel *r, const struct runnel_durable *d, unsigned flags)
{
	return runnel_subscribe(r, d->topic, flags | DURABLE, on_durable, (void *)(uintptr_t)d);
}

bool runnel_register(struct runnel *r, const char *procedure, unsigned flags, runnel_handler *handler, void *context)
{
	return runnel_subscribe(r, procedure, flags | PROCEDURE, handler, context);
}

/* Begins a message that expects an answer. Within the handler of a call, it reserves room for the handler's answer. */
static bool begin_request(struct runnel *r, uint8_t type, runnel_handler *done, void *context)
{
	struct runnel_call *c = r->calls;
	r->depth = 0;
	while (done && c->request != 0)
		if (++c == r->calls + RUNNEL_CALLS)
			return false;
	if (r->stage != JOINED || !begin(r, type))
		return false;
	if (r->handling)
		r->reserve = RUNNEL_REPLY;
	r->asking.request = r->request + 1;
	r->asking.done = done;
	r->asking.context = context;
	runnel_put_int(r, (int64_t)r->asking.request);
	return true;
}

/* Begins the arguments. */
static bool begin_args(struct runnel *r)
{
	runnel_put_array(r);
	if (r->bad)
		r->depth = 0;
	return !r->bad;
}

bool runnel_publish(struct runnel *r, const char *topic, unsigned flags, runnel_handler *done, void *context)
{
	if (!begin_request(r, PUBLISH, done, context))
		return false;
	put_options(r, flags, 0);
	runnel_put_text(r, topic);
	return begin_args(r);
}

bool runnel_call(struct runnel *r, const char *procedure, uint32_t timeout, runnel_handler *done, void *context)
{
	if (!begin_request(r, CALL, done, context))
		return false;
	runnel_put_map(r);
	if (timeout > 0) {
		runnel_put_text(r, "timeout");
		runnel_put_int(r, timeout);
	}
	leave(r);
	runnel_put_text(r, procedure);
	return begin_args(r);
}

/* Begins an answer. It checks the session, because an answer for an earlier one would be a protocol error. */
static bool begin_answer(struct runnel *r, uint8_t type, const struct runnel_invocation *i)
{
	r->depth = 0;
	if (r->stage != JOINED || i->session != r->session || !begin(r, type))
		return false;
	r->answering = i->request;
	if (type == ERROR)
		runnel_put_int(r, INVOCATION);
	runnel_put_int(r, (int64_t)i->request);
	put_empty(r);
	return true;
}

bool runnel_result(struct runnel *r, const struct runnel_invocation *i)
{
	return begin_answer(r, YIELD, i) && begin_args(r);
}

bool runnel_error(struct runnel *r, const struct runnel_invocation *i, const char *uri)
{
	if (!begin_answer(r, ERROR, i))
		return false;
	runnel_put_text(r, uri);
	return begin_args(r);
}

static void keep_request(struct runnel *r)
{
	struct runnel_call *c = r->calls;
	r->request = r->asking.request;
	if (!r->asking.done)
		return;
	while (c->request != 0)
		c++;
	*c = r->asking;
}

bool runnel_send(struct runnel *r)
{
	bool ok;
	if (r->depth == 0)
		return false;
	if (r->depth != 2)
		r->bad = true;
	else if (r->nest[1].count == 0 && !r->nest[1].map && !r->bad) {
		r->written = r->nest[1].at; /* there are no arguments: drop the empty list */
		r->nest[0].count--;
		r->depth = 1;
	}
	ok = finish(r);
	if (ok && r->asking.request != 0)
		keep_request(r);
	if (r->answering != 0)
		r->reply = ok ? ANSWERED : ANSWER_FAILED;
	return ok;
}

bool runnel_log(struct runnel *r, const char *text)
{
	uint8_t size;
	if (r->log_size > 0 || !*text)
		return false;
	size = append(r, 0, text);
	while (text[size] && size > 0 && (text[size] & 0xc0) == 0x80)
		size--; /* never cut a character in two */
	r->log_size = size;
	return true;
}

/* ---- link ---- */

/* Bits of due: the frames to send next. */
enum {
	DUE_XID = 1,        /* the device's identity, before SABM */
	DUE_SABM = 2,
	DUE_UA = 4,
	DUE_DM = 8,
	DUE_IDENTITY = 16,  /* the answer to an XID */
	DUE_HELLO = 32,     /* an XID command before UA, because the other end's XID had no P (half-duplex) */
	DUE_FINAL = 64,     /* the answer to P */
	DUE_REJECT = 128,
	DUE_STATE = 256,    /* RR or RNR: the receive buffer has become full or free */
	DUE_ACK = 512,
	DUE_POLL = 1024,    /* a command with P */
	DUE_SHORT = 2048    /* a short frame after that command; it may arrive when a long frame does not */
};

/* The address of the device's commands, and that of its responses and the other end's commands. */
enum { COMMAND = 0x01, RESPONSE = 0x03 };

enum { RR = 0x01, RNR = 0x05, REJ = 0x09, SABM = 0x2f, UA = 0x63, DISC = 0x43, DM = 0x0f, FRMR = 0x87, XID = 0xaf, UI = 0x03, PF = 0x10 };

/* The source of a frame's info field. */
enum { NOTHING, STREAM, IDENTITY, LOGS };

enum { IDENTITY_HEAD = 8, MAX_NAME = 32, GROWTH = 8, SMALL = 32 };

/* The steps of a turn on a half-duplex line. The device sends only when the router polls it. */
enum { SILENT, ASKED_TO_SPEAK, ANSWERING, TALKING, ENDING };

static bool was_due(struct runnel *r, uint16_t due)
{
	bool was = r->due & due;
	r->due &= (uint16_t)~due;
	return was;
}

static uint8_t ahead(uint8_t a, uint8_t b) { return (uint8_t)(b - a) & 7; }

/* Aborts the frame being sent if it is one of the first frames I frames, whose octets are dropped. */
static void abort_frame(struct runnel *r, uint8_t frames)
{
	if (!r->out_active || r->out_source != STREAM)
		return;
	if (r->out_index < frames)
		r->out_abort = true;
	else
		r->out_index = (uint8_t)(r->out_index - frames);
}

/* Schedules a SABM, but no sooner than T1 after the last one. Otherwise a late answer to the last SABM would pass for an
   answer to this one. */
static void call(struct runnel *r, uint32_t in)
{
	uint32_t wait = left(r, T_SPOKE);
	uint32_t more = r->t1 > CALL_GAP ? r->t1 - (uint32_t)CALL_GAP : 0;
	r->phase = CALLING;
	r->answers = 0;
	r->met = false;
	if (HALF(r))
		return; /* the router polls the device */
	wait = wait > more ? wait - more : 0;
	arm(r, T_CALL, in > wait ? in : wait);
}

APART static void empty(struct runnel *r)
{
	if (r->length > 2)
		r->open = false; /* drop the frame being received: it is stored after the discarded octets */
	r->used = 0;
	r->dropped = 0;
	abort_frame(r, UINT8_MAX);
	r->first = r->held = r->written = r->sent = 0;
	r->base = r->cut = r->under = 0;
	r->depth = 0;
}

/* Records that a frame of the other end has arrived. */
APART static void alive(struct runnel *r)
{
	r->heard = true;
	r->tries = 0;
	arm(r, T_3, HALF(r) ? T3 + RETRIES * (uint32_t)r->t1 : T3);
}

APART static void stopped(struct runnel *r)
{
	r->phase = STOPPED;
	stop(r, T_LINGER);
	tell(r, 0);
}

#if RUNNEL_STREAM
static void hang_up(struct runnel *r) { r->config->stream->close(r->config->port->context); }
#endif

/* Begins a connection with all sequence numbers at 0. */
static void up(struct runnel *r)
{
	r->phase = CONNECTED;
	r->due &= DUE_UA | DUE_IDENTITY | DUE_HELLO;
	stop(r, T_CALL);
	stop(r, T_UP);
	stop(r, T_DM);
	r->met = false;
	empty(r);
	r->k = HALF(r) ? 1 : r->peer_k < RUNNEL_K ? r->peer_k : RUNNEL_K;
	r->n1 = r->peer_n1 < RUNNEL_N1 ? r->peer_n1 : RUNNEL_N1;
	r->size = r->n1;
	r->vr = r->owed = r->stuck = 0;
	r->peer_busy = r->polled = r->recovering = r->busy = r->rejecting = false;
	alive(r);
	r->heard = false;
	r->counters.connections++;
	r->stage = RESTING;
	arm(r, T_STAGE, PLAIN(r) ? 0 : r->pause); /* a stream pauses before it connects */
	tell(r, 0);
}

/* Ends the connection without reconnecting. */
static void end(struct runnel *r)
{
	stop(r, T_1);
	stop(r, T_2);
	stop(r, T_3);
	stop(r, T_STAGE);
	r->due &= DUE_UA | DUE_IDENTITY;
	empty(r);
	r->stage = DOWN;
	forget(r);
}

/* Ends the connection and reconnects. */
static void down(struct runnel *r)
{
#if RUNNEL_STREAM
	if (PLAIN(r))
		hang_up(r);
#endif
	end(r);
	call(r, PLAIN(r) ? r->pause : 0);
	tell(r, network_failure);
}

static void restart(struct runnel *r)
{
	r->broken = false;
	if (r->phase == CONNECTED)
		down(r); /* the next SABM resets the other end */
}

/* Disconnects after runnel_leave. */
static void parted(struct runnel *r)
{
	if (r->phase == CONNECTED)
		end(r);
#if RUNNEL_STREAM
	if (PLAIN(r)) {
		hang_up(r);
		stop(r, T_CALL);
		stopped(r);
		return;
	}
#endif
	r->phase = LEAVING;
	r->due = 0;
	stop(r, T_CALL);
	stop(r, T_UP);
	stop(r, T_DM);
	arm(r, T_LINGER, RETRIES * (uint32_t)r->t1);
}

/* Starts T1. A half-duplex device does not use T1: it resends when the router polls it again. */
static void start_t1(struct runnel *r)
{
	if (!running(r, T_1) && !HALF(r))
		arm(r, T_1, r->t1);
}

/* Handles a SABM: the other end has no connection, whatever the state of this end. */
static void called(struct runnel *r, bool p)
{
	uint32_t arrived = left(r, T_SPOKE);
	if (r->phase > CONNECTED)
		return;
	r->due |= DUE_UA;
	r->final_ua = p;
	if (r->phase == CONNECTED) {
		if (!r->heard)
			return; /* no other frame has arrived in this connection, so the SABM is probably a repeated one */
		end(r);
		tell(r, network_failure);
		up(r);
	} else if (arrived == 0 || HALF(r)) {
		up(r);
	} else {
		/* The device's own SABM may still be under way. When it arrives, the other end restarts the connection; until then it
		   sends frames of the old connection. Wait for its UA, or until the SABM must have arrived. */
		r->met = true;
		r->due &= (uint16_t)~(DUE_XID | DUE_SABM);
		arm(r, T_UP, arrived);
	}
}

/* Handles a DISC. The device waits for T1 before it reconnects. */
static void dismissed(struct runnel *r, bool p)
{
	if (r->phase != CONNECTED) {
		r->due |= DUE_DM;
		return;
	}
	down(r);
	r->due |= DUE_UA;
	r->final_ua = p;
	if (running(r, T_CALL))
		arm(r, T_CALL, r->t1);
}

/* Handles a UA. If the link is up already, the UA is late, or it answers a repeated SABM. More UAs than SABMs mean that the
   first UA answered an earlier SABM. The two ends are then in different connections, so the device disconnects. */
static void answered(struct runnel *r)
{
	if (r->answers > 0) {
		r->answers--;
		if (r->phase == CALLING)
			up(r);
	} else if (r->phase == CONNECTED) {
		down(r);
	}
}

static void identify(struct runnel *r, const uint8_t *info, size_t size, bool command, bool p)
{
	uint16_t n1;
	if (size < IDENTITY_HEAD || size > IDENTITY_HEAD + MAX_NAME || info[0] != 1)
		return;
	n1 = (uint16_t)(info[2] | (unsigned)info[3] << 8);
	if (info[1] < 1 || info[1] > 7 || n1 < 32 || n1 > 1024)
		return;
	r->peer_k = info[1];
	r->peer_n1 = n1;
	if (command && p)
		r->due |= DUE_IDENTITY;
	else if (command && HALF(r))
		r->due |= DUE_HELLO;
}

static void unnumbered(struct runnel *r, const uint8_t *info, size_t size, bool command, bool p)
{
	uint8_t kind = r->head[1] & (uint8_t)~PF;
	if (command && p)
		r->turn = ASKED_TO_SPEAK;
	if (r->phase == LEFT && !command && (kind == UA || kind == DM)) {
		stopped(r);
	} else if (kind == XID) {
		identify(r, info, size, command, p);
	} else if (kind == SABM && command) {
		called(r, p);
	} else if (kind == DISC && command) {
		dismissed(r, p);
	} else if (kind == UA && !command) {
		answered(r);
	} else if ((kind == DM || kind == FRMR) && !command && r->phase == CONNECTED) {
		down(r);
	}
}

/* Handles an I or S frame without a connection: sends a DM. Shortly after a SABM it waits, because a DM would end the
   connection that the SABM begins. The SABM has the same effect as a DM. */
static void strange(struct runnel *r)
{
	if (r->phase == CALLING && !running(r, T_DM))
		arm(r, T_DM, left(r, T_SPOKE));
}

/* Drops the octets that the other end acknowledges with N(R). Returns false if nr is out of range. */
static bool acknowledged(struct runnel *r, uint8_t nr)
{
	uint8_t n = ahead(r->base, nr), i;
	uint16_t gone = 0;
	if (n > r->cut)
		return false;
	if (n == 0)
		return true;
	for (i = 0; i < n; i++)
		gone = (uint16_t)(gone + r->sizes[i]);
	abort_frame(r, n);
	for (i = n; i < r->cut; i++)
		r->sizes[i - n] = r->sizes[i];
	r->first = wrap((size_t)r->first + gone);
	r->held = (uint16_t)(r->held - gone);
	r->sent = (uint16_t)(r->sent - gone);
	r->base = nr;
	r->cut = (uint8_t)(r->cut - n);
	r->under = r->under > n ? (uint8_t)(r->under - n) : 0;
	r->size = (uint16_t)(r->size + n * GROWTH);
	if (r->size > r->n1)
		r->size = r->n1;
	r->stuck = 0;
	stop(r, T_1);
	if (r->cut > 0 || r->polled || r->peer_busy)
		start_t1(r);
	return true;
}

/* Resends all unacknowledged frames, and halves the size of new frames, because short frames survive a noisy line more often. */
APART static void again(struct runnel *r)
{
	uint16_t least = r->n1 < SMALL ? r->n1 : SMALL;
	if (r->under == 0)
		return;
	r->under = 0;
	r->size = r->size / 2 < least ? least : r->size / 2;
}

/* Handles the answer to a poll: unacknowledged frames that were sent before the poll are lost. */
static void checkpoint(struct runnel *r)
{
	r->polled = false;
	r->due &= (uint16_t)~DUE_SHORT;
	stop(r, T_1);
	if (r->recovering)
		again(r);
	r->recovering = false;
	if (r->cut > 0 || r->peer_busy)
		start_t1(r);
}

/* Handles the common part of I and S frames. Returns false if the frame belongs to no connection. */
static bool numbered(struct runnel *r, bool command, bool p)
{
	if (command && p)
		r->turn = ASKED_TO_SPEAK;
	if (r->phase != CONNECTED) {
		strange(r);
		return false;
	}
	alive(r);
	if (!acknowledged(r, r->head[1] >> 5)) {
		down(r);
		return false;
	}
	if (p && command)
		r->due |= DUE_FINAL;
	else if (p && r->polled)
		checkpoint(r);
	return true;
}

/* Accepts the expected I frame. Its info is already in place. */
static void accept(struct runnel *r, size_t size)
{
	r->vr = (r->vr + 1) & 7;
	r->rejecting = false;
	r->used = (uint16_t)(r->used + size);
	/* Acknowledge once half a window is owed, so that the other end's window does not run out. */
	if (2 * ++r->owed >= r->k)
		r->due |= DUE_ACK;
	else if (!running(r, T_2))
		arm(r, T_2, r->t2);
}

/* Handles an I frame whose number is gap ahead of the expected one. */
static void misplaced(struct runnel *r, uint8_t gap)
{
	if (gap >= r->k) {
		r->due |= DUE_ACK; /* outside the window: a repeated frame whose acknowledgement was lost */
		return;
	}
	if (r->rejecting && gap > r->gap) {
		r->gap = gap; /* sent before the other end received the REJ */
		return;
	}
	r->rejecting = true;
	r->gap = gap;
	r->due |= DUE_REJECT;
}

static void information(struct runnel *r, size_t size, bool command, bool p)
{
	uint8_t gap;
	if (!command || !numbered(r, command, p))
		return;
	gap = ahead(r->vr, r->head[1] >> 1 & 7);
	if (gap != 0) {
		misplaced(r, gap);
	} else if (r->used + size > RUNNEL_IN) {
		r->busy = true; /* the other end resends the frame when there is room */
		r->due |= DUE_STATE;
	} else {
		accept(r, size);
	}
}

static void supervisory(struct runnel *r, bool command, bool p)
{
	uint8_t kind = r->head[1] & 0x0f;
	if ((kind != RR && kind != RNR && kind != REJ) || !numbered(r, command, p))
		return;
	r->peer_busy = kind == RNR;
	if (kind == RR && r->cut == 0 && !r->polled)
		stop(r, T_1); /* T1 was running to poll a busy peer */
	if (kind == RNR)
		start_t1(r); /* poll again, as the RR that ends the busy state may be lost */
	if (kind == REJ) {
		r->polled = r->recovering = false;
		r->due &= (uint16_t)~DUE_SHORT;
		stop(r, T_1);
		again(r);
	}
}

/* Handles an intact frame. Its info, if it fits, is stored after the used octets. */
static void frame(struct runnel *r)
{
	size_t size = r->length - 6u;
	bool command = r->head[0] == RESPONSE, p = r->head[1] & PF;
	r->counters.frames++;
	if ((!command && r->head[0] != COMMAND) || r->phase == STOPPED)
		return; /* an echo, or a frame for another address */
	if (!(r->head[1] & 1))
		information(r, size, command, p);
	else if ((r->head[1] & 3) == 1)
		supervisory(r, command, p);
	else
		unnumbered(r, r->in + r->used, r->used + size > RUNNEL_IN ? 0 : size, command, p);
}

/* T1 has expired: polls the other end, or ends the connection after too many timeouts. */
static void timeout(struct runnel *r)
{
	r->tries++;
	if (r->cut > 0 && !r->peer_busy)
		r->stuck++;
	if (r->tries >= RETRIES || r->stuck >= STUCK)
		down(r);
	else
		r->due |= DUE_POLL;
}

#if RUNNEL_STREAM
static void dial(struct runnel *r);
static void stream_silent(struct runnel *r);
#endif

/* T3 has expired: polls the other end. A half-duplex device cannot poll, so it ends the connection. */
static void silent(struct runnel *r)
{
#if RUNNEL_STREAM
	if (PLAIN(r)) {
		stream_silent(r);
		return;
	}
#endif
	if (HALF(r)) {
		down(r);
		return;
	}
	arm(r, T_3, T3);
	if (!running(r, T_1))
		r->due |= DUE_POLL;
}

static void expire(struct runnel *r)
{
	expired(r, T_SPOKE);
	if (expired(r, T_UP))
		up(r);
	if (expired(r, T_2))
		r->due |= DUE_ACK;
	if (expired(r, T_1))
		timeout(r);
	if (expired(r, T_3))
		silent(r);
	if (expired(r, T_LINGER))
		stopped(r);
#if RUNNEL_STREAM
	if (PLAIN(r) && expired(r, T_CALL))
		dial(r);
#endif
	if (expired(r, T_CALL))
		r->due |= DUE_XID;
	if (expired(r, T_DM))
		r->due |= DUE_DM;
}

/* ---- outgoing frames ---- */

APART static bool load(struct runnel *r, uint8_t address, uint8_t control, uint8_t source, size_t size)
{
	r->out_address = address;
	r->out_control = control;
	r->out_source = source;
	r->out_size = (uint16_t)size;
	r->out_at = r->out_flagged; /* one flag may end a frame and begin the next */
	r->out_crc = UINT32_MAX;
	r->out_active = true;
	r->out_abort = r->out_escaped = false;
	return true;
}

static bool load_identity(struct runnel *r, uint8_t address, uint8_t control)
{
	size_t n = r->config->name ? length(r->config->name) : 0;
	return load(r, address, control, IDENTITY, IDENTITY_HEAD + (n < MAX_NAME ? n : MAX_NAME));
}

/* Records that V(R) was sent. */
static void told(struct runnel *r)
{
	r->due &= (uint16_t)~DUE_ACK;
	r->owed = 0;
	stop(r, T_2);
}

/* Sends RR, RNR or REJ. All of them acknowledge. */
static bool load_state(struct runnel *r, uint8_t address, uint8_t pf)
{
	bool reject = was_due(r, DUE_REJECT);
	uint8_t kind = r->busy ? RNR : reject ? REJ : RR;
	was_due(r, DUE_STATE);
	told(r);
	return load(r, address, (uint8_t)(r->vr << 5 | pf | kind), NOTHING, 0);
}

/* Reports whether there is an I frame to send. */
static bool ready(const struct runnel *r)
{
	return !r->peer_busy && (r->under < r->cut || (r->cut < r->k && r->sent < r->held));
}

static bool load_information(struct runnel *r, uint8_t pf)
{
	uint16_t from = 0;
	uint8_t i;
	for (i = 0; i < r->under; i++)
		from = (uint16_t)(from + r->sizes[i]);
	if (r->under < r->cut) {
		r->counters.resent++;
	} else {
		uint16_t waits = (uint16_t)(r->held - r->sent);
		r->sizes[r->cut] = waits < r->size ? waits : r->size;
		r->sent = (uint16_t)(r->sent + r->sizes[r->cut]);
		r->cut++;
	}
	told(r);
	r->out_index = r->under;
	r->out_start = wrap((size_t)r->first + from);
	r->under++;
	return load(r, COMMAND, (uint8_t)(r->vr << 5 | pf | ((r->base + i) & 7) << 1), STREAM, r->sizes[i]);
}

static bool load_call(struct runnel *r)
{
	arm(r, T_CALL, CALL_GAP);
	arm(r, T_SPOKE, r->t1);
	if (r->answers < 2)
		r->answers++;
	return load(r, COMMAND, SABM | PF, NOTHING, 0);
}

/* Loads a U frame. */
static bool load_setup(struct runnel *r)
{
	if (was_due(r, DUE_DM)) {
		arm(r, T_SPOKE, r->t1);
		return load(r, RESPONSE, DM | PF, NOTHING, 0);
	}
	if (was_due(r, DUE_IDENTITY))
		return load_identity(r, RESPONSE, XID | PF);
	if (was_due(r, DUE_HELLO))
		return load_identity(r, COMMAND, XID);
	if (was_due(r, DUE_UA))
		return load(r, RESPONSE, r->final_ua ? UA | PF : UA, NOTHING, 0);
	if (was_due(r, DUE_XID)) {
		r->due |= DUE_SABM;
		return load_identity(r, COMMAND, XID | PF);
	}
	if (was_due(r, DUE_SABM))
		return load_call(r);
	if (r->phase == LEAVING) {
		r->phase = LEFT;
		arm(r, T_LINGER, r->t1);
		return load(r, COMMAND, DISC | PF, NOTHING, 0);
	}
	return false;
}

static bool load_log(struct runnel *r)
{
	size_t most = r->peer_n1 < RUNNEL_N1 ? r->peer_n1 : RUNNEL_N1;
	if (r->log_size == 0)
		return false;
	return load(r, COMMAND, UI, LOGS, r->log_size < most ? r->log_size : most);
}

/* Polls the other end. It resends the first unacknowledged I frame with P. A short frame with P follows, because it survives
   a line that is too noisy for long frames. */
static bool load_poll(struct runnel *r)
{
	r->recovering = r->cut > 0;
	r->polled = true;
	arm(r, T_1, r->t1);
	if (!r->recovering || r->peer_busy)
		return load_state(r, COMMAND, PF);
	r->under = 0;
	r->due |= DUE_SHORT;
	return load_information(r, PF);
}

/* Loads an I or S frame. */
static bool load_connected(struct runnel *r)
{
	if (r->due & (DUE_FINAL | DUE_REJECT))
		return load_state(r, RESPONSE, was_due(r, DUE_FINAL) ? PF : 0);
	if (was_due(r, DUE_POLL))
		return load_poll(r);
	if (was_due(r, DUE_SHORT))
		return load_state(r, COMMAND, PF);
	if (!r->recovering && ready(r)) {
		start_t1(r);
		return load_information(r, 0);
	}
	if (r->due & (DUE_ACK | DUE_STATE))
		return load_state(r, RESPONSE, 0);
	return false;
}

#if RUNNEL_HALF_DUPLEX
/* Loads the next frame of the device's turn: a log line, an I frame, and at last the frame with F, which ends the turn. */
static bool load_turn(struct runnel *r)
{
	if (r->turn == ASKED_TO_SPEAK) {
		r->turn = ANSWERING;
		if (r->due & (DUE_UA | DUE_DM | DUE_IDENTITY) || r->phase == LEAVING)
			return load_setup(r);
		r->turn = TALKING;
		if (load_log(r))
			return true;
	}
	if (r->turn == ANSWERING && load_setup(r))
		return true;
	if (r->turn == TALKING && r->phase == CONNECTED) {
		r->turn = ENDING;
		r->under = 0; /* the poll has acknowledged all frames that have arrived, so resend the rest */
		if (ready(r))
			return load_information(r, 0);
	}
	if (r->turn == ENDING && r->phase == CONNECTED) {
		r->turn = SILENT;
		was_due(r, DUE_FINAL);
		return load_state(r, RESPONSE, PF);
	}
	r->turn = SILENT;
	return false;
}
#endif

/* Chooses the next frame. */
static bool load_next(struct runnel *r)
{
#if RUNNEL_HALF_DUPLEX
	if (HALF(r))
		return load_turn(r);
#endif
	return load_setup(r) || load_log(r) || (r->phase == CONNECTED && load_connected(r));
}

/* ---- frames ---- */

enum { FLAG = 0x7e, ESCAPE = 0x7d, XON = 0x11, XOFF = 0x13, FLIP = 0x20 };

#define GOOD 0xdebb20e3u /* the FCS of an intact frame, computed over its own FCS as well */

static uint32_t fcs(uint32_t crc, uint8_t b)
{
	int i;
	crc ^= b;
	for (i = 0; i < 8; i++) /* a table would be faster, but takes 64 bytes, which some processors keep in RAM */
		crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
	return crc;
}

/* Ends the current frame and begins the next. */
static bool flag(struct runnel *r)
{
	bool good = r->open && !r->escaped && r->length >= 6 && r->crc == GOOD;
	if (good)
		frame(r);
	else if (r->open && (r->length > 0 || r->escaped))
		r->counters.bad++;
	r->open = true;
	r->escaped = false;
	r->length = 0;
	r->crc = UINT32_MAX;
	return good;
}

/* Takes the next octet from the line. Returns true when a frame is complete. */
static bool hear(struct runnel *r, uint8_t b)
{
	if (b == FLAG)
		return flag(r);
	if (b == XON || b == XOFF || !r->open)
		return false;
	if (b == ESCAPE && !r->escaped) {
		r->escaped = true;
		return false;
	}
	if (r->length == 2 + RUNNEL_N1 + 4) {
		r->counters.bad++;
		r->open = false;
		return false;
	}
	if (r->escaped)
		b ^= FLIP;
	r->escaped = false;
	r->crc = fcs(r->crc, b);
	if (r->length < 2)
		r->head[r->length] = b;
	else if (r->used + (size_t)r->length - 2 < RUNNEL_IN) /* otherwise drop it; information reports busy */
		r->in[r->used + r->length - 2] = b;
	r->length++;
	return false;
}

/* Writes the device's identity: 01 | k | N1 | boot id | name, little-endian. */
static uint8_t identity_octet(struct runnel *r, size_t i)
{
	if (i == 0)
		return 1;
	if (i == 1)
		return HALF(r) ? 1 : RUNNEL_K;
	if (i < 4)
		return (uint8_t)(RUNNEL_N1 >> 8 * (i - 2));
	if (i < IDENTITY_HEAD)
		return (uint8_t)(r->boot >> 8 * (i - 4));
	return (uint8_t)r->config->name[i - IDENTITY_HEAD];
}

/* Returns the next octet of the frame being sent, before escaping. Sets bare for a flag, which is never escaped. */
static uint8_t octet(struct runnel *r, bool *bare)
{
	size_t i = r->out_at, size = r->out_size;
	*bare = i == 0 || i == size + 7;
	if (*bare)
		return FLAG;
	if (i == 1)
		return r->out_address;
	if (i == 2)
		return r->out_control;
	i -= 3;
	if (i >= size)
		return (uint8_t)(~r->out_crc >> 8 * (i - size));
	if (r->out_source == STREAM)
		return r->out[wrap(r->out_start + i)];
	if (r->out_source == IDENTITY)
		return identity_octet(r, i);
	return (uint8_t)r->log[i];
}

static bool write(struct runnel *r, uint8_t b) { return r->config->port->write(r->config->port->context, b); }

APART static void frame_sent(struct runnel *r)
{
	r->out_active = false;
	r->out_flagged = true;
	if (r->out_source == LOGS)
		r->log_size = 0;
}

/* Sends the next octet of an abort: an escape and a flag. */
static bool speak_abort(struct runnel *r)
{
	if (!write(r, r->out_escaped ? FLAG : ESCAPE))
		return false;
	if (r->out_escaped)
		frame_sent(r);
	r->out_escaped = true;
	return true;
}

/* Sends an octet. Returns false if there is nothing to send, or no room. */
APART static bool speak(struct runnel *r)
{
	bool bare;
	uint8_t b;
	if (!r->out_active && !load_next(r)) {
		r->out_flagged = false;
		return false;
	}
	if (r->out_abort)
		return speak_abort(r);
	b = octet(r, &bare);
	if (!bare && !r->out_escaped && (b == FLAG || b == ESCAPE || b == XON || b == XOFF)) {
		r->out_escaped = write(r, ESCAPE);
		return r->out_escaped;
	}
	if (!write(r, r->out_escaped ? b ^ FLIP : b))
		return false;
	r->out_escaped = false;
	if (r->out_at > 0 && r->out_at < r->out_size + 3)
		r->out_crc = fcs(r->out_crc, b);
	if (r->out_at++ == r->out_size + 7)
		frame_sent(r);
	return true;
}

/* ---- stream ---- */

/* Removes the octets from..to from the input. The frame being received, which is stored after them, moves down. */
static void discard(struct runnel *r, size_t from, size_t to)
{
	size_t all = r->used + (r->length > 2 ? r->length - 2u : 0);
	if (all > RUNNEL_IN)
		all = RUNNEL_IN;
	move(r->in + from, r->in + to, all - to);
	r->used = (uint16_t)(r->used - (to - from));
}

static void shake(struct runnel *r)
{
	if (r->in[0] != 0x7f || (r->in[1] & 15) != 3 || r->in[2] || r->in[3]) {
		violation(r);
		return;
	}
	r->limit = (uint32_t)512 << (r->in[1] >> 4);
	discard(r, 0, HEAD);
	say_hello(r);
}

/* The longest PING. The device must be able to store it whole, and to send its answer. */
enum { LONGEST_PING = RUNNEL_MESSAGE < RUNNEL_SEND - HEAD ? RUNNEL_MESSAGE : RUNNEL_SEND - HEAD };

static bool pong(struct runnel *r, size_t size)
{
	if (size > LONGEST_PING) {
		violation(r);
		return false;
	}
	size += HEAD;
	if (room(r) < size) /* retried when there is room */
		return false;
	r->in[0] = 2;
	add(r, r->in, size);
	return true;
}

/* Handles the next RawSocket frame, if it is complete and there is room for an answer. */
static bool step(struct runnel *r)
{
	uint32_t size, extra;
	size_t kept;
	uint8_t kind = r->in[0];
	if (r->used < HEAD)
		return false;
	if (r->stage == SHAKING) {
		shake(r);
		return true;
	}
	size = (uint32_t)r->in[1] << 16 | (uint32_t)r->in[2] << 8 | r->in[3];
	if (kind > 2 || r->stage < JOINING || size > LONGEST) {
		violation(r);
		return false;
	}
	/* The end of a message that is too long is dropped as it arrives. */
	kept = size < RUNNEL_MESSAGE ? (size_t)size : RUNNEL_MESSAGE;
	if (r->used < HEAD + kept)
		return false;
	extra = (uint32_t)(r->used - HEAD - kept);
	if (extra > size - kept - r->dropped)
		extra = (uint32_t)(size - kept - r->dropped);
	discard(r, HEAD + kept, HEAD + kept + (size_t)extra);
	r->dropped = (uint16_t)(r->dropped + extra);
	if (r->dropped < size - kept)
		return false;
	if (kind == 1 && !pong(r, (size_t)size))
		return false;
	if (kind == 0 && room(r) < RUNNEL_REPLY)
		return false;
	if (kind == 0)
		message(r, r->in + HEAD, kept, size > kept);
	discard(r, 0, HEAD + kept);
	r->dropped = 0;
	return true;
}

APART static void drain(struct runnel *r)
{
	while (r->phase == CONNECTED && !r->broken && step(r)) {
	}
	if (r->busy && r->used + (size_t)RUNNEL_N1 + 4 <= RUNNEL_IN) {
		r->busy = false;
		r->due |= DUE_STATE;
	}
}

/* ---- plain ---- */

#if RUNNEL_STREAM
enum {
	KEEPALIVE = 15000, /* milliseconds without input before a PING; after as many again, the connection is closed */
	PASSES = 8         /* limit for one poll, so that a fast router leaves the device time for its own work */
};

static void dial(struct runnel *r)
{
	const struct runnel_port *port = r->config->port;
	bool connected = r->config->stream->connect(port->context);
	r->now = port->clock(port->context); /* connecting may have taken seconds */
	if (connected) {
		up(r);
		arm(r, T_3, KEEPALIVE);
	} else {
		grow_pause(r);
		arm(r, T_CALL, r->pause);
	}
}

/* Handles a lost connection. After the router's ABORT or GOODBYE, the pause has grown already. */
static void lost(struct runnel *r)
{
	if (r->stage != OVER)
		grow_pause(r);
	down(r);
}

/* Handles silence: sends a PING, because TCP does not report a router that has lost power. If the silence lasts, it closes the
   connection. */
static void stream_silent(struct runnel *r)
{
	static const uint8_t ping[HEAD] = {1, 0, 0, 0};
	if (r->tries++ > 0) {
		lost(r);
		return;
	}
	arm(r, T_3, KEEPALIVE);
	if (r->stage >= JOINING && room(r) >= HEAD)
		add(r, ping, HEAD);
}

/* Reads octets from the stream. Returns false if there are none, or no room. */
static bool stream_read(struct runnel *r)
{
	const struct runnel_port *port = r->config->port;
	uint16_t before = r->used;
	int b;
	while (r->used < RUNNEL_IN && (b = port->read(port->context)) >= 0)
		r->in[r->used++] = (uint8_t)b;
	if (r->used == before)
		return false;
	r->tries = 0;
	arm(r, T_3, KEEPALIVE);
	return true;
}

/* Writes octets to the stream. Returns false if there are none, or no room. */
static bool stream_write(struct runnel *r)
{
	size_t n = (size_t)(RUNNEL_SEND - r->first);
	if (n > r->held)
		n = r->held;
	if (n > 0)
		n = r->config->stream->write(r->config->port->context, r->out + r->first, n);
	r->first = wrap(r->first + n);
	r->held = (uint16_t)(r->held - n);
	return n > 0;
}

static void stream_poll(struct runnel *r)
{
	const struct runnel_stream *stream = r->config->stream;
	void *context = r->config->port->context;
	int passes = PASSES;
	bool moved = true;
	while (moved && passes-- > 0 && r->phase == CONNECTED) {
		moved = stream_read(r);
		drain(r);
		moved |= stream_write(r);
		if (r->broken)
			restart(r);
	}
	if (r->phase == CONNECTED && !stream->connected(context))
		lost(r);
	if (r->log_size > 0 && stream->log)
		stream->log(context, r->log, r->log_size);
	r->log_size = 0;
}
#endif

/* ---- start, poll and wait ---- */

void runnel_init(struct runnel *r, const struct runnel_config *config)
{
	uint8_t *p = (uint8_t *)r;
	size_t i;
	for (i = 0; i < sizeof *r; i++)
		p[i] = 0;
	r->config = config;
	r->now = config->port->clock(config->port->context);
	r->boot = config->port->boot(config->port->context);
	r->t1 = config->t1 ? config->t1 : RUNNEL_T1(115200);
	r->t2 = r->t1 / 4;
	r->peer_k = RUNNEL_K;
	r->peer_n1 = RUNNEL_N1;
	call(r, 0);
}

/* A call from within a handler is ignored, because it would overwrite the message that the handler reads. */
void runnel_poll(struct runnel *r)
{
	const struct runnel_port *port = r->config->port;
	int b;
	if (r->polling)
		return;
	r->polling = true;
	r->depth = 0;
	r->now = port->clock(port->context);
	if (r->leaving && r->phase < LEAVING && r->stage != PARTING)
		part(r);
	else if (!r->leaving && r->phase == STOPPED)
		call(r, 0);
	expire(r);
	tick(r);
#if RUNNEL_STREAM
	if (PLAIN(r)) {
		stream_poll(r);
		r->polling = false;
		return;
	}
#endif
	do {
		do {
			drain(r);
			if (r->broken)
				restart(r);
			b = port->read(port->context);
		} while (b >= 0 && (hear(r, (uint8_t)b), true));
	} while (speak(r));
	r->polling = false;
}

/* Returns the time until the next timer expires, but at most the given time. */
static uint32_t quiet(const struct runnel *r, uint32_t most)
{
	int t;
	for (t = 0; t < RUNNEL_TIMERS; t++)
		if (running(r, (enum timer)t) && left(r, (enum timer)t) < most)
			most = left(r, (enum timer)t);
	return most;
}

void runnel_wait(struct runnel *r, uint32_t milliseconds)
{
	const struct runnel_port *port = r->config->port;
	uint32_t from = port->clock(port->context), passed;
	for (;;) {
		runnel_poll(r);
		passed = port->clock(port->context) - from;
		if (passed >= milliseconds)
			return;
		if (port->idle && !r->out_active && !(PLAIN(r) && r->held > 0))
			port->idle(port->context, quiet(r, milliseconds - passed));
	}
}

void runnel_leave(struct runnel *r) { r->leaving = true; }

void runnel_join(struct runnel *r) { r->leaving = false; }
