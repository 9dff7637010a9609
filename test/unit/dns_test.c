/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages. Packets were written by hand from RFC 1035. */
#include "io/stream.h"
#include "lib/peer.h"
#include "lib/t.h"
#include "network/dns/forward.h"
#include "network/dns/message.h"

#define BYTES(lit) ((sp_str){"" lit, sizeof(lit) - 1})

static const char query[] =
	"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03WeB\x04shop\x00\x00\x01\x00\x01"
	"\x00\x00\x29\x02\x58\x00\x00\x00\x00\x00\x00";

static sp_str whole(void)
{
	return (sp_str){query, sizeof query - 1};
}

SP_TEST(dns, a_question)
{
	dns_question q;
	unsigned rcode;
	T_TRUE(dns_read_question(whole(), &q, &rcode));
	T_EQ_U64(rcode, DNS_NOERROR);
	T_EQ_STR(((sp_str){q.name.text, q.name.len}), SP_STR("web.shop"));
	T_TRUE(q.id == 0x1234 && q.type == DNS_A && q.class_ == DNS_IN && q.recursion_desired && q.edns);
	T_EQ_U64(q.udp_bytes, 600);
	T_EQ_U64(q.wire.len, 14);
}

SP_TEST(dns, what_is_no_question)
{
	const struct {
		sp_str packet;
		bool answered;
		unsigned rcode;
	} rows[] = {
		{BYTES(""), false, 0},
		{BYTES("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00"), false, 0},
		{BYTES("\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01"), false,
		 0}, /* an answer */
		{BYTES("\x12\x34\x29\x00\x00\x01\x00\x00\x00\x00\x00\x00"), true, DNS_NOTIMP},
		{BYTES("\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"), true, DNS_FORMERR},
		{BYTES("\x12\x34\x01\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01"), true,
		 DNS_FORMERR},
		{BYTES("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03we"), true, DNS_FORMERR},
		{BYTES("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x04\x00\x01\x00\x01"), true,
		 DNS_FORMERR},
		{BYTES("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x40zz\x00\x00\x01\x00\x01"), true,
		 DNS_FORMERR},
		{BYTES("\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x00\x00\x01\x00\x01\x00\x00"), true,
		 DNS_FORMERR},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		dns_question q;
		unsigned rcode = 99;
		t_row("row %zu", i);
		T_TRUE(dns_read_question(rows[i].packet, &q, &rcode) == rows[i].answered);
		if (rows[i].answered)
			T_EQ_U64(rcode, rows[i].rcode);
	}
}

static sp_ip address(const char *text)
{
	sp_ip ip;
	SP_ASSERT(sp_ip_parse(sp_str_c(text), &ip));
	return ip;
}

SP_TEST(dns, an_answer_has_its_bytes)
{
	dns_question q;
	unsigned rcode;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	SP_ASSERT(dns_read_question(whole(), &q, &rcode));
	sp_ip ip = address("10.96.0.10");
	dns_answer a = dns_begin(&out, &q);
	dns_put_ip(&a, DNS_ANSWER, SP_STR("web.shop"), 5, &ip);
	T_OK(dns_end(&a, DNS_NOERROR, true, 512));
	sp_str want =
		BYTES("\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x01\x03WeB\x04shop\x00\x00\x01\x00\x01"
		      "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0a\x60\x00\x0a"
		      "\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00");
	T_TRUE(sp_str_eq(sp_buf_view(&out), want));
}

SP_TEST(dns, too_long_is_cut_and_said)
{
	dns_question q;
	dns_reply reply;
	unsigned rcode;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	SP_ASSERT(dns_read_question(whole(), &q, &rcode));
	dns_answer a = dns_begin(&out, &q);
	for (int i = 0; i < 40; i++)
		dns_put_srv(&a, DNS_ANSWER, SP_STR("_http._tcp.web.shop"), 5, 0, 100, 80,
			    SP_STR("x.web.shop"));
	T_OK(dns_end(&a, DNS_NOERROR, true, 512));
	T_TRUE(out.len <= 512);
	T_TRUE(dns_read_reply(sp_buf_view(&out), &reply, NULL, NULL));
	T_TRUE(reply.truncated && reply.id == 0x1234);
}

static void on_ip(void *arg, const sp_ip *ip, uint32_t ttl_s)
{
	uint32_t *sum = arg;
	*sum += ip->bytes[15] + ttl_s * 1000;
}

