// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit test of input.c: who gets which frame, in which runs. The protocols are
 * wrapped and only write down what they are given.
 *
 * link: -Wl,--wrap=tcp_input,--wrap=udp_input,--wrap=icmp_input
 * link: -Wl,--wrap=arp_input,--wrap=dhcp_input,--wrap=ndp_input
 */
#include "input.h"

#include "arp.h"
#include "dhcp.h"
#include "frag.h"
#include "icmp.h"
#include "ndp.h"
#include "tcp.h"
#include "udp.h"
#include "util.h"
#include "wire.h"

static char calls[4096];		/* "T3 " = TCP, a run of three */
static uint8_t frame[3000];
static struct writer w;
static struct guest facts;

static void note(char who, const struct pkt *p, unsigned n)
{
	size_t at = strlen(calls);
	unsigned i;

	snprintf(calls + at, sizeof(calls) - at, "%c%u%s ", who, n,
		 p->fragment ? "f" : "");
	for (i = 1; i < n; i++) {
		EXPECT(p[i].proto == p->proto && p[i].sport == p->sport &&
		       p[i].dport == p->dport);
		EXPECT(addr_eq(&p[i].src, &p->src));
		EXPECT(addr_eq(&p[i].dst, &p->dst));
	}
}

void __wrap_tcp_input(const struct pkt *p, unsigned n);
void __wrap_udp_input(const struct pkt *p, unsigned n);
void __wrap_icmp_input(const struct pkt *p);
void __wrap_arp_input(const struct pkt *p);
bool __wrap_dhcp_input(const struct pkt *p);
bool __wrap_ndp_input(const struct pkt *p);

void __wrap_tcp_input(const struct pkt *p, unsigned n)
{
	note('T', p, n);
}

void __wrap_udp_input(const struct pkt *p, unsigned n)
{
	note('U', p, n);
}

void __wrap_icmp_input(const struct pkt *p)
{
	note('I', p, 1);
}

void __wrap_arp_input(const struct pkt *p)
{
	note('A', p, 1);
}

bool __wrap_dhcp_input(const struct pkt *p)
{
	note('D', p, 1);
	return p->sport == 68;
}

bool __wrap_ndp_input(const struct pkt *p)
{
	note('N', p, 1);
	return p->icmp.type >= 133;
}

static void fresh(bool tcp, bool udp, bool icmp)
{
	struct input_conf c = { tcp, udp, icmp };

	facts = wire_facts();
	wire_start(&facts);
	frag_init();
	input_init(&c);
	calls[0] = '\0';
}

static void push(void)
{
	EXPECT(wr_ok(&w));
	EXPECT(fake_push(frame, w.len, 0));
}

static void l4(const char *src, const char *dst, uint8_t proto, size_t len)
{
	wr_init(&w, frame, sizeof(frame));
	wire_ip(&w, src, dst, proto, 64, len);
}

static void tcp(const char *src, const char *dst, uint16_t sport)
{
	l4(src, dst, IPPROTO_TCP, 20);
	wr_be16(&w, sport);
	wr_be16(&w, 80);
	wr_zero(&w, 8);
	wr_be32(&w, 0x50100000U);
	wr_zero(&w, 4);
	push();
}

static void udp(const char *src, const char *dst, uint16_t sport,
		uint16_t dport)
{
	l4(src, dst, IPPROTO_UDP, 8);
	wr_be16(&w, sport);
	wr_be16(&w, dport);
	wr_be16(&w, 8);
	wr_be16(&w, 0);
	push();
}

static void icmp(const char *src, const char *dst, uint8_t type)
{
	union addr d = A(dst);

	l4(src, dst, addr_is4(&d) ? IPPROTO_ICMP : IPPROTO_ICMPV6, 8);
	wr_u8(&w, type);
	wr_zero(&w, 7);
	push();
}

static void arp(void)
{
	wr_init(&w, frame, sizeof(frame));
	wire_eth(&w, bcast_mac, 0x0806);
	wr_zero(&w, 28);
	push();
}

/* handled() - What was called until nothing is left */
static const char *handled(void)
{
	uint64_t before;

	do {
		before = input_counters()->frames;
		input_ready((union ev_ref){ .u64 = 0 }, EPOLLIN);
		EXPECT(fake_pending() == 0);
	} while (input_counters()->frames != before);
	EXPECT(fake_idle());
	return calls;
}

/* warm() - So many full batches that it asks for as many as there are */
static void warm(void)
{
	uint64_t pushed = 0;
	unsigned i;

	for (i = 0; i < 400; i++) {
		for (; pushed < input_counters()->frames + 64;
		     pushed++)
			tcp("192.0.2.2", "203.0.113.1", 1);
		calls[0] = '\0';
		input_ready((union ev_ref){ .u64 = 0 }, EPOLLIN);
	}
	EXPECT_STR(calls, "T64 ");
	calls[0] = '\0';
}

