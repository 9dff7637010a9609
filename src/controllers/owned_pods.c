/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/owned_pods.h"

#include "controllers/pods.h"

static sp_str owner_key(sp_arena *a, const sp_object *pod, const ctl_owner *o)
{
	return sp_object_key_join(a, pod->ns, o->name);
}

static bool is_ours(const owned_pods *p, const ctl_owner *o)
{
	return sp_str_eq(o->kind, sp_str_c(p->kind)) && sp_str_eq(o->api_version, sp_str_c(p->api_version));
}

/* An orphan: whoever might adopt it looks. */
static void wake_matching(owned_pods *p, const sp_object *pod)
{
	const sp_object *o;
	sp_index_at at = sp_informer_find(p->owners, p->by_namespace, pod->ns);
	while ((o = sp_index_next(&at)) != NULL)
		sp_queue_add(p->c->queue, o->key);
}

/* What of a pod decides who looks at it. */
typedef struct side {
	ctl_owner owner;
	yyjson_val *labels;
	bool is, is_owned, is_going;
} side;

static side read_side(sp_arena *a, const sp_object *pod)
{
	ctl_pod p;
	side s = {.is = pod != NULL && ctl_pod_read(a, pod, &p, NULL) == SP_OK};
	if (!s.is)
		return s;
	s.labels = p.labels.object;
	s.is_going = p.deleted.len > 0;
	s.is_owned = ctl_controller_of(p.owners, &s.owner);
	return s;
}

static bool same_labels(const side *a, const side *b)
{
	if (a->labels == NULL || b->labels == NULL)
		return a->labels == b->labels;
	return yyjson_equals(a->labels, b->labels);
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	owned_pods *p = arg;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	side was = read_side(&a, old), is = read_side(&a, now);
	if (was.is_owned && is_ours(p, &was.owner)) {
		sp_str key = owner_key(&a, old, &was.owner);
		if (now == NULL || is.is_going)
			sp_expect_deleted(&p->expect, key, old->uid);
		sp_queue_add(p->c->queue, key);
	}
	if (is.is_owned && is_ours(p, &is.owner)) {
		sp_str key = owner_key(&a, now, &is.owner);
		if (old == NULL)
			sp_expect_created(&p->expect, key);
		if (is.is_going)
			sp_expect_deleted(&p->expect, key, now->uid);
		sp_queue_add(p->c->queue, key);
	} else if (is.is && !is.is_owned && !is.is_going &&
		   (!was.is || was.is_owned || !same_labels(&was, &is))) {
		wake_matching(p, now);
	}
	sp_arena_done(&a);
}

void owned_pods_init(owned_pods *o, controller *c, const char *api_version, const char *kind)
{
	*o = (owned_pods){.c = c, .api_version = api_version, .kind = kind};
	sp_expect_init(&o->expect, c->world);
}

sp_code owned_pods_follow(owned_pods *o, sp_informer *owners, sp_informer *pods, sp_err *err)
{
	o->owners = owners;
	SP_TRY(sp_informer_index(owners, sp_index_by_namespace, NULL, &o->by_namespace, err));
	controller_watch(pods, &o->watch, on_pod, o);
	return SP_OK;
}

void owned_pods_done(owned_pods *o)
{
	sp_expect_done(&o->expect);
}

/* ---- what came of it ---- */

sp_code owned_pod_created(owned_pods *o, const sp_job *job, const sp_event_ref *owner, const sp_answer *a)
{
	if (a->code == SP_OK) {
		sp_str name = ctl_name_of_answer(job->arena, a);
		sp_events_emitf(o->c->events, owner, false, "SuccessfulCreate", "Created pod: " SP_FMT,
				SP_ARG(name));
		return SP_OK;
	}
	sp_expect_created(&o->expect, job->key); /* nothing will be seen of it */
	if (ctl_namespace_goes(a))
		return SP_OK; /* everything in it goes anyway */
	sp_events_emitf(o->c->events, owner, true, "FailedCreate", "Error creating: " SP_FMT,
			SP_ARG(a->message));
	return a->code;
}

sp_code owned_pod_deleted(owned_pods *o, const sp_job *job, const sp_event_ref *owner, const sp_object *pod,
			  const sp_answer *a)
{
	if (a->code == SP_OK) {
		sp_events_emitf(o->c->events, owner, false, "SuccessfulDelete", "Deleted pod: " SP_FMT,
				SP_ARG(pod->name));
		return SP_OK;
	}
	sp_expect_deleted(&o->expect, job->key, pod->uid);
	if (ctl_is_deleted(a))
		return SP_OK;
	sp_events_emitf(o->c->events, owner, true, "FailedDelete", "Error deleting: " SP_FMT,
			SP_ARG(a->message));
	return a->code;
}
