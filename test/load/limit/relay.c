/* relay PORT: a relay whose cost is the lower bound for a broker of this design.
 *
 * It speaks as much WAMP (RawSocket, CBOR) as the load generator's fan-out and calls need, with one topic and one procedure.
 * It has no tables, no checks, no bounds and no errors: one epoll loop, one read and one write per batch and peer. It trusts
 * its peers completely, so it listens on 127.0.0.1 only. It is the baseline of the table, never a broker. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_PEERS = 4096,       /* file descriptors */
	IN_SIZE = 256 << 10,    /* bytes read and not yet handled, for each peer */
	OUT_SIZE = 4 << 20,     /* bytes to write, for each peer; the generator's windows stay far below */
	MAX_CALLS = 1 << 16,    /* pending calls */
	HEAD = 4,               /* bytes of a RawSocket frame's head */
};

enum { HELLO = 1, PUBLISH = 16, SUBSCRIBE = 32, SUBSCRIBED = 33, EVENT = 36, CALL = 48, RESULT = 50, REGISTER = 64, REGISTERED = 65,
	INVOCATION = 68, YIELD = 70 };

struct peer {
	uint8_t *in, *out;
	size_t in_used, out_used;
	int greeted; /* the RawSocket handshake is done */
};

static struct peer peers[MAX_PEERS];
static int subscribers[MAX_PEERS], subscriber_count;
static int callee = -1;
static struct { int caller; uint64_t request; } calls[MAX_CALLS]; /* by the low bits of the INVOCATION's id */
static uint64_t invocation;
static int touched[MAX_PEERS], touched_count; /* peers with bytes to write */

static const uint64_t some_id = 7, publication = 1234567890123456;
static const uint8_t welcome[] = "\x83\x02\x01\xa1\x65roles\xa2\x66" "broker\xa0\x66" "dealer\xa0";

/* number reads the argument of a CBOR item's head (RFC 8949, section 3) and moves p past the head. */
static uint64_t number(const uint8_t **p)
{
	unsigned info = *(*p)++ & 31;
	uint64_t v = info;
	if (info >= 24) {
		v = 0;
		for (int n = 1 << (info - 24); n > 0; n--)
			v = v << 8 | *(*p)++;
	}
	return v;
}

static uint8_t *put_number(uint8_t *b, uint64_t v)
{
	if (v < 24) {
		*b++ = v;
		return b;
	}
	*b++ = 0x1b;
	for (int shift = 56; shift >= 0; shift -= 8)
		*b++ = v >> shift;
	return b;
}

/* put_head begins an array of items with a message's type and an id. */
static uint8_t *put_head(uint8_t *b, int items, int type, uint64_t id)
{
	*b++ = 0x80 | items;
	*b++ = 0x18;
	*b++ = type;
	return put_number(b, id);
}

/* append adds a frame of head and tail to a peer's buffer; flush writes it at the end of the batch. */
static void append(int fd, const uint8_t *head, size_t head_size, const uint8_t *tail, size_t tail_size)
{
	struct peer *p = &peers[fd];
	size_t size = head_size + tail_size;
	if (!p->out || p->out_used + HEAD + size > OUT_SIZE)
		return; /* the peer is gone, or the buffer is full: the generator reports the loss */
	if (p->out_used == 0)
		touched[touched_count++] = fd;
	uint8_t *o = p->out + p->out_used;
	o[0] = 0, o[1] = size >> 16, o[2] = size >> 8, o[3] = size;
	memcpy(o + HEAD, head, head_size);
	memcpy(o + HEAD + head_size, tail, tail_size);
	p->out_used += HEAD + size;
}

