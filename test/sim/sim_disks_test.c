/* SPDX-License-Identifier: Apache-2.0 */
/* File systems that the node agent tells of: never looked at while somebody waits for the answer. */
#include "lib/node_rig.h"
#include "lib/t.h"
#include "node/disks.h"

SP_TEST(sim_disks, what_was_seen_last)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_run(r, 5 * SECOND);
	unsigned looks = nr_n_looks;
	T_TRUE(node_disks_get(r->agent, SP_STR("/images")) == NULL);
	T_EQ_U64(nr_n_looks, looks); /* by a job, later */
	nr_run(r, SECOND);
	T_EQ_U64(nr_n_looks, looks + 1);
	const node_disk *d = node_disks_get(r->agent, SP_STR("/images"));
	T_TRUE(d != NULL);
	T_EQ_U64(d->available, nr_disk.available);
	nr_disk.available = 4711;
	nr_run(r, 21 * SECOND);
	d = node_disks_get(r->agent, SP_STR("/images"));
	T_TRUE(d != NULL);
	T_EQ_U64(d->available, 4711);
	/* One that can't be looked at is none, and keeps no other from it. */
	T_TRUE(node_disks_get(r->agent, SP_STR("/nowhere")) == NULL);
	T_TRUE(node_disks_get(r->agent, SP_STR("")) == NULL);
	nr_run(r, 21 * SECOND);
	T_TRUE(node_disks_get(r->agent, SP_STR("/nowhere")) == NULL);
	T_TRUE(node_disks_get(r->agent, SP_STR("/images")) != NULL);
	/* Nobody asks any more: nor does the agent; then it begins anew. */
	nr_run(r, 320 * SECOND);
	T_TRUE(node_disks_get(r->agent, SP_STR("/images")) == NULL);
	nr_run(r, SECOND);
	T_TRUE(node_disks_get(r->agent, SP_STR("/images")) != NULL);
}

/* The agent ends while a look is under way. */
SP_TEST(sim_disks, the_end_during_a_look)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_run(r, 5 * SECOND);
	T_TRUE(node_disks_get(r->agent, SP_STR("/images")) == NULL);
	nr_agent_close(r);
	T_TRUE(nr_agent_open(r));
	nr_run(r, 5 * SECOND);
}
