/* Checks of the client that need no serial line: the link's test vectors, CBOR, and fuzzing of all input. The program prints
 * each failure and returns their number. It is compiled with sanitizers, which detect hidden errors.
 *
 *	check [SEED [ROUNDS]]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/runnel.c"

static int failures;

#define CHECK(ok, ...)                                  \
	do {                                            \
		if (!(ok)) {                            \
			failures++;                     \
			printf("line %d: ", __LINE__); \
			printf(__VA_ARGS__);            \
			printf("\n");                   \
		}                                       \
	} while (0)

/* A simulated board. It records the output, and the test sets its clock. */
static struct {
	uint8_t said[1 << 16];
	size_t size, allowed;
	const uint8_t *hears;
	size_t waits;
	uint32_t now;
} machine;

static int machine_read(void *context)
{
	(void)context;
	if (machine.waits == 0)
		return -1;
	machine.waits--;
	return *machine.hears++;
}

static bool machine_write(void *context, uint8_t octet)
{
	(void)context;
	if (machine.allowed == 0)
		return false;
	machine.allowed--;
	machine.said[machine.size++ % sizeof machine.said] = octet;
	return true;
}

static uint32_t machine_clock(void *context)
{
	(void)context;
	return machine.now;
}

static uint32_t machine_boot(void *context)
{
	(void)context;
	return 0x04030201;
}

static const struct runnel_port port = {machine_read, machine_write, machine_clock, machine_boot, 0, 0};
static const struct runnel_config config = {.port = &port, .name = "bench"};
static struct runnel device;

static void reset(void)
{
	memset(&machine, 0, sizeof machine);
	machine.now = 0xfffff000; /* the clock wraps soon */
	machine.allowed = SIZE_MAX;
	runnel_init(&device, &config);
	/* Pretend that a frame was sent before, so that one flag separates the next one from it. */
	device.out_flagged = false;
}

static void hears(const uint8_t *p, size_t n)
{
	machine.hears = p;
	machine.waits = n;
}

/* ---- vectors ---- */

struct vector {
	const char *name;
	uint8_t address, control;
	const char *info, *wire;
};

static size_t octets_of(const char *text, uint8_t *to)
{
	size_t n = 0;
	unsigned v;
	int used;
	for (; sscanf(text, "%2x%n", &v, &used) == 1; text += used)
		to[n++] = (uint8_t)v;
	return n;
}

/* Makes the device send a frame, with info in the ring. */
static void say(uint8_t address, uint8_t control, const uint8_t *info, size_t size)
{
	machine.size = 0;
	memcpy(device.out, info, size);
	device.out_start = 0;
	load(&device, address, control, STREAM, size);
	while (device.out_active)
		speak(&device);
}

static void check_vectors(void)
{
	static const struct vector vectors[] = {
		{"SABM P", 0x03, 0x3f, "", "7e 03 3f 01 6c 92 dc 7e"},
		{"UA F", 0x03, 0x73, "", "7e 03 73 ba 61 f8 a3 7e"},
		{"I 0,0", 0x01, 0x00, "7f010000", "7e 01 00 7f 01 00 00 fb a8 00 48 7e"},
		{"I 0,1", 0x03, 0x20, "7f710000", "7e 03 20 7f 71 00 00 a4 4e f8 90 7e"},
		{"RR 1", 0x03, 0x21, "", "7e 03 21 62 51 9d 26 7e"},
		{"REJ 2", 0x03, 0x49, "", "7e 03 49 08 b8 f4 65 7e"},
		{"DM F", 0x03, 0x1f, "", "7e 03 1f c9 4c fc e7 7e"},
		{"DISC P", 0x03, 0x53, "", "7e 03 53 72 41 96 98 7e"},
	};
	size_t i, k;
	for (i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		const struct vector *v = &vectors[i];
		uint8_t wire[64], info[64];
		size_t wire_size = octets_of(v->wire, wire), info_size = octets_of(v->info, info);
		bool whole = false;
		reset();
		say(v->address, v->control, info, info_size);
		CHECK(machine.size == wire_size && memcmp(machine.said, wire, wire_size) == 0, "%s is sent otherwise", v->name);
		reset();
		device.phase = STOPPED; /* so that the frame has no effect */
		for (k = 0; k < wire_size; k++)
			whole = hear(&device, wire[k]);
		CHECK(whole && device.head[0] == v->address && device.head[1] == v->control, "%s is not understood", v->name);
		CHECK(memcmp(device.in, info, info_size) == 0, "%s: wrong info", v->name);
	}
}