/* route handles one message. It copies the payload, which follows ids and options, unchanged. */
static void route(int fd, const uint8_t *m, size_t size)
{
	const uint8_t *p = m, *end = m + size;
	uint8_t head[64], *b = head;
	number(&p); /* the array */
	unsigned type = number(&p);
	if (type == HELLO) {
		append(fd, welcome, sizeof welcome - 1, NULL, 0);
		return;
	}
	uint64_t id = number(&p);
	number(&p); /* options: an empty dictionary */
	switch (type) {
	case SUBSCRIBE:
		subscribers[subscriber_count++] = fd;
		b = put_number(put_head(b, 3, SUBSCRIBED, id), some_id);
		append(fd, head, b - head, NULL, 0);
		return;
	case REGISTER:
		callee = fd;
		b = put_number(put_head(b, 3, REGISTERED, id), some_id);
		append(fd, head, b - head, NULL, 0);
		return;
	case PUBLISH: {
		uint64_t uri = number(&p);
		p += uri;
		b = put_number(put_head(b, 5, EVENT, some_id), publication);
		*b++ = 0xa0;
		for (int i = 0; i < subscriber_count; i++)
			append(subscribers[i], head, b - head, p, end - p);
		return;
	}
	case CALL: {
		uint64_t uri = number(&p);
		p += uri;
		invocation++;
		calls[invocation % MAX_CALLS].caller = fd;
		calls[invocation % MAX_CALLS].request = id;
		b = put_number(put_head(b, 5, INVOCATION, invocation), some_id);
		*b++ = 0xa0;
		if (callee >= 0)
			append(callee, head, b - head, p, end - p);
		return;
	}
	case YIELD:
		b = put_head(b, 4, RESULT, calls[id % MAX_CALLS].request);
		*b++ = 0xa0;
		append(calls[id % MAX_CALLS].caller, head, b - head, p, end - p);
		return;
	}
}

static void accept_peer(int listener, int epoll)
{
	int fd = accept(listener, NULL, NULL), one = 1;
	if (fd < 0)
		return;
	if (fd >= MAX_PEERS) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	peers[fd] = (struct peer){.in = malloc(IN_SIZE), .out = malloc(OUT_SIZE)};
	struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static void drop_peer(int fd)
{
	int kept = 0;
	for (int i = 0; i < subscriber_count; i++)
		if (subscribers[i] != fd)
			subscribers[kept++] = subscribers[i];
	subscriber_count = kept;
	if (callee == fd)
		callee = -1;
	close(fd);
	free(peers[fd].in);
	free(peers[fd].out);
	peers[fd] = (struct peer){0};
}

/* flush writes the frames of the batch to each peer. */
static void flush(void)
{
	for (int i = 0; i < touched_count; i++) {
		struct peer *p = &peers[touched[i]];
		for (size_t done = 0; p->out && done < p->out_used;) {
			ssize_t n = write(touched[i], p->out + done, p->out_used - done);
			if (n <= 0)
				break;
			done += n;
		}
		p->out_used = 0;
	}
	touched_count = 0;
}

/* serve reads once and routes all complete messages. */
static void serve(int fd)
{
	struct peer *p = &peers[fd];
	ssize_t n = read(fd, p->in + p->in_used, IN_SIZE - p->in_used);
	if (n <= 0) {
		drop_peer(fd);
		return;
	}
	p->in_used += n;
	size_t at = 0;
	if (!p->greeted && p->in_used >= HEAD) {
		p->greeted = 1;
		at = HEAD;
		if (write(fd, p->in, HEAD) != HEAD) /* accept the peer's serializer and limit */
			return;
	}
	while (p->in_used - at >= HEAD) {
		const uint8_t *h = p->in + at;
		size_t size = h[1] << 16 | h[2] << 8 | h[3];
		if (p->in_used - at < HEAD + size)
			break;
		if (h[0] == 0)
			route(fd, h + HEAD, size);
		at += HEAD + size;
	}
	memmove(p->in, p->in + at, p->in_used -= at);
	flush();
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: relay PORT\n");
		return 2;
	}
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, epoll = epoll_create1(0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (void *)&a, sizeof a) || listen(listener, 1024)) {
		perror("relay: listen");
		return 1;
	}
	struct epoll_event e = {.events = EPOLLIN, .data.fd = listener}, ready[64];
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
	for (;;) {
		int n = epoll_wait(epoll, ready, 64, -1);
		for (int i = 0; i < n; i++) {
			if (ready[i].data.fd == listener)
				accept_peer(listener, epoll);
			else
				serve(ready[i].data.fd);
		}
	}
}
