/* SPDX-License-Identifier: Apache-2.0 */
#include "network/dns/server.h"

#include "base/alloc.h"
#include "io/stream.h"

#define QUERY_BYTES_MAX ((size_t)1 << 20) /* memory of one question */
#define IDLE_NS UINT64_C(10000000000)
#define PENDING_MAX 1024u /* questions that wait for others */
#define LENGTH_BYTES 2u

typedef struct tcp_client {
	sp_list node;
	dns_server *of;
	sp_stream *stream;
	sp_timer idle;
	sp_list queries;
	sp_buf in;
	bool closing;
} tcp_client;

/* A question under way. Exactly one of udp and tcp. */
typedef struct query {
	sp_list node; /* of the server's or the connection's */
	dns_server *of;
	sp_udp *udp;
	sp_udp_peer peer;
	tcp_client *tcp;
	sp_arena arena;
	sp_buf out; /* LENGTH_BYTES stand before the packet */
	dns_question question;
	dns_answer answer;
	unsigned rcode;
	sp_str target; /* of a CNAME that is being followed */
	dns_ask ask;
	sp_write write;
} query;

struct dns_server {
	sp_world *world;
	dns_server_opts opts;
	sp_udp *udp;
	sp_listener *listener;
	sp_list clients, queries;
	size_t n_clients, n_queries;
	bool closing;
	void (*done)(void *arg);
	void *arg;
};

/* ---- answers ---- */

static void query_free(query *q)
{
	dns_ask_cancel(&q->ask);
	sp_list_remove(&q->node);
	q->of->n_queries--;
	sp_buf_done(&q->out);
	sp_arena_done(&q->arena);
	sp_free(q);
}

static size_t limit_of(const query *q)
{
	if (q->tcp != NULL)
		return DNS_TCP_BYTES;
	return q->question.edns ? SP_MIN((size_t)q->question.udp_bytes, (size_t)DNS_EDNS_BYTES)
				: DNS_UDP_BYTES;
}

static void on_written(sp_write *w, sp_code code)
{
	(void)code; /* a broken connection tells its own end */
	query_free(w->arg);
}

/* The packet stands behind the two bytes of its length. */
static void send_out(query *q)
{
	sp_str all = sp_buf_view(&q->out);
	if (sp_buf_code(&q->out) != SP_OK || all.len < LENGTH_BYTES) {
		query_free(q);
		return;
	}
	if (q->udp != NULL) {
		sp_udp_send(q->udp, &q->peer, sp_str_sub(all, LENGTH_BYTES, all.len));
		query_free(q);
		return;
	}
	size_t n = all.len - LENGTH_BYTES;
	((uint8_t *)q->out.ptr)[0] = (uint8_t)(n >> 8);
	((uint8_t *)q->out.ptr)[1] = (uint8_t)n;
	q->write = (sp_write){.iov = {{all.ptr, all.len}}, .n_iov = 1, .done = on_written, .arg = q};
	sp_stream_write(q->tcp->stream, &q->write);
}

static sp_buf *fresh(query *q)
{
	static const char length[LENGTH_BYTES];
	sp_buf_clear(&q->out);
	(void)sp_buf_append(&q->out, length, sizeof length); /* sticky */
	return &q->out;
}

static void finish(query *q, bool authoritative)
{
	(void)dns_end(&q->answer, q->rcode, authoritative, limit_of(q)); /* sticky */
	send_out(q);
}

static void refuse(query *q, unsigned rcode)
{
	q->rcode = rcode;
	q->answer = dns_begin(fresh(q), &q->question);
	finish(q, false);
}

/* Somebody else's answer goes on as it is, with the client's id; too long for it, it is only said to be. */
static void on_forwarded(dns_ask *k, sp_str packet)
{
	query *q = k->arg;
	if (packet.len < 12) {
		refuse(q, DNS_SERVFAIL);
		return;
	}
	sp_buf *out = fresh(q);
	if (packet.len > limit_of(q)) {
		q->answer = dns_begin(out, &q->question);
		(void)sp_buf_str(out, packet); /* dns_end cuts what is too long, and says so */
		finish(q, false);
		return;
	}
	const uint8_t id[] = {(uint8_t)(q->question.id >> 8), (uint8_t)q->question.id};
	(void)sp_buf_append(out, id, sizeof id);
	(void)sp_buf_str(out, sp_str_sub(packet, sizeof id, packet.len));
	send_out(q);
}