/* The test vectors of the router's decoder: the stream, and the numbers of good and bad frames. */
static void check_decoder(void)
{
	static const struct {
		const char *name, *stream;
		uint32_t good, bad;
	} cases[] = {
		{"flags", "7e7e7e7e", 0, 0},
		{"text before", "68656c6c6f 7e 033f016c92dc 7e", 1, 0},
		{"bare XON and XOFF", "7e1103113f13016c1192dc137e", 1, 0},
		{"XOFF behind an escape", "7e 7d 13 23 3f016c92dc 7e", 1, 0},
		{"escaped without need", "7e7d237d1f7d217d4c7db27dfc7e", 1, 0},
		{"abort", "7e 0102037d 7e 033f016c92dc 7e", 1, 1},
		{"abort at once", "7e 7d 7e 033f016c92dc 7e", 1, 1},
		{"wrong FCS", "7e 033f016c92dd 7e 0373ba61f8a3 7e", 1, 1},
		{"five octets", "7e 033f016c92 7e 0373ba61f8a3 7e", 1, 1},
		{"the CRC of nothing", "7e 00000000 7e 0373ba61f8a3 7e", 1, 1},
		{"a lost flag", "7e 033f016c92dc 0373ba61f8a3 7e 0373ba61f8a3 7e", 1, 1},
	};
	uint8_t stream[256];
	size_t i, k, n, bit;
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[256];
		char *to = text;
		const char *from;
		for (from = cases[i].stream; *from; from++)
			if (*from != ' ')
				*to++ = *from;
		*to = 0;
		n = octets_of(text, stream);
		reset();
		device.phase = STOPPED;
		for (k = 0; k < n; k++)
			hear(&device, stream[k]);
		CHECK(device.counters.frames == cases[i].good && device.counters.bad == cases[i].bad, "%s: %u good, %u bad", cases[i].name,
			(unsigned)device.counters.frames, (unsigned)device.counters.bad);
	}
	/* Frames longer than N1, and a frame that never ends. */
	reset();
	hear(&device, FLAG);
	for (i = 0; i < 100000; i++)
		hear(&device, 0xaa);
	CHECK(device.counters.bad == 1 && device.counters.frames == 0, "an endless frame");
	/* A frame with one flipped bit is rejected. */
	reset();
	say(0x01, 0x20, (const uint8_t *)"the \x7e \x7d \x11 \x13 of all", 17);
	n = machine.size;
	memcpy(stream, machine.said, n);
	for (i = 1; i + 1 < n; i++)
		for (bit = 0; bit < 8; bit++) {
			reset();
			device.phase = STOPPED;
			for (k = 0; k < n; k++)
				hear(&device, (uint8_t)(stream[k] ^ (k == i) << bit));
			CHECK(device.counters.frames == 0, "octet %u, bit %u", (unsigned)i, (unsigned)bit);
		}
}

/* ---- CBOR ---- */

/* Begins the arguments of a publication. */
static void write_args(void)
{
	reset();
	device.limit = UINT32_MAX;
	begin(&device, PUBLISH);
	runnel_put_array(&device);
}

/* Ends the arguments and reads them back. */
static struct runnel_reader read_args(void)
{
	struct runnel_reader whole = {0, 0, 1}, inner = {0, 0, 0}, args = {0, 0, 0};
	size_t size;
	CHECK(runnel_send(&device), "does not fit");
	size = (size_t)device.out[2] << 8 | device.out[3];
	whole.at = device.out + HEAD;
	whole.end = whole.at + size;
	CHECK(size + HEAD == device.held, "wrong length");
	CHECK(runnel_enter(&whole, &inner) && runnel_skip(&inner) && runnel_enter(&inner, &args), "not well-formed");
	return args;
}

static uint64_t bits_of(double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof bits);
	return bits;
}

static void check_fixed(int32_t v, uint8_t decimals)
{
	/* Both operands are integers, and IEEE 754 defines the rounding of the division. */
	double want = v / pow(10, decimals);
	struct runnel_reader args;
	uint64_t bits = 0;
	int64_t back = 0;
	int i;
	write_args();
	runnel_put_fixed(&device, v, decimals);
	args = read_args();
	for (i = 1; i < 9; i++)
		bits = bits << 8 | args.at[i];
	CHECK(args.at[0] == CBOR_DOUBLE && bits == bits_of(want), "%ld with %d decimals is %016llx, want %016llx", (long)v, decimals,
		(unsigned long long)bits, (unsigned long long)bits_of(want));
	CHECK(runnel_read_fixed(&args, decimals, &back) && back == v, "%ld with %d decimals comes back as %lld", (long)v, decimals,
		(long long)back);
}

