/* SPDX-License-Identifier: Apache-2.0 */
#include "network/dns/forward.h"

#include "base/alloc.h"
#include "base/map.h"
#include "network/dns/tcp.h"

#define TRIES_MAX 4u
#define TTL_MAX_S 3600u
#define SERVFAIL_TTL_S 1u
#define QUERY_BYTES 300u
#define SERVER_BYTES 64u
#define CACHE_BYTES_MAX ((size_t)16 << 20)

typedef struct cached {
	sp_list node; /* the oldest first */
	uint64_t until_ns;
	size_t n_key, n_packet;
	char bytes[]; /* key, then packet */
} cached;

typedef struct run {
	sp_list node;
	dns_forwarder *of;
	dns_ask *ask;
	sp_udp *udp;
	dns_tcp *tcp; /* after a cut answer */
	sp_timer timer;
	unsigned n_tries;
	uint16_t id;
	size_t n_wire;
	char wire[QUERY_BYTES];
} run;

struct dns_forwarder {
	sp_world *world;
	sp_udp_peer servers[DNS_SERVERS_MAX];
	char names[DNS_SERVERS_MAX][SERVER_BYTES]; /* "IP:port" */
	size_t n_names[DNS_SERVERS_MAX];
	bool v6[DNS_SERVERS_MAX];
	size_t n_servers, n_pending, n_cached, n_cached_bytes;
	sp_list runs, by_age;
	sp_map cache;
	dns_forward_stats stats;
};

/* ---- the cache ---- */

static sp_str key_of(const cached *c)
{
	return (sp_str){c->bytes, c->n_key};
}

static void forget(dns_forwarder *f, cached *c)
{
	(void)sp_map_remove(&f->cache, key_of(c));
	sp_list_remove(&c->node);
	f->n_cached--;
	f->n_cached_bytes -= c->n_packet;
	sp_free(c);
}

static sp_str remembered(dns_forwarder *f, sp_str wire)
{
	cached *c = sp_map_get(&f->cache, wire);
	if (c == NULL)
		return (sp_str){NULL, 0};
	if (c->until_ns <= sp_now_ns(f->world)) {
		forget(f, c);
		return (sp_str){NULL, 0};
	}
	return (sp_str){c->bytes + c->n_key, c->n_packet};
}

/* Without memory nothing is remembered, and that is all. */
static void remember(dns_forwarder *f, sp_str wire, sp_str packet, const dns_reply *r)
{
	uint32_t ttl_s = r->rcode == DNS_NOERROR || r->rcode == DNS_NXDOMAIN ? SP_MIN(r->ttl_s, TTL_MAX_S)
									     : SERVFAIL_TTL_S;
	cached *old = sp_map_get(&f->cache, wire);
	if (ttl_s == 0 || r->truncated)
		return;
	if (old != NULL)
		forget(f, old);
	while (f->n_cached == DNS_CACHE_MAX ||
	       (f->n_cached > 0 && f->n_cached_bytes + packet.len > CACHE_BYTES_MAX))
		forget(f, SP_CONTAINER_OF(f->by_age.next, cached, node));
	cached *c = sp_try_alloc(sizeof *c + wire.len + packet.len);
	if (c == NULL)
		return;
	*c = (cached){.until_ns = sp_now_ns(f->world) + ttl_s * UINT64_C(1000000000),
		      .n_key = wire.len,
		      .n_packet = packet.len};
	memcpy(c->bytes, wire.ptr, wire.len);
	memcpy(c->bytes + wire.len, packet.ptr, packet.len);
	sp_list_init(&c->node);
	if (sp_map_put(&f->cache, key_of(c), c, NULL) != SP_OK) {
		sp_free(c);
		return;
	}
	sp_list_push_back(&f->by_age, &c->node);
	f->n_cached++;
	f->n_cached_bytes += packet.len;
}

/* ---- one question ---- */

