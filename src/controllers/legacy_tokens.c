/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens that Kubernetes before 1.24 put into secrets unasked (the account lists the secret): those that no
 * pod mounts and that nobody used for a year are marked as invalid, and go when they were that for a year.
 * The API server says since when it notes uses, and notes them. A round over all secrets once a day. U:
 * kubernetes pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go.
 */
#include "base/num.h"
#include "controllers/deletion.h"
#include "controllers/fan.h"
#include "controllers/table.h"

#define NS_PER_S UINT64_C(1000000000)
#define DAY_S INT64_C(86400)
#define ROUND_NS ((uint64_t)DAY_S * NS_PER_S) /* U: DefaultCleanerSyncInterval */
#define UNUSED_NS (365 * (uint64_t)DAY_S * NS_PER_S)
#define ROUND_KEY "secrets"
#define TRACKING "kube-apiserver-legacy-service-account-token-tracking"
#define LAST_USED "kubernetes.io/legacy-token-last-used"
#define INVALID_SINCE "kubernetes.io/legacy-token-invalid-since"
#define DATE_CHARS 10u

typedef struct secret_view {
	sp_str created, deleted;
	sp_vmap labels, notes;
} secret_view;
SP_VIEW(secret_desc, secret_view, "v1/Secret", SP_V(secret_view, created, "metadata.creationTimestamp"),
	SP_V(secret_view, deleted, "metadata.deletionTimestamp"),
	SP_V(secret_view, labels, "metadata.labels"), SP_V(secret_view, notes, "metadata.annotations"));

typedef struct account_view {
	sp_vlist secrets;
} account_view;
SP_VIEW(account_desc, account_view, "v1/ServiceAccount", SP_V(account_view, secrets, "secrets"));

/* Where a pod may name secrets. */
typedef struct pod_view {
	sp_vlist pull, volumes, containers, init, ephemeral;
} pod_view;
SP_VIEW(pod_desc, pod_view, "v1/Pod", SP_V(pod_view, pull, "spec.imagePullSecrets"),
	SP_V(pod_view, volumes, "spec.volumes"), SP_V(pod_view, containers, "spec.containers"),
	SP_V(pod_view, init, "spec.initContainers"), SP_V(pod_view, ephemeral, "spec.ephemeralContainers"));

typedef struct tracking_view {
	sp_vmap data;
} tracking_view;
SP_VIEW(tracking_desc, tracking_view, "v1/ConfigMap", SP_V(tracking_view, data, "data"));

typedef struct cleaner {
	controller base;
	sp_informer *secrets, *accounts, *pods;
	unsigned pods_by_namespace;
	int64_t unused_s;
} cleaner;

/* A secret that something is to be done about. */
typedef struct candidate {
	const sp_object *secret; /* held */
	bool is_marked;          /* it goes; else it is to be marked */
} candidate;

typedef struct run {
	cleaner *c;
	sp_job *job;
	int64_t now_s;
	sp_str today, oldest; /* dates; what was used on the latter or later stays */
	candidate *all;
	size_t n;
	sp_call call;
	fan fan;
} run;

/* ---- dates ---- */

static sp_str date_of(sp_arena *a, int64_t s)
{
	char text[SP_TIME_TEXT_BYTES];
	(void)sp_time_print(text, (sp_time){s, 0}, 0);
	return sp_arena_try_dup(a, (sp_str){text, DATE_CHARS});
}

/* Seconds since 1970 of the day's begin; false: this is no date. */
static bool read_date(sp_arena *a, sp_str date, int64_t *ret_s)
{
	sp_time t;
	if (date.len != DATE_CHARS ||
	    sp_time_parse(SP_CONCAT(a, date, SP_STR("T00:00:00Z")), &t, NULL) != SP_OK)
		return false;
	*ret_s = t.seconds;
	return true;
}

/* ---- which ---- */

static bool names_it(yyjson_val *ref, sp_str name)
{
	return sp_str_eq(sp_json_str(sp_json_last(ref, SP_STR("name"))), name);
}

/* Whether a volume or a container uses the secret. More members are looked at than upstream does: a secret
 * that is not told to be used would go. Depth is the JSON reader's. */