static void check_float(double v)
{
	struct runnel_reader args;
	float back = 0, want = (float)v;
	write_args();
	item(&device);
	put(&device, CBOR_DOUBLE);
	put_number(&device, bits_of(v), 8);
	args = read_args();
	if (fabsf(want) > 1e38f || fabs(v) < 1.5e-38)
		return;
	CHECK(runnel_read_float(&args, &back) && fabsf(back - want) <= fabsf(want) * 1.2e-7f, "%.17g is read as %.9g", v, back);
	write_args();
	runnel_put_float(&device, want);
	args = read_args();
	CHECK(runnel_read_float(&args, &back) && back == want, "%.9g comes back as %.9g", want, back);
}

static void check_numbers(void)
{
	static const int32_t edges[] = {0, 1, -1, 5, 10, 99, 2137, -2137, 100000, INT32_MAX, INT32_MIN, 1 << 30, 999999999};
	static const int64_t ints[] = {0, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296, INT64_MAX, -1, -24, -25, -256, INT64_MIN};
	struct runnel_reader args;
	int64_t v;
	size_t i;
	uint8_t d;
	for (i = 0; i < sizeof edges / sizeof *edges; i++)
		for (d = 0; d <= 9; d++)
			check_fixed(edges[i], d);
	for (i = 0; i < 20000; i++) {
		check_fixed((int32_t)((uint32_t)rand() << 16 ^ (uint32_t)rand()) >> rand() % 31, (uint8_t)(rand() % 10));
		check_float(ldexp(rand() - RAND_MAX / 2, rand() % 200 - 100) / 3);
	}
	check_float(0);
	check_float(-21.5);
	for (i = 0; i < sizeof ints / sizeof *ints; i++) {
		write_args();
		runnel_put_int(&device, ints[i]);
		args = read_args();
		if (ints[i] == INT64_MIN) /* its absolute value does not fit */
			CHECK(!runnel_read_int(&args, &v), "%lld", (long long)ints[i]);
		else
			CHECK(runnel_read_int(&args, &v) && v == ints[i], "%lld comes back as %lld", (long long)ints[i], (long long)v);
	}
}

/* Encodings that other programs may send, and the values they are read as. */
static void check_foreign(void)
{
	static const struct {
		const char *name, *cbor;
		int64_t hundredths;
		bool number;
	} cases[] = {
		{"half", "f94d60", 2150, true},
		{"float", "fa41ac0000", 2150, true},
		{"double", "fb40355999 9999999a", 2135, true},
		{"negative half", "f9cd60", -2150, true},
		{"smallest half", "f90001", 0, true},
		{"long int", "1b00000000 00000015", 2100, true},
		{"tagged", "c115", 2100, true},
		{"infinite", "f97c00", 0, false},
		{"not a number", "fb7ff8000000000000", 0, false},
		{"too large", "fb7fe0000000000000", 0, false},
		{"text", "6232 31", 0, false},
		{"list", "8115", 0, false},
		{"null", "f6", 0, false},
		{"of indefinite length", "9f15ff", 0, false},
	};
	size_t i, n;
	for (i = 0; i < sizeof cases / sizeof *cases; i++) {
		char text[64];
		char *to = text;
		const char *from;
		uint8_t cbor[64];
		struct runnel_reader r = {cbor, 0, 2};
		int64_t v = 0;
		bool ok;
		for (from = cases[i].cbor; *from; from++)
			if (*from != ' ')
				*to++ = *from;
		*to = 0;
		n = octets_of(text, cbor);
		cbor[n] = 0x18, cbor[n + 1] = 42; /* the reader must find the next item, whatever it has read before */
		r.end = cbor + n + 2;
		ok = runnel_read_fixed(&r, 2, &v);
		CHECK(ok == cases[i].number && (!ok || v == cases[i].hundredths), "%s is read as %lld", cases[i].name, (long long)v);
		CHECK(runnel_read_int(&r, &v) && v == 42 && !runnel_more(&r), "what follows %s", cases[i].name);
	}
}

