/* SPDX-License-Identifier: Apache-2.0 */
#include "client/accounts.h"

#include "base/alloc.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/time.h"
#include "client/client_int.h"
#include "kube/view.h"

#define MS UINT64_C(1000000)
#define LIFE_S 3600
#define BODY_BYTES 1024
#define ANSWER_BYTES ((size_t)1 << 20)
#define RETRY_NS (1000 * MS)
#define RETRY_MOST_NS (30000 * MS)
#define RENEW_SOONEST_NS (10000 * MS)

typedef struct account {
	struct account *next;
	sp_accounts *set;
	sp_client *client;
	sp_str name;
	sp_call call;
	sp_timer timer; /* the next token, or the next try */
	uint64_t wait_ns;
	bool has_token;
} account;

struct sp_accounts {
	sp_client *root;
	sp_log *log;
	sp_arena arena;
	sp_str ns;
	account *all;
	size_t n_waiting; /* for their first token */
	void (*ready)(void *arg);
	void *arg;
	sp_defer is_ready;
};

typedef struct token_view {
	sp_str token, until;
} token_view;
SP_VIEW(token_view_desc, token_view, "authentication.k8s.io/v1/TokenRequest",
	SP_V(token_view, token, "status.token"), SP_V(token_view, until, "status.expirationTimestamp"));

static void ask_token(account *m);

static void on_timer(sp_timer *t)
{
	ask_token(t->arg);
}

/* ---- answers ---- */

static void try_later(account *m, const sp_err *err)
{
	if (err->code == SP_ECANCELED) /* the root closes */
		return;
	m->wait_ns = m->wait_ns == 0 ? RETRY_NS : SP_MIN(2 * m->wait_ns, RETRY_MOST_NS);
	if (m->set->log != NULL)
		sp_log(m->set->log, SP_LOG_WARN, "no token of an account, it is tried again",
		       SP_KS("account", m->name), SP_KE(err));
	sp_timer_start(m->client->world, &m->timer, m->wait_ns, on_timer);
}

static void on_all_ready(sp_defer *d)
{
	sp_accounts *s = d->arg;
	s->ready(s->arg);
}

/* A fifth before its end; every token of a start is made anew together then. */
static uint64_t life_of(const account *m, sp_str until)
{
	sp_time end;
	if (sp_time_parse(until, &end, NULL) != SP_OK)
		return LIFE_S * (1000 * MS);
	int64_t left_ns = sp_time_ns(end) - sp_wall_ns(m->client->world);
	return left_ns > 0 ? (uint64_t)left_ns : 0;
}

static sp_code take(account *m, sp_str body, sp_err *err)
{
	sp_arena a;
	token_view v;
	sp_arena_init_secret(&a, ANSWER_BYTES);
	sp_code code = sp_view(&a, body, &token_view_desc, &v, err);
	if (code == SP_OK && v.token.len == 0)
		code = sp_fail(err, SP_EINVAL, "the answer has no token");
	if (code == SP_OK && client_set_token(m->client, v.token) != SP_OK)
		code = sp_fail(err, SP_ENOMEM, "no memory for a token");
	if (code == SP_OK)
		sp_timer_start(m->client->world, &m->timer,
			       SP_MAX(life_of(m, v.until) / 5 * 4, RENEW_SOONEST_NS), on_timer);
	sp_arena_done(&a);
	return code;
}

static void on_account(sp_call *c, const sp_answer *a)
{
	account *m = c->arg;
	if (a->code == SP_OK || a->code == SP_EEXISTS)
		ask_token(m);
	else
		try_later(m, a->err);
}

static void make_account(account *m)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES);
	(void)sp_buf_printf(
		&body,
		"{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":\"" SP_FMT
		"\",\"namespace\":\"" SP_FMT "\"}}",
		SP_ARG(m->name), SP_ARG(m->set->ns));
	m->call = (sp_call){.done = on_account, .arg = m};
	sp_call_start(m->set->root, &m->call,
		      &(sp_ask){.verb = SP_ASK_CREATE,
				.gvr = SP_SERVICEACCOUNTS,
				.ns = m->set->ns,
				.body = sp_buf_view(&body)});
}