static bool uses(yyjson_val *v, sp_str name)
{
	static const char *const refs[] = {"secretRef", "secretKeyRef", "nodePublishSecretRef", "secret"};
	size_t i, max;
	yyjson_val *key, *item;
	if (sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("secretName"))), name))
		return true;
	for (size_t k = 0; k < SP_LEN(refs); k++) {
		if (names_it(sp_json_last(v, sp_str_c(refs[k])), name))
			return true;
	}
	yyjson_obj_foreach(v, i, max, key, item)
	{
		if (uses(item, name))
			return true;
	}
	yyjson_arr_foreach(v, i, max, item)
	{
		if (uses(item, name))
			return true;
	}
	return false;
}

static bool list_uses(sp_vlist list, sp_str name)
{
	SP_VLIST_FOREACH(v, list)
	{
		if (uses(v, name))
			return true;
	}
	return false;
}

static bool has_ref(sp_vlist refs, sp_str name)
{
	SP_VLIST_FOREACH(v, refs)
	{
		if (names_it(v, name))
			return true;
	}
	return false;
}

static bool is_mounted(run *x, const sp_object *secret)
{
	const sp_object *o;
	pod_view v;
	sp_index_at at = sp_informer_find(x->c->pods, x->c->pods_by_namespace, secret->ns);
	while ((o = sp_index_next(&at)) != NULL) {
		/* one that can't be read might use it */
		if (sp_view(x->job->arena, o->json, &pod_desc, &v, NULL) != SP_OK ||
		    has_ref(v.pull, secret->name) || list_uses(v.volumes, secret->name) ||
		    list_uses(v.containers, secret->name) || list_uses(v.init, secret->name) ||
		    list_uses(v.ephemeral, secret->name))
			return true;
	}
	return false;
}

/* Only those were made unasked. */
static bool is_of_account(run *x, const sp_object *secret, const secret_view *v)
{
	sp_str name = sp_vmap_str(v->notes, SP_STR("kubernetes.io/service-account.name"));
	sp_str uid = sp_vmap_str(v->notes, SP_STR("kubernetes.io/service-account.uid"));
	const sp_object *o = name.len == 0 ? NULL : sp_informer_get_in(x->c->accounts, secret->ns, name);
	account_view account;
	return o != NULL && (uid.len == 0 || sp_str_eq(uid, o->uid)) &&
	       sp_view(x->job->arena, o->json, &account_desc, &account, NULL) == SP_OK &&
	       has_ref(account.secrets, secret->name);
}

/* Not new, and not used since. A label that is no date tells nothing. */
static bool is_unused(run *x, const secret_view *v)
{
	sp_str used = sp_vmap_str(v->labels, SP_STR(LAST_USED));
	int64_t used_s;
	if (v->deleted.len > 0 || ctl_seconds(v->created) >= x->now_s - x->c->unused_s)
		return false;
	return used.ptr == NULL ||
	       (read_date(x->job->arena, used, &used_s) && sp_str_cmp(used, x->oldest) < 0);
}

static sp_code look_at(run *x, const sp_object *o)
{
	secret_view v;
	int64_t since_s;
	if (sp_view(x->job->arena, o->json, &secret_desc, &v, NULL) != SP_OK || !is_unused(x, &v) ||
	    !is_of_account(x, o, &v) || is_mounted(x, o))
		return SP_OK;
	sp_str since = sp_vmap_str(v.labels, SP_STR(INVALID_SINCE));
	bool is_marked = read_date(x->job->arena, since, &since_s);
	if (is_marked && sp_str_cmp(since, x->oldest) >= 0)
		return SP_OK;
	x->all[x->n] = (candidate){ctl_hold(x->job->arena, o), is_marked};
	return x->all[x->n++].secret != NULL ? SP_OK : SP_ENOMEM;
}

/* ---- what is done ---- */

static sp_code ask(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const run *x = f->arg;
	const sp_object *o = x->all[i].secret;
	if (x->all[i].is_marked) {
		char revision[SP_NUM_TEXT_BYTES];
		const sp_delete_opts as_seen = {.revision = {revision, sp_print_u64(revision, o->revision)}};
		return ctl_deletion(x->job->arena, SP_SECRETS, o, &as_seen, q, err);
	}
	q->verb = SP_ASK_MERGE_PATCH;
	q->gvr = SP_SECRETS;
	q->ns = o->ns;
	q->name = o->name;
	q->body = sp_arena_printf(x->job->arena,
				  "{\"metadata\":{\"uid\":\"" SP_FMT "\",\"labels\":{\"" INVALID_SINCE
				  "\":\"" SP_FMT "\"}}}",
				  SP_ARG(o->uid), SP_ARG(x->today));
	return SP_OK;
}