static void check_structures(void)
{
	struct runnel_reader args, map, list, value;
	const char *text = 0;
	const uint8_t *bytes = 0;
	size_t size = 0;
	int64_t v = 0;
	bool b = false;
	int i;
	write_args();
	runnel_put_text(&device, "on");
	runnel_put_bytes(&device, "\0\1\2", 3);
	runnel_put_bool(&device, true);
	runnel_put_null(&device);
	runnel_put_map(&device);
	runnel_put_text(&device, "list");
	runnel_put_array(&device);
	for (i = 0; i < 30; i++)
		runnel_put_int(&device, i);
	runnel_put_end(&device);
	runnel_put_text(&device, "limit");
	runnel_put_int(&device, 7);
	runnel_put_end(&device);
	args = read_args();
	CHECK(runnel_read_text(&args, &text, &size) && size == 2 && memcmp(text, "on", 2) == 0, "text");
	CHECK(runnel_read_bytes(&args, &bytes, &size) && size == 3 && memcmp(bytes, "\0\1\2", 3) == 0, "bytes");
	CHECK(runnel_read_bool(&args, &b) && b, "bool");
	CHECK(runnel_read_null(&args), "null");
	CHECK(runnel_enter(&args, &map) && !runnel_more(&args), "map");
	CHECK(runnel_find(map, "limit", &value) && runnel_read_int(&value, &v) && v == 7, "limit");
	CHECK(runnel_find(map, "list", &value) && runnel_enter(&value, &list), "list");
	for (i = 0; runnel_read_int(&list, &v); i++)
		CHECK(v == i, "item %d is %d", i, (int)v);
	CHECK(i == 30 && !runnel_find(map, "lim", &value) && !runnel_find(map, "limits", &value), "%d items", i);

	/* Messages that cannot be sent: too long, too deep, a map of three items, one end too many. */
	write_args();
	for (i = 0; i < RUNNEL_SEND; i++)
		runnel_put_int(&device, 0);
	CHECK(!runnel_send(&device) && device.held == 0 && device.written == 0, "too long");
	write_args();
	for (i = 0; i < 256; i++)
		runnel_put_null(&device);
	CHECK(!runnel_send(&device), "more than 255 items");
	write_args();
	for (i = 0; i < RUNNEL_DEPTH; i++)
		runnel_put_array(&device);
	for (i = 0; i < RUNNEL_DEPTH; i++)
		runnel_put_end(&device);
	CHECK(!runnel_send(&device), "too deep");
	write_args();
	runnel_put_kwargs(&device);
	runnel_put_text(&device, "key");
	CHECK(!runnel_send(&device), "a key without a value");
	write_args();
	runnel_put_end(&device);
	CHECK(!runnel_send(&device), "an end too many");
	write_args();
	runnel_put_array(&device);
	CHECK(!runnel_send(&device), "a list without an end");
	CHECK(!runnel_send(&device), "nothing");
	runnel_put_int(&device, 1);
	runnel_put_map(&device);
	runnel_put_end(&device);
	CHECK(device.held == 0, "nothing was begun");
}

/* ---- a malicious router ---- */

static unsigned random_below(unsigned n) { return (unsigned)rand() % n; }

static size_t add_head(uint8_t *to, unsigned major, uint64_t v)
{
	size_t n = 0;
	if (v < 24) {
		to[n++] = (uint8_t)(major << 5 | v);
	} else if (v < 256) {
		to[n++] = (uint8_t)(major << 5 | 24);
		to[n++] = (uint8_t)v;
	} else {
		to[n++] = (uint8_t)(major << 5 | 25);
		to[n++] = (uint8_t)(v >> 8);
		to[n++] = (uint8_t)v;
	}
	return n;
}

static size_t add_text(uint8_t *to, const char *text)
{
	size_t n = add_head(to, TEXT, strlen(text));
	memcpy(to + n, text, strlen(text));
	return n + strlen(text);
}

/* Writes a random item of at most about 100 octets. */
static size_t add_item(uint8_t *to, int depth)
{
	unsigned i, k = random_below(depth > 3 ? 5 : 9);
	size_t n = 0;
	switch (k) {
	case 0:
		return add_head(to, UNSIGNED, random_below(1000));
	case 1:
		return add_head(to, NEGATIVE, random_below(1000));
	case 2:
		return add_text(to, "twenty octets of text");
	case 3:
		to[0] = (uint8_t)(0xf4 + random_below(4));
		return 1;
	case 4:
		to[0] = CBOR_DOUBLE;
		for (i = 1; i < 9; i++)
			to[i] = (uint8_t)rand();
		return 9;
	case 5:
	case 6:
		n = add_head(to, k - 5 + ARRAY, 2);
		for (i = 0; i < (k - 5 + 1) * 2; i++)
			n += add_item(to + n, depth + 2);
		return n;
	case 7:
		to[n++] = 0x9f;
		n += add_item(to + n, depth + 2);
		to[n++] = CBOR_BREAK;
		return n;
	default:
		n = add_head(to, TAG, random_below(100));
		return n + add_item(to + n, depth + 1);
	}
}

