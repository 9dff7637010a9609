/* SPDX-License-Identifier: Apache-2.0 */
/* The claims that a pod uses, asked for until each stands for a volume. A node may get claims and volumes and
 * not follow them, so what is not ready is asked for again, as kubelet does. */
#include "base/alloc.h"
#include "node/node_int.h"

#define CLAIM_BYTES_MAX ((size_t)4 << 20)

typedef struct node_one_claim {
	node_claims *all;
	sp_arena arena;
	node_claim_use use;
	sp_call call;
	sp_str uid, volume;
	node_claim_found found;
	bool is_found;
	char why[512]; /* the last failure; empty: none */
} node_one_claim;

struct node_claims {
	node_worker *w;
	node_one_claim *at;
	size_t n;
	uint64_t retry_ns; /* monotonic; 0: at once */
};

static bool any_running(const node_claims *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (sp_call_is_running(&l->at[i].call))
			return true;
	}
	return false;
}

/* All have answered: what is missing is told in one event. U: syncPod, WaitForAttachAndMount. */
static void tell_missing(node_claims *l)
{
	SP_AUTO_BUF names;
	SP_AUTO_BUF why;
	sp_buf_init(&names, 4096);
	sp_buf_init(&why, 4096);
	for (size_t i = 0; i < l->n; i++) {
		const node_one_claim *c = &l->at[i];
		if (c->is_found)
			continue;
		(void)sp_buf_printf(&names, "%s" SP_FMT, names.len == 0 ? "" : " ", SP_ARG(c->use.volume));
		(void)sp_buf_printf(&why, "%s%s", why.len == 0 ? "" : "; ", c->why);
	}
	if (names.len == 0)
		return;
	node_worker_event(l->w, NULL, true, "FailedMount",
			  "Unable to attach or mount volumes: unmounted volumes=[" SP_FMT
			  "], unattached volumes=[], failed to process volumes=[" SP_FMT "]: " SP_FMT,
			  SP_ARG(sp_buf_view(&names)), SP_ARG(sp_buf_view(&names)),
			  SP_ARG(sp_buf_view(&why)));
	l->retry_ns = sp_now_ns(l->w->agent->world) + NODE_RETRY_NS;
}

static void answered(node_one_claim *c)
{
	if (any_running(c->all))
		return;
	tell_missing(c->all);
	node_worker_poke(c->all->w);
}

static void failed(node_one_claim *c, const char *what)
{
	(void)snprintf(c->why, sizeof c->why, "%s", what);
	answered(c);
}

static void failed_to_fetch(node_one_claim *c, const char *what, sp_str message)
{
	char text[512];
	(void)snprintf(text, sizeof text,
		       "error processing PVC " SP_FMT "/" SP_FMT ": failed to fetch %s: " SP_FMT,
		       SP_ARG(c->all->w->ns), SP_ARG(c->use.claim), what, SP_ARG(message));
	failed(c, text);
}

static void on_volume(sp_call *call, const sp_answer *a)
{
	node_one_claim *c = call->arg;
	yyjson_val *tree = NULL;
	sp_err err = {0};
	char what[320];
	sp_str json;
	if (a->code != SP_OK) {
		(void)snprintf(what, sizeof what, "PV " SP_FMT " from API server", SP_ARG(c->volume));
		failed_to_fetch(c, what, a->message);
		return;
	}
	json = sp_arena_try_dup(&c->arena, a->body);
	sp_code code = json.ptr == NULL ? sp_fail(&err, SP_ETOOLARGE, "no room for a volume")
					: sp_json_parse(&c->arena, json, &tree, &err);
	if (code == SP_OK)
		code = node_claim_volume(&c->use, c->uid, tree, &c->found, &err);
	if (code != SP_OK) {
		(void)snprintf(c->why, sizeof c->why, "error processing PVC " SP_FMT "/" SP_FMT ": %s",
			       SP_ARG(c->all->w->ns), SP_ARG(c->use.claim), err.msg);
		answered(c);
		return;
	}
	c->is_found = true;
	answered(c);
}

