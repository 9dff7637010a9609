/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of a pod's service account: asked for, kept, renewed. U: kubernetes
 * pkg/kubelet/token/token_manager.go. */
#include "base/alloc.h"
#include "base/json_out.h"
#include "node/node_int.h"

#define TOKENS_MAX 16u
#define RENEW_AT_MOST_NS (UINT64_C(24) * 3600 * NODE_SECOND_NS)
#define ASK_AGAIN_NS (10 * NODE_SECOND_NS)

struct node_token {
	node_worker *w;
	struct node_token *next;
	sp_str audience, text; /* heap */
	int64_t expiration_s, expires_ns;
	sp_call call;
	sp_timer timer;
};

static void drop(sp_str *s)
{
	sp_free((void *)(uintptr_t)s->ptr);
	*s = (sp_str){NULL, 0};
}
static sp_str copy(sp_str s)
{
	char *text = sp_alloc(s.len + 1);
	if (s.len > 0)
		memcpy(text, s.ptr, s.len);
	return (sp_str){text, s.len};
}

static void ask(node_token *t);

static void on_time(sp_timer *timer)
{
	ask(timer->arg);
}
static void ask_after(node_token *t, uint64_t delay_ns)
{
	sp_timer_start(t->w->agent->world, &t->timer, delay_ns, on_time);
}

/* At 80 % of its life, a day at most. */
static uint64_t life_ns(const node_token *t)
{
	int64_t left = t->expires_ns - sp_wall_ns(t->w->agent->world);
	uint64_t ns = left <= 0 ? 0 : (uint64_t)left / 5 * 4;
	ns = SP_MIN(ns, RENEW_AT_MOST_NS);
	return SP_MAX(ns, ASK_AGAIN_NS);
}

static void take(node_token *t, sp_str body)
{
	yyjson_val *tree;
	sp_time expires;
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, (size_t)1 << 20);
	if (sp_json_parse(&arena, body, &tree, NULL) != SP_OK)
		return;
	sp_str text = sp_view_str_at(tree, "status.token");
	if (text.len == 0 ||
	    sp_time_parse(sp_view_str_at(tree, "status.expirationTimestamp"), &expires, NULL) != SP_OK)
		return;
	drop(&t->text);
	t->text = copy(text);
	t->expires_ns = sp_time_ns(expires);
}

static void on_answer(sp_call *c, const sp_answer *a)
{
	node_token *t = c->arg;
	node_worker *w = t->w;
	if (a->code != SP_OK) {
		sp_log(w->agent->log, SP_LOG_WARN, "no token for a pod", SP_KS("pod", w->name),
		       SP_KS("err", a->message));
		ask_after(t, ASK_AGAIN_NS);
		return;
	}
	take(t, a->body);
	ask_after(t, t->text.ptr == NULL ? ASK_AGAIN_NS : life_ns(t));
	node_worker_poke(w);
}

static void ask(node_token *t)
{
	node_worker *w = t->w;
	if (sp_call_is_running(&t->call) || w->pod == NULL)
		return;
	SP_AUTO_BUF body;
	sp_buf_init(&body, 4096);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_open(&j, SP_STR("audiences"), '[');
	if (t->audience.len != 0)
		sp_jout_str(&j, t->audience);
	sp_jout_close(&j, ']');
	sp_jout_member_i64(&j, SP_STR("expirationSeconds"), t->expiration_s);
	sp_jout_member_open(&j, SP_STR("boundObjectRef"), '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Pod"));
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_str(&j, SP_STR("name"), w->name);
	sp_jout_member_str(&j, SP_STR("uid"), w->uid);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	t->call = (sp_call){.done = on_answer, .arg = t};
	sp_call_start(w->agent->client, &t->call,
		      &(sp_ask){.verb = SP_ASK_CREATE,
				.gvr = SP_SERVICEACCOUNTS,
				.ns = w->ns,
				.name = w->pod->v.service_account.len == 0 ? SP_STR("default")
									   : w->pod->v.service_account,
				.subresource = SP_STR("token"),
				.body = sp_buf_view(&body)});
}

sp_str node_token_get(void *arg, sp_str audience, int64_t expiration_s)
{
	node_worker *w = arg;
	node_token *t;
	size_t n = 0;
	for (t = w->tokens; t != NULL; t = t->next, n++) {
		if (sp_str_eq(t->audience, audience) && t->expiration_s == expiration_s)
			break;
	}
	if (t == NULL && n < TOKENS_MAX) {
		t = SP_NEW(node_token);
		t->w = w;
		t->audience = copy(audience);
		t->expiration_s = expiration_s;
		t->timer.arg = t;
		t->next = w->tokens;
		w->tokens = t;
		ask(t);
	}
	/* A copy: a renewal may come while files are written. */
	return t == NULL || t->text.ptr == NULL ? (sp_str){NULL, 0} : sp_arena_try_dup(&w->scratch, t->text);
}

void node_tokens_free(node_worker *w)
{
	while (w->tokens != NULL) {
		node_token *t = w->tokens;
		w->tokens = t->next;
		sp_call_cancel(&t->call);
		sp_timer_stop(w->agent->world, &t->timer);
		drop(&t->audience);
		drop(&t->text);
		sp_free(t);
	}
}