/* Writes a random message that a router might send in this state. */
static size_t add_message(uint8_t *to)
{
	static const uint8_t types[] = {WELCOME, ABORT, GOODBYE, ERROR, PUBLISHED, SUBSCRIBED, EVENT, EVENT, RESULT, REGISTERED, INVOCATION,
		INVOCATION, 4, 69, 35, 255};
	uint8_t type = types[random_below(20) == 0 ? random_below(3) : 3 + random_below(sizeof types - 3)];
	size_t n = 0;
	unsigned count = 0, items = random_below(3);
	n += add_head(to, ARRAY, 0);
	n += add_head(to + n, UNSIGNED, type), count++;
	if (type != ABORT && type != GOODBYE)
		n += add_head(to + n, UNSIGNED, type == ERROR ? CALL : random_below(8)), count++;
	if (type != WELCOME && type != ABORT && type != GOODBYE && type != RESULT)
		n += add_head(to + n, UNSIGNED, random_below(8)), count++;
	if (type != PUBLISHED && type != SUBSCRIBED && type != REGISTERED)
		n += add_head(to + n, MAP, 1), n += add_text(to + n, random_below(4) ? "topic" : "_gap"), n += add_item(to + n, 0), count++;
	if (type == ERROR || type == ABORT || type == GOODBYE)
		n += add_text(to + n, "com.example.error"), count++;
	if (items > 0) {
		n += add_head(to + n, ARRAY, 2), count++;
		n += add_item(to + n, 0);
		n += add_item(to + n, 0);
	}
	if (items > 1)
		n += add_head(to + n, MAP, 1), n += add_text(to + n, "key"), n += add_item(to + n, 0), count++;
	to[0] = (uint8_t)(ARRAY << 5 | count);
	return n;
}

/* Writes octets of the stream: messages, some of them with errors. */
static size_t add_stream(uint8_t *to)
{
	size_t n = 0, size;
	if (device.stage == RESTING)
		return 0; /* the device sends first */
	if (device.stage == SHAKING) {
		memcpy(to, "\x7f\xf3\0\0", 4);
		n = 4;
	}
	for (; n < 300 && random_below(3) > 0; n += size + 4) {
		unsigned kind = random_below(20);
		size = add_message(to + n + 4);
		if (device.stage == JOINING)
			to[n + 5] = WELCOME;
		if (kind == 19)
			size += random_below(600); /* random octets after it */
		to[n] = (uint8_t)(kind < 18 ? 0 : 1);
		to[n + 1] = 0;
		to[n + 2] = (uint8_t)(size >> 8);
		to[n + 3] = (uint8_t)size;
	}
	if (random_below(16) == 0 && n > 0)
		to[random_below((unsigned)n)] ^= (uint8_t)(1u << random_below(8));
	return n;
}

static size_t add_octet(uint8_t *to, uint8_t b)
{
	if (b != FLAG && b != ESCAPE && b != XON && b != XOFF) {
		*to = b;
		return 1;
	}
	to[0] = ESCAPE;
	to[1] = b ^ FLIP;
	return 2;
}

static size_t add_frame(uint8_t *to, uint8_t address, uint8_t control, const uint8_t *info, size_t size)
{
	uint32_t crc = fcs(fcs(UINT32_MAX, address), control);
	size_t n = 0, i;
	to[n++] = FLAG;
	n += add_octet(to + n, address);
	n += add_octet(to + n, control);
	for (i = 0; i < size; i++) {
		crc = fcs(crc, info[i]);
		n += add_octet(to + n, info[i]);
	}
	for (i = 0; i < 4; i++)
		n += add_octet(to + n, (uint8_t)(~crc >> 8 * i));
	to[n++] = FLAG;
	return n;
}

/* The handlers read all items, and answer with some of them. */
static unsigned handled;