/* What has changed or gone meanwhile is looked at in the next round. */
static sp_code on_each(fan *f, size_t i, const sp_answer *a)
{
	(void)f;
	(void)i;
	return a->code == SP_ECONFLICT || a->code == SP_ENOTFOUND ? SP_OK : a->code;
}

static void on_done(fan *f)
{
	run *x = f->arg;
	if (f->code != SP_OK)
		sp_job_done(x->job, f->code);
	else
		sp_job_again(x->job, ROUND_NS);
}

static void go_round(run *x)
{
	const sp_object *o;
	sp_code code = SP_OK;
	size_t n = 0;
	for (size_t at = 0; sp_informer_next(x->c->secrets, &at) != NULL;)
		n++;
	x->all = sp_try_new(x->job->arena, candidate, n + 1);
	x->today = date_of(x->job->arena, x->now_s);
	x->oldest = date_of(x->job->arena, x->now_s - x->c->unused_s);
	if (x->all == NULL || x->today.ptr == NULL || x->oldest.ptr == NULL)
		code = SP_ENOMEM;
	for (size_t at = 0; code == SP_OK && (o = sp_informer_next(x->c->secrets, &at)) != NULL;)
		code = look_at(x, o);
	if (code != SP_OK) {
		sp_job_done(x->job, code);
		return;
	}
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n,
		       .ask = ask,
		       .each = on_each,
		       .done = on_done,
		       .arg = x};
	fan_start(&x->fan);
}

/* Uses are noted since some time of that day. */
static void on_tracking(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	tracking_view v;
	int64_t since_s = 0;
	sp_code code = a->code;
	if (code == SP_OK)
		code = sp_view(x->job->arena, a->body, &tracking_desc, &v, NULL);
	if (code != SP_OK && code != SP_ENOTFOUND)
		sp_job_done(x->job, code);
	else if (code == SP_OK && read_date(x->job->arena, sp_vmap_str(v.data, SP_STR("since")), &since_s) &&
		 since_s + DAY_S + x->c->unused_s <= x->now_s)
		go_round(x);
	else
		sp_job_again(x->job, ROUND_NS);
}

static void sync_round(controller *base, sp_job *job)
{
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.c = SP_CONTAINER_OF(base, cleaner, base), .job = job, .now_s = ctl_now_s(base->world)};
	x->call = (sp_call){.done = on_tracking, .arg = x};
	sp_call_start(base->client, &x->call,
		      &(sp_ask){.verb = SP_ASK_GET,
				.gvr = SP_CONFIGMAPS,
				.ns = SP_STR("kube-system"),
				.name = SP_STR(TRACKING)});
}

/* ---- the controller ---- */

static void wake(controller *base)
{
	sp_queue_add(base->queue, SP_STR(ROUND_KEY));
}

static sp_code open_cleaner(controller *base, sp_err *err)
{
	cleaner *c = SP_CONTAINER_OF(base, cleaner, base);
	uint64_t unused_ns = base->config->legacy_token_unused_ns;
	c->unused_s = (int64_t)((unused_ns == 0 ? UNUSED_NS : unused_ns) / NS_PER_S);
	SP_TRY(sp_informers_get(
		base->informers,
		&(sp_informer_opts){.gvr = SP_SECRETS,
				    .field_selector = SP_STR("type=kubernetes.io/service-account-token")},
		&c->secrets, err));
	if (sp_informer_keep(c->secrets, &secret_desc) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for an informer");
	SP_TRY(controller_follow(base, SP_SERVICEACCOUNTS, &account_desc, &c->accounts, err));
	SP_TRY(controller_follow(base, SP_PODS, &pod_desc, &c->pods, err));
	return sp_informer_index(c->pods, sp_index_by_namespace, NULL, &c->pods_by_namespace, err);
}

const controller_type controller_legacy_tokens = {.name = "legacy-serviceaccount-token-cleaner-controller",
						  .account = "legacy-service-account-token-cleaner",
						  .size_bytes = sizeof(cleaner),
						  .n_workers = 1,
						  .open = open_cleaner,
						  .start = wake,
						  .sync = sync_round};