SP_TEST(dns, replies_of_others)
{
	dns_reply r;
	uint32_t sum = 0;
	/* CNAME, then two addresses by a pointer. */
	sp_str packet = BYTES("\x00\x07\x81\x80\x00\x01\x00\x03\x00\x00\x00\x00\x01"
			      "a\x00\x00\x01\x00\x01"
			      "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x03\x01"
			      "b\x00"
			      "\x01"
			      "b\x00\x00\x01\x00\x01\x00\x00\x00\x09\x00\x04\x0a\x00\x00\x01"
			      "\x01"
			      "b\x00\x00\x01\x00\x01\x00\x00\x00\x09\x00\x04\x0a\x00\x00\x02");
	T_TRUE(dns_read_reply(packet, &r, on_ip, &sum));
	T_EQ_U64(r.ttl_s, 9);
	T_EQ_U64(sum, 18003);
	T_TRUE(!dns_read_reply(sp_str_sub(packet, 0, packet.len - 1), &r, on_ip, &sum));
	/* A name that points at itself. */
	packet = BYTES(
		"\x00\x07\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00\x01\x00\x01\xc0\x11\x00\x01\x00\x01"
		"\x00\x00\x00\x3c\x00\x00");
	T_TRUE(!dns_read_reply(packet, &r, on_ip, &sum));
}