static void look(struct runnel_reader *r, int depth)
{
	struct runnel_reader copy, inner;
	const char *text;
	size_t size, i;
	unsigned sum = 0;
	int64_t v;
	float f;
	bool b;
	while (runnel_more(r)) {
		copy = *r, runnel_read_int(&copy, &v);
		copy = *r, runnel_read_fixed(&copy, 3, &v);
		copy = *r, runnel_read_float(&copy, &f);
		copy = *r, runnel_read_bool(&copy, &b);
		copy = *r, runnel_read_null(&copy);
		copy = *r;
		if (runnel_read_text(&copy, &text, &size))
			for (i = 0; i < size; i++)
				sum += (unsigned char)text[i];
		copy = *r;
		if (depth < 6 && runnel_enter(&copy, &inner))
			look(&inner, depth + 1);
		runnel_skip(r);
	}
	handled += sum & 1;
}

static void on_message(struct runnel *r, struct runnel_message *m, void *context)
{
	struct runnel_reader value;
	unsigned i, n = random_below(40);
	(void)context;
	handled++;
	if (m->error)
		handled += strlen(m->error) > 1000;
	runnel_find(m->details, "topic", &value);
	runnel_find(m->kwargs, "key", &value);
	look(&m->details, 0);
	look(&m->kwargs, 0);
	look(&m->args, 0);
	switch (random_below(5)) {
	case 0:
		m->later = true;
		break;
	case 1:
		if (runnel_error(r, &m->invocation, "com.example.error"))
			runnel_send(r);
		break;
	case 2:
		if (runnel_publish(r, "com.example.topic", RUNNEL_RETAIN, on_message, 0))
			runnel_send(r);
		break;
	case 3:
		if (runnel_result(r, &m->invocation)) {
			for (i = 0; i < n; i++)
				runnel_put_text(r, "an answer of any length");
			runnel_send(r);
		}
	}
}

static void check_invariants(unsigned round)
{
	const struct runnel *r = &device;
	unsigned i, sum = 0;
	for (i = 0; i < r->cut; i++)
		sum += r->sizes[i];
	CHECK(r->used <= RUNNEL_IN && r->held <= RUNNEL_SEND && r->first < RUNNEL_SEND && r->sent <= r->held && r->under <= r->cut &&
		r->cut <= RUNNEL_K && sum == r->sent,
		"round %u: used %d held %d first %d sent %d (%u) under %d cut %d", round, r->used, r->held, r->first, r->sent, sum, r->under, r->cut);
}

/* Sends the device a random frame, usually the I frame that it expects. */
static size_t any_frame(uint8_t *to)
{
	uint8_t info[4096];
	size_t n = 0, at, size, wire = 0;
	unsigned what = random_below(40);
	if (what < 28 && device.phase == CONNECTED) {
		uint8_t vr = device.vr, nr = (uint8_t)((device.base + random_below(device.under + 1u)) & 7);
		memset(info, 0xf6, sizeof info);
		n = add_stream(info);
		for (at = 0; at < n; at += size, vr = (vr + 1) & 7) {
			size = n - at < RUNNEL_N1 ? n - at : RUNNEL_N1;
			wire += add_frame(to + wire, RESPONSE, (uint8_t)(nr << 5 | (random_below(8) == 0) << 4 | vr << 1), info + at, size);
		}
	} else if (what < 30) {
		for (n = random_below(RUNNEL_N1 + 20); wire < n; wire++)
			to[wire] = (uint8_t)rand();
		return n;
	} else if (what < 36 || device.phase == CONNECTED) {
		static const uint8_t kinds[] = {RR, RNR, REJ, 0x0d, XID, UI, SABM, UA, DISC, DM, FRMR, 0x5f};
		uint8_t control = kinds[random_below(device.phase == CONNECTED && random_below(32) ? 6 : sizeof kinds)];
		if ((control & 3) == 1)
			control |= (uint8_t)(((device.base + random_below(device.under + 1u)) & 7) << 5);
		memcpy(info, "\x01\x04\x80\x00\x01\x02\x03\x04name", 12);
		if (random_below(2))
			info[random_below(4)] = (uint8_t)rand();
		n = control == XID || control == UI ? random_below(14) : 0;
		wire = add_frame(to, random_below(2) ? RESPONSE : COMMAND, (uint8_t)(control | random_below(2) << 4), info, n);
	} else {
		wire = add_frame(to, RESPONSE, SABM | PF, info, 0);
	}
	if (random_below(30) == 0 && wire > 0)
		to[random_below((unsigned)wire)] ^= (uint8_t)(1u << random_below(8));
	return wire;
}

