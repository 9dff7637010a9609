/* SPDX-License-Identifier: Apache-2.0 */
/* A node as it would be with other pods on it. */
#include "scheduler/cycle.h"
#include "scheduler/plugins/volumes.h"

sched_overlay *sched_overlay_new(sched_cycle *c, uint32_t slot)
{
	sched_overlay *o = sp_try_new(&c->arena, sched_overlay, 1);
	if (o == NULL)
		return NULL;
	o->slot = slot;
	o->scalars = sp_try_new(&c->arena, int64_t, c->st->n_resources + 1);
	o->anti = sp_try_new(&c->arena, int64_t, c->spec->n_anti + 1);
	o->carried = sp_try_new(&c->arena, int64_t, c->spec->pc->n_carried + 1);
	o->spread = sp_try_new(&c->arena, int64_t, c->hard.n + 1);
	return o->scalars == NULL || o->anti == NULL || o->carried == NULL || o->spread == NULL ? NULL : o;
}

void *sched_room(sp_arena *a, void *list, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return list;
	size_t more = *cap * 2 + 8;
	void *grown = sp_arena_try_grow(a, list, *cap * size, more * size);
	if (grown != NULL)
		*cap = more;
	return grown;
}

static bool add_port(sched_cycle *c, sched_overlay *o, const sched_port *port, int sign)
{
	void *list = sched_room(&c->arena, o->ports, o->n_ports, &o->cap_ports, sizeof *o->ports);
	if (list == NULL)
		return false;
	o->ports = list;
	o->ports[o->n_ports++] = (struct sched_port_change){port, sign};
	return true;
}

static bool add_disks(sched_cycle *c, sched_overlay *o, const sched_pod *pod, int sign)
{
	void *list =
		sched_room(&c->arena, o->disk_pods, o->n_disk_pods, &o->cap_disk_pods, sizeof *o->disk_pods);
	if (list == NULL)
		return false;
	o->disk_pods = list;
	o->disk_pods[o->n_disk_pods++] = (struct sched_disk_change){pod, sign};
	return true;
}

/* What the pod has may stand in the way of what the incoming one wants. */
static bool counts_volumes(const sched_cycle *c, const sched_spec *s)
{
	bool attaches = c->volumes != NULL && c->volumes->n_attached > 0;
	return (s->n_disks > 0 && c->spec->n_disks > 0) || (attaches && s->n_claims + s->n_inlined > 0);
}

bool sched_overlay_pod(sched_cycle *c, sched_overlay *o, const sched_pod *pod, int sign)
{
	o->cpu += sign * pod->held.cpu_milli;
	o->memory += sign * pod->held.memory;
	o->ephemeral += sign * pod->held.ephemeral;
	o->pods += sign;
	for (uint32_t i = 0; i < pod->held.n_scalars; i++)
		o->scalars[pod->held.scalars[i].resource] += sign * pod->held.scalars[i].amount;
	for (size_t i = 0; i < pod->spec->n_ports && c->spec->n_ports > 0; i++) {
		if (!add_port(c, o, &pod->spec->ports[i], sign))
			return false;
	}
	if (counts_volumes(c, pod->spec) && !add_disks(c, o, pod, sign))
		return false;
	for (size_t p = 0; p < SCHED_PLUGINS_; p++) {
		if (c->profile->filters[p] && !c->skip_filter[p] && sched_plugins[p]->overlay != NULL)
			sched_plugins[p]->overlay(c, o, pod, sign);
	}
	return true;
}