static void test_who(void)
{
	const char *g = "192.0.2.2", *x = "203.0.113.1";
	const char *g6 = "2001:db8::1234:2", *x6 = "2001:db8:9::1";

	group("who gets what");
	fresh(true, true, true);
	arp();
	tcp(g, x, 1000);
	tcp(g6, x6, 1000);
	udp(g, x, 1000, 53);
	udp(g, x, 68, 67);
	udp(g, x, 69, 67);
	icmp(g, x, 8);
	icmp(g6, x6, 128);
	icmp(g6, x6, 135);
	EXPECT_STR(handled(), "A1 T1 T1 U1 D1 D1 U1 I1 N1 I1 N1 ");
	EXPECT_EQ(input_counters()->frames, 9);
	EXPECT_EQ(input_counters()->malformed + input_counters()->ignored +
		  input_counters()->spoofed, 0);

	group("what is off");
	fresh(false, false, false);
	tcp(g, x, 1000);
	udp(g, x, 1000, 53);
	udp(g, x, 68, 67);
	icmp(g, x, 8);
	icmp(g6, x6, 135);
	EXPECT_STR(handled(), "D1 N1 ");
	fresh(true, true, true);
	facts.net[GUEST_V6].on = false;
	wire_start(&facts);
	tcp(g6, x6, 1000);
	icmp(g6, x6, 135);
	tcp(g, x, 1000);
	EXPECT_STR(handled(), "T1 ");
	EXPECT_EQ(input_counters()->ignored, 2);

	group("what is nothing");
	fresh(true, true, true);
	tcp("127.0.0.1", x, 1);
	tcp(g, "127.0.0.1", 1);
	l4(g, x, 132, 8);
	wr_zero(&w, 8);
	push();
	wr_init(&w, frame, sizeof(frame));
	wire_eth(&w, our_mac, 0x88cc);
	wr_zero(&w, 50);
	push();
	l4(g, x, IPPROTO_TCP, 20);
	wr_zero(&w, 5);			/* cut short */
	push();
	EXPECT(fake_push(frame, 3, 0));
	EXPECT_STR(handled(), "");
	EXPECT_EQ(input_counters()->spoofed, 2);
	EXPECT_EQ(input_counters()->ignored, 2);
	EXPECT_EQ(input_counters()->malformed, 2);
}

static void test_runs(void)
{
	const char *g = "192.0.2.2", *x = "203.0.113.1", *y = "203.0.113.2";
	unsigned i;

	group("runs");
	fresh(true, true, true);
	warm();
	for (i = 0; i < 5; i++)
		tcp(g, x, 1);
	for (i = 0; i < 3; i++)
		tcp(g, x, 2);
	tcp(g, y, 2);
	tcp(g, x, 2);
	udp(g, x, 2, 80);
	udp(g, x, 2, 80);
	icmp(g, x, 8);
	icmp(g, x, 8);
	udp(g, x, 68, 67);
	udp(g, x, 68, 67);
	EXPECT_STR(handled(), "T5 T3 T1 T1 U2 I1 I1 D1 D1 ");

	group("rubbish in between does not cut a run");
	fresh(true, true, true);
	warm();
	tcp(g, x, 1);
	tcp("127.0.0.1", x, 1);
	tcp(g, x, 1);
	EXPECT_STR(handled(), "T2 ");

	group("a whole batch");
	fresh(true, true, true);
	warm();
	for (i = 0; i < 200; i++)
		tcp(g, x, 1);
	handled();
	for (i = 0; calls[i]; i++)
		EXPECT(calls[i] == 'T' || calls[i] == ' ' ||
		       (calls[i] >= '0' && calls[i] <= '9'));
}

static void fragment(unsigned off, bool more, size_t len)
{
	size_t i;

	l4("192.0.2.2", "203.0.113.1", IPPROTO_UDP, len);
	frame[14 + 4] = 0x12;
	frame[14 + 6] = (uint8_t)((more ? 0x20 : 0) | off >> 11);
	frame[14 + 7] = (uint8_t)(off >> 3);
	if (!off) {
		wr_be16(&w, 5);
		wr_be16(&w, 6);
		wr_be16(&w, 800 + 100);
		wr_be16(&w, 0);
		len -= 8;
	}
	for (i = 0; i < len; i++)
		wr_u8(&w, (uint8_t)i);
	push();
}

static void test_fragments(void)
{
	const char *g = "192.0.2.2", *x = "203.0.113.1";

	group("fragments keep their place");
	fresh(true, true, true);
	warm();
	tcp(g, x, 1);
	fragment(0, true, 800);
	tcp(g, x, 1);
	fragment(800, false, 100);
	tcp(g, x, 1);
	tcp(g, x, 1);
	EXPECT_STR(handled(), "T1 T1 U1f T2 ");
	EXPECT_EQ(input_counters()->fragments, 2);
	EXPECT_EQ(frag_pending(), 0);
}

static void test_learns(void)
{
	group("the guest's addresses are learnt");
	fresh(true, true, true);
	tcp("192.0.2.77", "203.0.113.1", 1);
	tcp("2001:db8::77", "2001:db8:9::1", 1);
	handled();
	EXPECT(addr_eq(&guest()->seen4, &(union addr){ .in6 =
						       A("192.0.2.77").in6 }));
	EXPECT(addr_eq(&guest()->seen6, &(union addr){ .in6 =
						       A("2001:db8::77").in6 }));
	EXPECT_MEM(guest()->mac, guest_mac, 6);
}

int main(void)
{
	clock_set(100 * SEC);
	test_who();
	test_runs();
	test_fragments();
	test_learns();
	return done();
}