static void on_token(sp_call *c, const sp_answer *a)
{
	account *m = c->arg;
	sp_err err = {0};
	if (a->code == SP_ENOTFOUND && sp_str_eq(a->reason, SP_STR("NotFound"))) {
		make_account(m);
		return;
	}
	if (a->code != SP_OK) {
		try_later(m, a->err);
		return;
	}
	if (take(m, a->body, &err) != SP_OK) {
		try_later(m, &err);
		return;
	}
	m->wait_ns = 0;
	if (m->has_token)
		return;
	m->has_token = true;
	if (--m->set->n_waiting == 0)
		sp_defer_call(m->client->world, &m->set->is_ready);
}

static void ask_token(account *m)
{
	static const char body[] =
		"{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\",\"spec\":{"
		"\"audiences\":[],\"expirationSeconds\":3600}}";
	m->call = (sp_call){.done = on_token, .arg = m};
	sp_call_start(m->set->root, &m->call,
		      &(sp_ask){.verb = SP_ASK_CREATE,
				.gvr = SP_SERVICEACCOUNTS,
				.ns = m->set->ns,
				.name = m->name,
				.subresource = SP_STR("token"),
				.body = sp_str_c(body),
				.answer_bytes = ANSWER_BYTES});
}

/* The account was made anew, or the key that signed is gone. */
static bool on_refused(void *arg)
{
	account *m = arg;
	if (m->wait_ns == 0 && !sp_call_is_running(&m->call)) {
		sp_timer_stop(m->client->world, &m->timer);
		ask_token(m);
	}
	return true;
}

/* ---- the set ---- */

sp_code sp_accounts_new(sp_client *root, sp_log *log, sp_str ns, sp_accounts **ret, sp_err *err)
{
	sp_accounts *s = SP_NEW(sp_accounts);
	s->root = root;
	s->log = log;
	sp_arena_init(&s->arena, (size_t)64 << 10);
	sp_defer_init(&s->is_ready, on_all_ready, s);
	s->ns = sp_arena_try_dup(&s->arena, ns);
	if (s->ns.ptr == NULL) {
		sp_accounts_free(s);
		return sp_fail(err, SP_ENOMEM, "no memory for accounts");
	}
	*ret = s;
	return SP_OK;
}

sp_code sp_accounts_client(sp_accounts *s, sp_str name, sp_client **ret, sp_err *err)
{
	SP_ASSERT(s->ready == NULL);
	for (account *m = s->all; m != NULL; m = m->next) {
		if (sp_str_eq(m->name, name)) {
			*ret = m->client;
			return SP_OK;
		}
	}
	sp_client *client = NULL;
	sp_str own = sp_arena_try_dup(&s->arena, name);
	if (own.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an account");
	SP_TRY(client_derive(s->root, &client, err));
	account *m = SP_NEW(account);
	*m = (account){.next = s->all, .set = s, .client = client, .name = own, .timer = {.arg = m}};
	client->refused = on_refused;
	client->refused_arg = m;
	s->all = m;
	s->n_waiting++;
	*ret = client;
	return SP_OK;
}

void sp_accounts_start(sp_accounts *s, void (*ready)(void *arg), void *arg)
{
	s->ready = ready;
	s->arg = arg;
	for (account *m = s->all; m != NULL; m = m->next)
		ask_token(m);
	if (s->all == NULL)
		sp_defer_call(s->root->world, &s->is_ready);
}

void sp_accounts_free(sp_accounts *s)
{
	if (s == NULL)
		return;
	while (s->all != NULL) {
		account *m = s->all;
		s->all = m->next;
		sp_timer_stop(s->root->world, &m->timer);
		sp_call_cancel(&m->call);
		sp_client_free(m->client);
		sp_free(m);
	}
	sp_defer_cancel(&s->is_ready);
	sp_arena_done(&s->arena);
	sp_free(s);
}