static void on_chased_ip(void *arg, const sp_ip *ip, uint32_t ttl_s)
{
	query *q = arg;
	dns_put_ip(&q->answer, DNS_ANSWER, q->target, SP_MIN(ttl_s, DNS_TTL_S), ip);
}

static void on_chased(dns_ask *k, sp_str packet)
{
	query *q = k->arg;
	dns_reply reply;
	if (packet.len == 0 || !dns_read_reply(packet, &reply, on_chased_ip, q))
		q->rcode = DNS_SERVFAIL;
	finish(q, true);
}

/* A CNAME's target is looked up as a recursive server does: clients do not come back to ask for it. */
static void chase(query *q, sp_str target)
{
	SP_AUTO_BUF wire;
	sp_buf_init(&wire, 1024);
	q->target = target;
	if (dns_write_query(&wire, 0, target, q->question.type) != SP_OK) {
		finish(q, true);
		return;
	}
	sp_str all = sp_buf_view(&wire);
	q->ask = (dns_ask){.done = on_chased, .arg = q};
	dns_ask_start(q->of->opts.forwarder, &q->ask, sp_str_sub(all, 12, all.len - 11)); /* without OPT */
}

static void answer(query *q)
{
	sp_str target = {NULL, 0};
	q->answer = dns_begin(fresh(q), &q->question);
	switch (dns_zone_answer(q->of->opts.zone, &q->arena, &q->answer, &q->rcode, &target)) {
	case DNS_DONE:
		finish(q, true);
		break;
	case DNS_CHASE:
		chase(q, target);
		break;
	case DNS_FORWARD:
		q->ask = (dns_ask){.done = on_forwarded, .arg = q};
		dns_ask_start(q->of->opts.forwarder, &q->ask, q->question.wire);
		break;
	}
}

/* Takes the question over; `packet` must stay good only during the call. */
static void ask(query *q, sp_str packet)
{
	unsigned rcode;
	sp_str copy = sp_arena_try_dup(&q->arena, packet);
	if (copy.ptr == NULL || !dns_read_question(copy, &q->question, &rcode)) {
		query_free(q);
		return;
	}
	if (rcode != DNS_NOERROR)
		refuse(q, rcode);
	else if (q->question.class_ != DNS_IN)
		refuse(q, DNS_REFUSED);
	else
		answer(q);
}

static query *query_new(dns_server *s, sp_list *list)
{
	query *q = s->n_queries < PENDING_MAX ? sp_try_alloc(sizeof *q) : NULL;
	if (q == NULL)
		return NULL; /* the client asks again */
	*q = (query){.of = s};
	sp_arena_init(&q->arena, QUERY_BYTES_MAX);
	sp_buf_init(&q->out, DNS_TCP_BYTES + 1024);
	sp_list_init(&q->node);
	sp_list_push_back(list, &q->node);
	s->n_queries++;
	return q;
}

static void on_packet(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes)
{
	dns_server *s = arg;
	query *q = query_new(s, &s->queries);
	if (q == NULL)
		return;
	q->udp = u;
	q->peer = *from;
	ask(q, bytes);
}

/* ---- TCP ---- */

static void close_client(tcp_client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	sp_timer_stop(c->of->world, &c->idle);
	SP_LIST_FOREACH (n, &c->queries) {
		query *q = SP_CONTAINER_OF(n, query, node);
		if (q->ask.run != NULL)
			query_free(q); /* others are being written: their writes end them */
	}
	sp_stream_close(c->stream);
}

static void on_idle(sp_timer *t)
{
	close_client(t->arg);
}