/* A PING that does not fit into the buffer ends the connection. Otherwise the answer would contain the octets after the PING. */
static void check_ping(void)
{
	unsigned size;
	for (size = 0; size <= LONGEST; size += 50) {
		bool fits = size <= LONGEST_PING;
		size_t n = HEAD + (size < RUNNEL_MESSAGE ? size : RUNNEL_MESSAGE);
		reset();
		runnel_init(&device, &config);
		device.phase = CONNECTED;
		device.stage = JOINED;
		memset(device.in, 7, sizeof device.in);
		device.in[0] = 1;
		device.in[1] = 0;
		device.in[2] = (uint8_t)(size >> 8);
		device.in[3] = (uint8_t)size;
		device.used = (uint16_t)n;
		device.dropped = (uint16_t)(HEAD + size - n);
		step(&device);
		CHECK(device.broken == !fits && device.held == (fits ? HEAD + size : 0), "a PING of %u octets: %u held", size, device.held);
	}
}

/* ---- durable subscriptions ---- */

static struct {
	bool accepts, publishes;
	unsigned calls;
	const char *error;
	int64_t number;
} consumer;

static bool on_event(struct runnel *r, struct runnel_message *m, void *context)
{
	CHECK(context == &consumer, "a wrong context");
	consumer.calls++;
	consumer.error = m->error;
	consumer.number = 0;
	runnel_read_int(&m->args, &consumer.number);
	while (consumer.publishes && runnel_publish(r, "com.example.topic", 0, 0, 0)) {
		runnel_put_text(r, "an event that takes room");
		if (!runnel_send(r))
			break;
	}
	return consumer.accepts;
}

/* Puts a message into the input, as if its frames had arrived, and handles it. Returns the octets of the last message sent. */
static const char *receives(const char *octets, size_t padding)
{
	static char said[4 * RUNNEL_SEND];
	char *to = said;
	size_t n = octets_of(octets, device.in + HEAD), at = 0, next;
	memset(device.in + HEAD + n, 0x40, padding); /* empty strings */
	n += padding;
	device.in[0] = device.in[1] = 0;
	device.in[2] = (uint8_t)(n >> 8);
	device.in[3] = (uint8_t)n;
	device.used = (uint16_t)(HEAD + n);
	device.first = device.held = device.written = 0;
	CHECK(step(&device) && device.used == 0 && !device.broken, "not handled: %s", octets);
	for (next = 0; next < device.held; next += HEAD + ((size_t)device.out[next + 2] << 8 | device.out[next + 3]))
		at = next;
	for (at += HEAD; at < device.held; at++)
		to += sprintf(to, "%02x", device.out[at]);
	*to = 0;
	return said;
}

static void check_says(const char *said, const char *want) { CHECK(strcmp(said, want) == 0, "says %s, want %s", said, want); }

static void check_durable(void)
{
	static const struct runnel_durable subscription = {"com.t", "name", on_event, &consumer};
	/* EVENT [36, 5, 2^53, {...}, [42]] */
#define EVENT_HEAD "18 24 05 1b 00 20 00 00 00 00 00 00"
	static const char acknowledged[] = "9802190151" "1b0020000000000000";
	static const char rejected[] = "98050818241b0020000000000000b800781a77616d702e6572726f722e6e6574776f726b5f6661696c757265";
	reset();
	device.phase = CONNECTED;
	device.stage = JOINED;
	device.limit = UINT32_MAX;
	memset(&consumer, 0, sizeof consumer);
	CHECK(runnel_subscribe_durable(&device, &subscription, RUNNEL_PREFIX), "no room");
	tick(&device);
	{
		/* [32, 1, {"_durable": "name", "_window": 4, "match": "prefix"}, "com.t"] */
		static const uint8_t want[] = "\x98\x04\x18\x20\x01\xb8\x03\x68_durable\x64name\x67_window\x04\x65match\x66prefix\x65" "com.t";
		CHECK(device.held == HEAD + sizeof want - 1 && memcmp(device.out + HEAD, want, sizeof want - 1) == 0, "SUBSCRIBE of %u octets", device.held);
	}
	receives("83 18 21 01 05", 0);
	consumer.accepts = true;
	check_says(receives("85" EVENT_HEAD "a0 81 18 2a", 0), acknowledged);
	CHECK(consumer.calls == 1 && consumer.number == 42 && !consumer.error, "the event is read as %d, %s", (int)consumer.number, consumer.error);
	consumer.accepts = false;
	check_says(receives("85" EVENT_HEAD "a0 81 18 2a", 0), rejected);
	/* Room for the acknowledgement remains, whatever the handler sends. */
	consumer.accepts = consumer.publishes = true;
	check_says(receives("85" EVENT_HEAD "a0 81 18 2a", 0), acknowledged);
	consumer.publishes = false;
	/* {"_gap": {"events": 3}} */
	check_says(receives("84" EVENT_HEAD "a1 64 5f676170 a1 66 6576656e7473 03", 0), acknowledged);
	CHECK(consumer.error == runnel_gap, "a gap: %s", consumer.error);
	consumer.accepts = false;
	check_says(receives("84" EVENT_HEAD "a1 64 5f676170 a1 66 6576656e7473 03", 0), rejected);
	/* An event that is too long would be too long again. */
	check_says(receives("85" EVENT_HEAD "a0 99 7fff", RUNNEL_MESSAGE - 40), acknowledged);
	CHECK(consumer.calls == 6 && consumer.error == too_long && device.counters.refused == 1, "call %u: %s", consumer.calls, consumer.error);
	/* The handler does not get events of another subscription. */
	check_says(receives("85 18 24 06 01 a0 81 18 2a", 0), "");
	CHECK(consumer.calls == 6, "an event of another subscription");
}

