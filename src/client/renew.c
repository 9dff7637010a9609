/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's certificate is made anew by somebody else, in the kubeconfig or the files it names, before it
 * ends: that is read again when four fifths of its life are over, and when the server does not take it. New
 * connections are made with it; what is under way ends on the old ones.
 */
#include "base/alloc.h"
#include "client/client_int.h"
#include "io/tls/x509.h"

#define CONFIG_BYTES_MAX ((size_t)8 << 20)
#define NS_PER_S UINT64_C(1000000000)

typedef struct client_renewal {
	sp_client *client;
	sp_timer timer;
	sp_work job;
	sp_arena arenas[2]; /* of what is in use (at), and of what is read */
	unsigned at;
	sp_client_config now, next;
	sp_code code;
	bool busy;
} client_renewal;

static void on_timer(sp_timer *t);

/* Seconds until the next look; -1: none is due. Whoever has not renewed yet is looked at again soon. */
static int64_t due_s(sp_client *c, sp_str cert_pem)
{
	sp_arena a;
	sp_x509_info *all;
	size_t n;
	int64_t s = -1, now_s = sp_wall_ns(c->world) / (int64_t)NS_PER_S;
	sp_arena_init(&a, CONFIG_BYTES_MAX);
	if (sp_x509_inspect_pem(cert_pem, &a, &all, &n, NULL) == SP_OK && all[0].not_after_s > now_s) {
		int64_t life = all[0].not_after_s - all[0].not_before_s, left = all[0].not_after_s - now_s;
		s = SP_MAX(left - life / 5, left / 8);
		s = SP_MAX(s, 1);
	}
	sp_arena_done(&a);
	return s;
}

static void wait(client_renewal *r)
{
	int64_t s = due_s(r->client, r->now.cert_pem);
	if (s >= 0)
		sp_timer_start(r->client->world, &r->timer, (uint64_t)s * NS_PER_S, on_timer);
}

/* On a worker. */
static void read_again(sp_work *job)
{
	client_renewal *r = job->arg;
	const sp_client_config *f = &r->client->config;
	sp_arena *a = &r->arenas[1 - r->at];
	sp_arena_reset(a);
	r->code = sp_client_config_load(r->client->world, a, f->source, f->context, &r->next, NULL);
}

static bool is_new(const client_renewal *r)
{
	return r->next.cert_pem.len > 0 &&
	       (!sp_str_eq(r->now.cert_pem, r->next.cert_pem) || !sp_str_eq(r->now.ca_pem, r->next.ca_pem));
}

/* What can't be used (a certificate whose key is not written yet) is read again. */
static void take(client_renewal *r)
{
	sp_client *c = r->client;
	sp_tls_config *tls = NULL, *bare = NULL;
	sp_code code = client_open_tls(&r->next, false, &tls, NULL);
	if (code == SP_OK && c->bare_tls != NULL)
		code = client_open_tls(&r->next, true, &bare, NULL);
	if (code != SP_OK || tls == NULL) {
		(void)sp_tls_config_unref(tls);
		return;
	}
	(void)sp_tls_config_unref(c->tls);
	c->tls = tls;
	if (bare != NULL) {
		(void)sp_tls_config_unref(c->bare_tls);
		c->bare_tls = bare;
	}
	r->now = r->next;
	r->at = 1 - r->at;
}

static void on_read(sp_work *job)
{
	client_renewal *r = job->arg;
	r->busy = false;
	if (r->client->closing) {
		client_check_closed(r->client);
		return;
	}
	if (r->code == SP_OK && is_new(r))
		take(r);
	wait(r);
}

bool client_renewal_now(sp_client *c)
{
	client_renewal *r = c->renewal;
	if (r == NULL)
		return false;
	if (r->busy)
		return true;
	r->job = (sp_work){.fn = read_again, .done = on_read, .arg = r};
	r->busy = sp_work_start(c->world, &r->job, NULL) == SP_OK;
	return r->busy;
}

void sp_client_renew(sp_client *c)
{
	(void)client_renewal_now(c->root);
}

static void on_timer(sp_timer *t)
{
	client_renewal *r = t->arg;
	if (!client_renewal_now(r->client))
		wait(r);
}

void client_renewal_open(sp_client *c)
{
	if (c->config.source.len == 0 || c->config.cert_pem.len == 0)
		return;
	client_renewal *r = SP_NEW(client_renewal);
	r->client = c;
	r->now = c->config;
	r->timer.arg = r;
	sp_arena_init_secret(&r->arenas[0], CONFIG_BYTES_MAX);
	sp_arena_init_secret(&r->arenas[1], CONFIG_BYTES_MAX);
	c->renewal = r;
	wait(r);
}

void client_renewal_stop(sp_client *c)
{
	if (c->renewal != NULL)
		sp_timer_stop(c->world, &c->renewal->timer);
}

bool client_renewal_is_busy(const sp_client *c)
{
	return c->renewal != NULL && c->renewal->busy;
}

void client_renewal_free(sp_client *c)
{
	client_renewal *r = c->renewal;
	if (r == NULL)
		return;
	sp_timer_stop(c->world, &r->timer);
	sp_arena_done(&r->arenas[0]);
	sp_arena_done(&r->arenas[1]);
	sp_free(r);
	c->renewal = NULL;
}