static void end(run *r, sp_str packet)
{
	dns_forwarder *f = r->of;
	dns_ask *k = r->ask;
	sp_timer_stop(f->world, &r->timer);
	sp_udp_close(r->udp);
	dns_tcp_cancel(r->tcp);
	sp_list_remove(&r->node);
	f->n_pending--;
	f->stats.n_failed += packet.len == 0;
	k->run = NULL;
	k->done(k, packet);
	sp_free(r);
}

/* Whatever is not the answer to what we asked is not seen. */
static bool read_answer(const run *r, sp_str packet, dns_reply *ret)
{
	return dns_read_reply(packet, ret, NULL, NULL) && ret->id == r->id &&
	       sp_str_eq(ret->wire_question, (sp_str){r->wire, r->n_wire});
}

static void take(run *r, sp_str packet, const dns_reply *reply)
{
	packet = sp_str_sub(packet, 0, DNS_TCP_BYTES);
	remember(r->of, (sp_str){r->wire, r->n_wire}, packet, reply);
	end(r, packet);
}

static void ask_next(run *r);

static void on_tcp(void *arg, sp_str packet)
{
	run *r = arg;
	dns_reply reply;
	r->tcp = NULL; /* it ends by itself */
	if (packet.len > 0 && read_answer(r, packet, &reply))
		take(r, packet, &reply);
	else
		ask_next(r);
}

typedef struct query {
	uint8_t bytes[QUERY_BYTES + 32];
} query;

static sp_str write_query(const run *r, query *ret)
{
	uint8_t *packet = ret->bytes;
	*ret = (query){{0}};
	static const uint8_t opt[] = {0, 0, DNS_OPT, DNS_EDNS_BYTES >> 8, DNS_EDNS_BYTES & 255, 0, 0, 0,
				      0, 0, 0};
	packet[0] = (uint8_t)(r->id >> 8);
	packet[1] = (uint8_t)r->id;
	packet[2] = 1;  /* recursion desired */
	packet[5] = 1;  /* a question */
	packet[11] = 1; /* and OPT */
	memcpy(packet + 12, r->wire, r->n_wire);
	memcpy(packet + 12 + r->n_wire, opt, sizeof opt);
	return (sp_str){(char *)packet, 12 + r->n_wire + sizeof opt};
}

/* The same server: it has the answer. */
static void ask_by_tcp(run *r)
{
	dns_forwarder *f = r->of;
	query q;
	size_t i = (r->n_tries - 1) % f->n_servers;
	sp_timer_stop(f->world, &r->timer);
	r->tcp = dns_tcp_start(f->world, (sp_str){f->names[i], f->n_names[i]}, write_query(r, &q), DNS_TRY_NS,
			       on_tcp, r);
	if (r->tcp == NULL)
		ask_next(r);
}

static void on_packet(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes)
{
	run *r = arg;
	dns_reply reply;
	const sp_udp_peer *asked = &r->of->servers[(r->n_tries - 1) % r->of->n_servers];
	(void)u;
	if (from->len != asked->len || memcmp(from->room, asked->room, asked->len) != 0 ||
	    !read_answer(r, bytes, &reply) || r->tcp != NULL)
		return;
	if (reply.truncated)
		ask_by_tcp(r);
	else
		take(r, bytes, &reply);
}

static void on_timeout(sp_timer *t)
{
	ask_next(t->arg);
}

static void ask_next(run *r)
{
	dns_forwarder *f = r->of;
	if (r->n_tries == TRIES_MAX || f->n_servers == 0) {
		end(r, (sp_str){NULL, 0});
		return;
	}
	query q;
	size_t i = r->n_tries++ % f->n_servers;
	sp_udp_close(r->udp);
	r->udp = NULL;
	r->id = (uint16_t)sp_random_u64(f->world);
	sp_str any = f->v6[i] ? SP_STR("[::]:0") : SP_STR("0.0.0.0:0");
	if (sp_udp_open(f->world, any, on_packet, r, &r->udp, NULL) != SP_OK)
		r->udp = NULL; /* no descriptor now: perhaps at the next try */
	else
		sp_udp_send(r->udp, &f->servers[i], write_query(r, &q));
	sp_timer_start(f->world, &r->timer, DNS_TRY_NS, on_timeout);
}

