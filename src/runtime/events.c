/* SPDX-License-Identifier: Apache-2.0 */
/* Events of containers to whoever subscribed. U: containerd pkg/cri/server/events.go, "GetContainerEvents".
 */
#include "base/alloc.h"
#include "runtime/rt_int.h"

typedef struct subscriber {
	sp_list node;
	sp_cri_events *to;
} subscriber;

void rt_subscribe(sp_cri *cri, sp_cri_events *e)
{
	rt *r = SP_CONTAINER_OF(cri, rt, cri);
	subscriber *s = SP_NEW(subscriber);
	*s = (subscriber){.to = e};
	e->impl = s;
	sp_list_push_back(&r->subscribers, &s->node);
}

void rt_unsubscribe(sp_cri *cri, sp_cri_events *e)
{
	subscriber *s = e->impl;
	(void)cri;
	if (s == NULL)
		return;
	e->impl = NULL;
	sp_list_remove(&s->node);
	sp_free(s);
}

static void emit(rt *r, rt_sandbox *s, sp_str id, int32_t type)
{
	if (sp_list_is_empty(&r->subscribers))
		return;
	sp_arena a;
	sp_arena_init(&a, RT_JOB_BYTES);
	sp_cri_container_event_response e = {.container_id = id,
					     .container_event_type = type,
					     .created_at = sp_wall_ns(r->world),
					     .pod_sandbox_status = rt_sandbox_status(s, &a)};
	size_t n = 0;
	SP_LIST_FOREACH (node, &s->containers) {
		(void)node;
		n++;
	}
	e.containers_statuses.at = sp_new(&a, sp_cri_container_status, n + 1);
	SP_LIST_FOREACH (node, &s->containers) {
		rt_container *c = SP_CONTAINER_OF(node, rt_container, node);
		e.containers_statuses.at[e.containers_statuses.n++] = *rt_container_status(c, &a);
	}
	SP_LIST_FOREACH (node, &r->subscribers) {
		sp_cri_events *to = SP_CONTAINER_OF(node, subscriber, node)->to;
		to->on_event(to, &e);
	}
	sp_arena_done(&a);
}

void rt_emit(rt_container *c, int32_t type)
{
	emit(c->r, c->sandbox, c->rec.id, type);
}

void rt_emit_sandbox(rt_sandbox *s, int32_t type)
{
	emit(s->r, s, s->rec.id, type);
}
