/* SPDX-License-Identifier: Apache-2.0 */
/* Machines: a name, an address, a disk, and the program that lives there, again and again. */
#include <stdio.h>

#include "base/alloc.h"
#include "io/sim/sim_int.h"

#define FIRST_PORT 20000

static void boot_now(sim_event *e)
{
	sp_sim_host *h = SP_CONTAINER_OF(e, sp_sim_host, boot);
	if (h->main != NULL)
		return;
	h->is_off = false;
	h->main = sim_world_new(h, h->program);
	if (h->program != NULL)
		sim_world_start(h->main, h->arg);
}

sp_sim_host *sp_sim_host_new(sp_sim *s, const char *name, const sp_sim_program *program, void *arg)
{
	size_t len = strlen(name);
	SP_ASSERT(s->n_hosts < SP_SIM_HOSTS_MAX && len > 0 && len <= SP_SIM_NAME_BYTES);
	for (uint32_t i = 0; i < s->n_hosts; i++)
		SP_ASSERT(strcmp(s->hosts[i]->name, name) != 0);
	sp_sim_host *h = SP_NEW(sp_sim_host);
	h->sim = s;
	h->index = s->n_hosts;
	memcpy(h->name, name, len + 1);
	h->ip4[0] = 10;
	h->ip4[3] = (uint8_t)(h->index + 1);
	(void)snprintf(h->ip, sizeof h->ip, "10.0.0.%u", h->ip4[3]); /* fits */
	h->program = program;
	h->arg = arg;
	h->next_port = FIRST_PORT;
	h->disk = sim_disk_new();
	sim_event_init(&h->boot, NULL, SIM_BOOT, boot_now);
	s->hosts[s->n_hosts++] = h;
	if (program == NULL)
		boot_now(&h->boot);
	else
		sim_event_at(s, &h->boot, s->now_ns);
	return h;
}

const char *sp_sim_host_name(const sp_sim_host *h)
{
	return h->name;
}

const char *sp_sim_host_ip(const sp_sim_host *h)
{
	return h->ip;
}

sp_world *sp_sim_world(sp_sim_host *h)
{
	return h->main == NULL ? NULL : &h->main->base;
}

void *sp_sim_state(sp_sim_host *h)
{
	return h->main == NULL ? NULL : h->main->state;
}

void sp_sim_crash(sp_sim_host *h, uint64_t down_ns)
{
	sp_sim *s = h->sim;
	bool any = false;
	SP_LIST_FOREACH (n, &s->worlds) {
		sim_world *w = SP_CONTAINER_OF(n, sim_world, node);
		if (w->host != h || !w->alive)
			continue;
		sim_world_end(w, (sp_exit){.code = 128 + 9, .signal = 9});
		any = true;
	}
	if (!any)
		return;
	h->is_off = true;
	sim_disk_crash(h->disk, s);
	if (down_ns != UINT64_MAX && !s->ending)
		sim_event_at(s, &h->boot, s->now_ns + SP_MAX(down_ns, UINT64_C(1)));
}

void sp_sim_boot(sp_sim_host *h)
{
	if (h->main == NULL && !h->sim->ending)
		sim_event_at(h->sim, &h->boot, h->sim->now_ns);
}

void sp_sim_clock_jump(sp_sim_host *h, int64_t by_ns)
{
	h->wall_ns += by_ns;
}