void dns_ask_start(dns_forwarder *f, dns_ask *k, sp_str wire)
{
	sp_str known = remembered(f, wire);
	k->run = NULL;
	f->stats.n_asked++;
	if (known.len > 0) {
		f->stats.n_from_cache++;
		k->done(k, known);
		return;
	}
	run *r = f->n_pending < DNS_PENDING_MAX && wire.len <= QUERY_BYTES ? sp_try_alloc(sizeof *r) : NULL;
	if (r == NULL) {
		f->stats.n_failed++;
		k->done(k, (sp_str){NULL, 0});
		return;
	}
	*r = (run){.of = f, .ask = k, .timer = {.arg = r}, .n_wire = wire.len};
	memcpy(r->wire, wire.ptr, wire.len);
	sp_list_init(&r->node);
	sp_list_push_back(&f->runs, &r->node);
	f->n_pending++;
	k->run = r;
	ask_next(r);
}

static void drop(run *r)
{
	sp_timer_stop(r->of->world, &r->timer);
	sp_udp_close(r->udp);
	dns_tcp_cancel(r->tcp);
	sp_list_remove(&r->node);
	r->of->n_pending--;
	r->ask->run = NULL;
	sp_free(r);
}

void dns_ask_cancel(dns_ask *k)
{
	if (k->run != NULL)
		drop(k->run);
}

/* ---- life ---- */

sp_code dns_forwarder_new(sp_world *w, const sp_str *servers, size_t n_servers, dns_forwarder **ret,
			  sp_err *err)
{
	dns_forwarder *f = SP_NEW(dns_forwarder);
	*f = (dns_forwarder){.world = w};
	sp_list_init(&f->runs);
	sp_list_init(&f->by_age);
	sp_map_init(&f->cache);
	for (size_t i = 0; i < SP_MIN(n_servers, (size_t)DNS_SERVERS_MAX); i++) {
		sp_code code = sp_udp_peer_of(w, servers[i], &f->servers[i], err);
		if (code != SP_OK) {
			dns_forwarder_free(f);
			return code;
		}
		f->v6[i] = sp_str_starts(servers[i], SP_STR("["));
		f->n_names[i] = SP_MIN(servers[i].len, (size_t)SERVER_BYTES);
		memcpy(f->names[i], servers[i].ptr, f->n_names[i]);
		f->n_servers++;
	}
	*ret = f;
	return SP_OK;
}

void dns_forwarder_free(dns_forwarder *f)
{
	if (f == NULL)
		return;
	SP_LIST_FOREACH (n, &f->runs)
		drop(SP_CONTAINER_OF(n, run, node));
	while (!sp_list_is_empty(&f->by_age))
		forget(f, SP_CONTAINER_OF(f->by_age.next, cached, node));
	sp_map_done(&f->cache);
	sp_free(f);
}

dns_forward_stats dns_forward_counts(const dns_forwarder *f)
{
	dns_forward_stats s = f->stats;
	s.n_cached = f->n_cached;
	s.n_pending = f->n_pending;
	return s;
}

size_t dns_resolv_conf(sp_arena *a, sp_str text, sp_str ret[DNS_SERVERS_MAX])
{
	size_t n = 0;
	sp_str line;
	while (text.len > 0 && n < DNS_SERVERS_MAX) {
		sp_ip ip;
		if (!sp_str_cut(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		}
		line = sp_str_trim(line);
		if (!sp_str_take(&line, SP_STR("nameserver")))
			continue;
		line = sp_str_trim(line);
		if (sp_ip_parse(line, &ip))
			ret[n++] = sp_arena_printf(a, ip.v4 ? SP_FMT ":53" : "[" SP_FMT "]:53", SP_ARG(line));
	}
	return n;
}