SP_TEST(dns, reverse_names)
{
	const struct {
		const char *name, *ip;
	} rows[] = {
		{"10.0.96.10.in-addr.arpa", "10.96.0.10"},
		{"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", "fd00::1"},
		{"0.96.10.in-addr.arpa", NULL},
		{"1.10.0.96.10.in-addr.arpa", NULL},
		{"256.0.96.10.in-addr.arpa", NULL},
		{"x.ip6.arpa", NULL},
		{"web.shop", NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_ip ip;
		t_row("%s", rows[i].name);
		T_TRUE(dns_reverse_parse(sp_str_c(rows[i].name), &ip) == (rows[i].ip != NULL));
		sp_ip want = rows[i].ip == NULL ? ip : address(rows[i].ip);
		T_TRUE(rows[i].ip == NULL || sp_ip_eq(&ip, &want));
	}
}

SP_TEST(dns, resolv_conf)
{
	sp_str got[DNS_SERVERS_MAX];
	sp_str text = SP_STR(
		"# x\nsearch a b\nnameserver 192.0.2.1\n nameserver\tfd00::53 \nnameserver bad\nnameserver "
		"192.0.2.2\nnameserver 192.0.2.3");
	T_EQ_U64(dns_resolv_conf(T_ARENA, text, got), 3);
	T_EQ_C(got[0], "192.0.2.1:53");
	T_EQ_C(got[1], "[fd00::53]:53");
	T_EQ_C(got[2], "192.0.2.2:53");
}

/* ---- the forwarder ---- */

typedef struct exchange {
	sp_world *world;
	sp_udp *server, *stranger;
	dns_ask ask;
	char got[512];
	size_t n_got, n_asked;
} exchange;

/* The packet as an answer with one address. */
static size_t answer_of(sp_str packet, uint8_t last, char *out)
{
	static const char record[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0";
	size_t n = packet.len - 11; /* without OPT */
	memcpy(out, packet.ptr, n);
	out[2] = (char)0x81;
	out[3] = (char)0x80;
	out[7] = 1;
	out[11] = 0;
	memcpy(out + n, record, sizeof record - 1);
	out[n + sizeof record - 1] = (char)last;
	return n + sizeof record;
}

/* Before the one that was asked, a stranger answers who has seen the question. */
static void on_query(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes)
{
	exchange *x = arg;
	char out[512];
	if (u != x->server)
		return;
	x->n_asked++;
	sp_udp_send(x->stranger, from, (sp_str){out, answer_of(bytes, 66, out)});
	size_t n = answer_of(bytes, 1, out);
	out[0] ^= 1; /* the wrong id */
	sp_udp_send(x->server, from, (sp_str){out, n});
	sp_udp_send(x->server, from, (sp_str){out, answer_of(bytes, 7, out)});
}

static void on_answer(dns_ask *k, sp_str packet)
{
	exchange *x = k->arg;
	x->n_got = SP_MIN(packet.len, sizeof x->got);
	if (x->n_got > 0)
		memcpy(x->got, packet.ptr, x->n_got);
	sp_world_stop(x->world);
}

SP_TEST(dns, only_whom_was_asked_is_heard)
{
	/* The stranger has the port of the one that is asked, at another address. */
	static const char *const hosts[][2] = {{"127.0.0.1", "127.0.0.2"},
					       {"[::ffff:127.0.0.1]", "[::ffff:127.0.0.2]"}};
	static const char wire[] = "\1a\0\0\1\0\1";
	for (size_t i = 0; i < SP_LEN(hosts); i++) {
		exchange x = {.world = t_world_uv()};
		dns_forwarder *f = NULL;
		t_row("%s", hosts[i][0]);
		sp_str any = sp_arena_printf(T_ARENA, "%s:0", hosts[i][0]);
		T_OK(sp_udp_open(x.world, any, on_query, &x, &x.server, T_ERR));
		sp_str bound = sp_udp_address(x.server);
		sp_str port = sp_str_sub(bound, (size_t)(sp_str_rindex(bound, ':') + 1), bound.len);
		sp_str address = sp_arena_printf(T_ARENA, "%s:" SP_FMT, hosts[i][0], SP_ARG(port));
		sp_str other = sp_arena_printf(T_ARENA, "%s:" SP_FMT, hosts[i][1], SP_ARG(port));
		T_OK(sp_udp_open(x.world, other, on_query, &x, &x.stranger, T_ERR));
		T_OK(dns_forwarder_new(x.world, &address, 1, &f, T_ERR));
		T_DEFER(dns_forwarder_free, f);
		x.ask = (dns_ask){.done = on_answer, .arg = &x};
		dns_ask_start(f, &x.ask, (sp_str){wire, sizeof wire - 1});
		sp_world_run(x.world);
		T_TRUE(x.n_got > 0 && x.got[x.n_got - 1] == 7);
		/* Again: from memory. */
		x.n_got = 0;
		dns_ask_start(f, &x.ask, (sp_str){wire, sizeof wire - 1});
		T_TRUE(x.n_got > 0 && x.got[x.n_got - 1] == 7);
		T_EQ_U64(x.n_asked, 1);
		T_EQ_U64(dns_forward_counts(f).n_from_cache, 1);
	}
}

/* ---- answers that were cut ---- */

typedef struct cutter {
	exchange x;
	sp_listener *listener;
	sp_stream *stream;
	sp_buf out;
	sp_write write;
	bool wrong_id;
	size_t n_udp, n_tcp;
} cutter;

/* Nothing but that there is more. */
static void on_cut_query(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes)
{
	cutter *c = arg;
	char out[512];
	size_t n = bytes.len - 11;
	c->n_udp++;
	memcpy(out, bytes.ptr, n);
	out[2] = (char)0x83;
	out[3] = (char)0x80;
	out[11] = 0;
	sp_udp_send(u, from, (sp_str){out, n});
}

static void on_tcp_written(sp_write *w, sp_code code)
{
	(void)w, (void)code;
}

static void on_tcp_query(void *arg, const uint8_t *bytes, size_t n)
{
	cutter *c = arg;
	char out[512];
	c->n_tcp++;
	size_t n_out = answer_of((sp_str){(const char *)bytes + 2, n - 2}, 9, out);
	const uint8_t len[] = {(uint8_t)(n_out >> 8), (uint8_t)n_out};
	out[0] ^= c->wrong_id;
	sp_buf_clear(&c->out);
	(void)sp_buf_append(&c->out, len, sizeof len);
	(void)sp_buf_append(&c->out, out, n_out);
	c->write = (sp_write){.iov = {{c->out.ptr, c->out.len}}, .n_iov = 1, .done = on_tcp_written};
	sp_stream_write(c->stream, &c->write);
}

static void on_tcp_end(void *arg)
{
	sp_stream_close(((cutter *)arg)->stream);
}

static void on_tcp_error(void *arg, const sp_err *err)
{
	(void)err;
	on_tcp_end(arg);
}

static void on_tcp_accept(void *arg, sp_stream *s)
{
	static const sp_stream_handler handler = {on_tcp_query, on_tcp_end, on_tcp_error, NULL};
	((cutter *)arg)->stream = s;
	sp_stream_handle(s, &handler, arg);
	sp_stream_read(s, true);
}

static void cutter_done(void *arg)
{
	cutter *c = arg;
	sp_listener_close(c->listener);
	sp_udp_close(c->x.server);
	sp_buf_done(&c->out);
}

SP_TEST(dns, a_cut_answer_is_asked_for_by_tcp)
{
	static const char wire[] = "\1a\0\0\1\0\1";
	static const struct {
		bool listens, wrong_id;
		size_t n_udp, n_tcp; /* asked */
		bool answered;
	} rows[] = {{true, false, 1, 1, true}, {false, false, 4, 0, false}, {true, true, 4, 4, false}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		cutter *c = sp_new(T_ARENA, cutter, 1);
		dns_forwarder *f = NULL;
		t_row("row %zu", i);
		*c = (cutter){.x = {.world = t_world_uv()}, .wrong_id = rows[i].wrong_id};
		sp_buf_init(&c->out, 1024);
		T_DEFER(cutter_done, c);
		T_OK(sp_listen(c->x.world, SP_STR("127.0.0.1:0"), NULL, on_tcp_accept, c, &c->listener,
			       T_ERR));
		sp_str address = sp_arena_try_dup(T_ARENA, sp_listener_address(c->listener));
		T_OK(sp_udp_open(c->x.world, address, on_cut_query, c, &c->x.server, T_ERR));
		if (!rows[i].listens)
			sp_listener_close(SP_TAKE(c->listener));
		T_OK(dns_forwarder_new(c->x.world, &address, 1, &f, T_ERR));
		T_DEFER(dns_forwarder_free, f);
		c->x.ask = (dns_ask){.done = on_answer, .arg = &c->x};
		dns_ask_start(f, &c->x.ask, (sp_str){wire, sizeof wire - 1});
		sp_world_run(c->x.world);
		T_EQ_U64(c->n_udp, rows[i].n_udp);
		T_EQ_U64(c->n_tcp, rows[i].n_tcp);
		T_TRUE(rows[i].answered ? c->x.n_got > 0 && c->x.got[c->x.n_got - 1] == 9 : c->x.n_got == 0);
		T_EQ_U64(dns_forward_counts(f).n_cached, rows[i].answered);
	}
}