/* Every whole message that has come. */
static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	tcp_client *c = arg;
	if (sp_buf_append(&c->in, bytes, n) != SP_OK) {
		close_client(c);
		return;
	}
	sp_str in = sp_buf_view(&c->in);
	while (!c->closing && in.len >= LENGTH_BYTES) {
		size_t len = (size_t)(uint8_t)in.ptr[0] << 8 | (uint8_t)in.ptr[1];
		if (in.len - LENGTH_BYTES < len)
			break;
		query *q = query_new(c->of, &c->queries);
		if (q == NULL) {
			close_client(c);
			return;
		}
		q->tcp = c;
		ask(q, sp_str_sub(in, LENGTH_BYTES, LENGTH_BYTES + len));
		in = sp_str_sub(in, LENGTH_BYTES + len, in.len);
		sp_timer_start(c->of->world, &c->idle, IDLE_NS, on_idle);
	}
	if (!c->closing)
		sp_buf_consume(&c->in, c->in.len - in.len);
}

static void on_end(void *arg)
{
	close_client(arg);
}

static void on_error(void *arg, const sp_err *err)
{
	(void)err;
	close_client(arg);
}

static void maybe_done(dns_server *s)
{
	if (s->closing && s->n_clients == 0)
		s->done(s->arg);
}

static void on_close(void *arg)
{
	tcp_client *c = arg;
	dns_server *s = c->of;
	sp_list_remove(&c->node);
	sp_buf_done(&c->in);
	sp_free(c);
	s->n_clients--;
	maybe_done(s);
}

static void on_accept(void *arg, sp_stream *stream)
{
	static const sp_stream_handler handler = {on_data, on_end, on_error, on_close};
	dns_server *s = arg;
	tcp_client *c = SP_NEW(tcp_client);
	*c = (tcp_client){.of = s, .stream = stream, .idle = {.arg = c}};
	sp_list_init(&c->queries);
	sp_list_init(&c->node);
	sp_list_push_back(&s->clients, &c->node);
	sp_buf_init(&c->in, DNS_TCP_BYTES + LENGTH_BYTES + ((size_t)64 << 10));
	s->n_clients++;
	sp_stream_handle(stream, &handler, c);
	sp_timer_start(s->world, &c->idle, IDLE_NS, on_idle);
	if (s->n_clients > DNS_CLIENTS_MAX)
		close_client(c);
	else
		sp_stream_read(stream, true);
}

/* ---- life ---- */

sp_code dns_server_new(sp_world *w, const dns_server_opts *o, dns_server **ret, sp_err *err)
{
	dns_server *s = SP_NEW(dns_server);
	*s = (dns_server){.world = w, .opts = *o};
	sp_list_init(&s->clients);
	sp_list_init(&s->queries);
	sp_code code = sp_listen(w, o->address, NULL, on_accept, s, &s->listener, err);
	if (code == SP_OK)
		code = sp_udp_open(w, sp_listener_address(s->listener), on_packet, s, &s->udp, err);
	if (code != SP_OK) {
		dns_server_free(s);
		return code;
	}
	*ret = s;
	return SP_OK;
}

sp_str dns_server_address(const dns_server *s)
{
	return sp_udp_address(s->udp);
}

void dns_server_close(dns_server *s, void (*done)(void *arg), void *arg)
{
	SP_ASSERT(!s->closing);
	s->closing = true;
	s->done = done;
	s->arg = arg;
	sp_listener_close(s->listener);
	s->listener = NULL;
	SP_LIST_FOREACH (n, &s->clients)
		close_client(SP_CONTAINER_OF(n, tcp_client, node));
	if (s->n_clients == 0)
		done(arg);
}

void dns_server_free(dns_server *s)
{
	if (s == NULL)
		return;
	sp_listener_close(s->listener);
	SP_LIST_FOREACH (n, &s->queries)
		query_free(SP_CONTAINER_OF(n, query, node));
	SP_ASSERT(s->n_clients == 0);
	sp_udp_close(s->udp);
	sp_free(s);
}