static bool on_any_event(struct runnel *r, struct runnel_message *m, void *context)
{
	on_message(r, m, context);
	return random_below(2);
}

static void fuzz(unsigned rounds, bool half)
{
	static const struct runnel_durable subscription = {"com.example.kept", "name", on_any_event, 0};
	static uint8_t wire[16384];
	struct runnel_config c = config;
	unsigned i;
	reset();
	c.half_duplex = half;
	runnel_init(&device, &c);
	runnel_subscribe(&device, "com.example.topic", RUNNEL_WILDCARD, on_message, 0);
	runnel_subscribe(&device, "com.example.other", RUNNEL_PREFIX | RUNNEL_GET_RETAINED, on_message, 0);
	runnel_subscribe_durable(&device, &subscription, 0);
	runnel_register(&device, "com.example.procedure", 0, on_message, 0);
	runnel_register(&device, "com.example.", RUNNEL_PREFIX, on_message, 0);
	handled = 0;
	for (i = 0; i < rounds; i++) {
		size_t n = any_frame(wire), part = random_below((unsigned)n + 1);
		device.pause = 0; /* otherwise the device would wait most of the time */
		machine.size = 0;
		machine.allowed = random_below(3) == 0 ? random_below(100) : 4000;
		machine.now += random_below(8) == 0 ? random_below(3000) : random_below(60);
		/* Split the input at a random place. */
		hears(wire, part);
		runnel_poll(&device);
		check_invariants(i);
		hears(wire + part, n - part);
		if (random_below(4) == 0 && runnel_call(&device, "com.example.call", random_below(2), on_message, 0))
			runnel_send(&device);
		if (random_below(4) == 0)
			runnel_log(&device, "a line for the log, which is cut where it gets longer than a log line may be \xc3\xa4");
		runnel_poll(&device);
		check_invariants(i);
		if (random_below(2000) == 0)
			runnel_leave(&device);
		if (runnel_state(&device) == RUNNEL_LEFT)
			runnel_join(&device);
		if (failures > 20)
			return;
	}
	printf("%s: %u rounds, %u connections, %u sessions, %u frames (%u bad), %u handled\n", half ? "half-duplex" : "full duplex", rounds,
		(unsigned)device.counters.connections, (unsigned)device.counters.sessions, (unsigned)device.counters.frames,
		(unsigned)device.counters.bad, handled);
	CHECK(device.counters.sessions > rounds / 500 && handled > rounds / 100, "the fuzz does not reach far");
}

#if RUNNEL_STREAM
#include "stream.h"
#endif

int main(int argc, char **argv)
{
	unsigned seed = argc > 1 ? (unsigned)strtoul(argv[1], 0, 0) : 1;
	unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], 0, 0) : 200000;
	srand(seed);
	check_vectors();
	check_decoder();
	check_numbers();
	check_foreign();
	check_structures();
	check_ping();
	check_durable();
	fuzz(rounds, false);
	fuzz(rounds, true);
#if RUNNEL_STREAM
	check_stream(rounds);
#endif
	printf("%d failures\n", failures);
	return failures != 0;
}