static void on_claim(sp_call *call, const sp_answer *a)
{
	node_one_claim *c = call->arg;
	yyjson_val *tree;
	sp_err err = {0};
	sp_str volume, uid;
	if (a->code != SP_OK) {
		failed_to_fetch(c, "PVC from API server", a->message);
		return;
	}
	sp_code code = sp_json_parse(&c->arena, a->body, &tree, &err);
	if (code == SP_OK)
		code = node_claim_check(c->all->w->pod, &c->use, tree, &volume, &uid, &err);
	if (code != SP_OK) {
		failed(c, err.msg);
		return;
	}
	c->volume = sp_arena_try_dup(&c->arena, volume);
	c->uid = sp_arena_try_dup(&c->arena, uid);
	if (c->volume.ptr == NULL || c->uid.ptr == NULL) {
		failed(c, "no memory for a claim");
		return;
	}
	c->call = (sp_call){.done = on_volume, .arg = c};
	sp_call_start(c->all->w->agent->client, &c->call,
		      &(sp_ask){.gvr = SP_PERSISTENTVOLUMES, .name = c->volume});
}

/* The names a claim is used by, out of the pod's memory into its own. */
static bool keep_use(node_one_claim *c, const node_claim_use *use)
{
	c->use = *use;
	c->use.volume = sp_arena_try_dup(&c->arena, use->volume);
	c->use.claim = sp_arena_try_dup(&c->arena, use->claim);
	return c->use.volume.ptr != NULL && c->use.claim.ptr != NULL;
}

static node_claims *collect(node_worker *w)
{
	node_claims *l = SP_NEW(node_claims);
	l->w = w;
	l->at = sp_alloc((w->pod->v.volumes.n + 1) * sizeof *l->at);
	SP_VLIST_FOREACH(volume, w->pod->v.volumes)
	{
		node_claim_use use;
		if (!node_claim_use_of(w->pod, volume, &w->scratch, &use) || use.claim.len == 0)
			continue;
		node_one_claim *c = &l->at[l->n];
		*c = (node_one_claim){.all = l};
		sp_arena_init(&c->arena, CLAIM_BYTES_MAX);
		l->n++;
		if (!keep_use(c, &use))
			(void)snprintf(c->why, sizeof c->why, "no memory for a claim");
	}
	return l;
}

bool node_claims_are_known(node_worker *w)
{
	if (w->claims == NULL)
		w->claims = collect(w);
	node_claims *l = w->claims;
	bool known = true;
	uint64_t now = sp_now_ns(w->agent->world);
	if (any_running(l))
		return false; /* its end is a turn */
	for (size_t i = 0; i < l->n; i++)
		known = known && l->at[i].is_found;
	if (known)
		return true;
	if (now < l->retry_ns) {
		node_worker_again(w, l->retry_ns - now);
		return false;
	}
	for (size_t i = 0; i < l->n; i++) {
		node_one_claim *c = &l->at[i];
		if (c->is_found)
			continue;
		c->why[0] = '\0';
		c->call = (sp_call){.done = on_claim, .arg = c};
		sp_call_start(w->agent->client, &c->call,
			      &(sp_ask){.gvr = SP_PERSISTENTVOLUMECLAIMS, .ns = w->ns, .name = c->use.claim});
	}
	return false;
}

const node_claim_found *node_claims_find(void *arg, sp_str volume)
{
	const node_worker *w = arg;
	for (size_t i = 0; w->claims != NULL && i < w->claims->n; i++) {
		const node_one_claim *c = &w->claims->at[i];
		if (c->is_found && sp_str_eq(c->use.volume, volume))
			return &c->found;
	}
	return NULL;
}

const node_claim_found *node_claims_at(const node_worker *w, size_t i, sp_str *ret_claim)
{
	if (w->claims == NULL || i >= w->claims->n)
		return NULL;
	*ret_claim = w->claims->at[i].use.claim;
	return &w->claims->at[i].found;
}

void node_claims_free(node_worker *w)
{
	node_claims *l = SP_TAKE(w->claims);
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n; i++) {
		sp_call_cancel(&l->at[i].call);
		sp_arena_done(&l->at[i].arena);
	}
	sp_free(l->at);
	sp_free(l);
}
