/* SPDX-License-Identifier: Apache-2.0 */
/* Pods with users of their own: ranges of ids, in sandboxes, containers and mounts, and over restarts. */
#include "io/file.h"
#include "lib/node_rig.h"
#include "lib/t.h"

#define OWN_USERS "\"hostUsers\":false,"

/* The host's id of user 0 in the newest container of that name; 0: it has the host's users. */
static uint32_t first_id(node_rig *r, const char *container)
{
	const sp_cri_container_config *c = fake_cri_container(&r->cri, container);
	const sp_cri_user_namespace *u = c->linux_->security_context->namespace_options->userns_options;
	for (size_t i = 0; u->mode == SP_CRI_NAMESPACE_POD && i < c->mounts.n; i++) {
		const sp_cri_mount *m = &c->mounts.at[i];
		if (m->uid_mappings.n != 1 || m->gid_mappings.n != 1 ||
		    m->uid_mappings.at[0].host_id != u->uids.at[0].host_id)
			(void)t_fail(__FILE__, __LINE__, "a mount is not mapped");
	}
	return u->mode == SP_CRI_NAMESPACE_POD && u->uids.n == 1 && u->uids.at[0].length == 65536
		       ? u->uids.at[0].host_id
		       : 0;
}

SP_TEST(sim_userns, ranges_of_pods)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_run(r, 5 * SECOND);
	nr_make(r, "early", OWN_USERS "\"containers\":[" C("e", RUN) "]");
	nr_run(r, 5 * SECOND);
	T_TRUE(nr_has_event(
		r, "FailedCreatePodSandBox",
		"Failed to create pod sandbox: can't set `spec.hostUsers: false`, runtime does not "
		"support user namespaces"));
	T_EQ_U64(fake_cri_starts(&r->cri, "early", "e"), 0);
	/* Another runtime comes, which can. */
	r->cri.has_users = true;
	T_TRUE(nr_becomes(r, "early", STATUS(0) "ready", "true", 40));
	T_EQ_U64(first_id(r, "e"), 65536);
	nr_make(r, "two", OWN_USERS "\"containers\":[" C("t", RUN) "]");
	nr_make(r, "plain", "\"containers\":[" C("p", RUN) "]");
	T_TRUE(nr_becomes(r, "two", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "plain", STATUS(0) "ready", "true", 20));
	T_EQ_U64(first_id(r, "t"), 131072);
	T_EQ_U64(first_id(r, "p"), 0);
	/* What a pod gives back is given again. */
	nr_delete(r, "early");
	nr_run(r, 20 * SECOND);
	nr_make(r, "three", OWN_USERS "\"containers\":[" C("h", RUN) "]");
	T_TRUE(nr_becomes(r, "three", STATUS(0) "ready", "true", 20));
	T_EQ_U64(first_id(r, "h"), 65536);
	T_TRUE(r->cri.broken == NULL);
}

/* What stands in the directories of pods is nobody else's after a restart. */
SP_TEST(sim_userns, over_restarts)
{
	static const sp_str text =
		SP_STR_INIT("{\"uidMappings\":[{\"hostId\":65536,\"containerId\":0,\"length\":65536}],"
			    "\"gidMappings\":[{\"hostId\":65536,\"containerId\":0,\"length\":65536}]}");
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	r->cri.has_users = true;
	nr_agent_close(r);
	nr_make(r, "mine", OWN_USERS "\"containers\":[" C("m", RUN) "]");
	nr_make(r, "other", OWN_USERS "\"containers\":[" C("o", RUN) "]");
	sp_str dir = sp_arena_printf(T_ARENA, "/node/pods/" SP_FMT, SP_ARG(nr_of(r, "mine", "metadata.uid")));
	T_OK(sp_dir_make(r->machine.world, dir, 0750, T_ERR));
	T_OK(sp_file_replace(r->machine.world, SP_CONCAT(T_ARENA, dir, SP_STR("/userns")), text, 0644,
			     T_ERR));
	T_TRUE(nr_agent_open(r));
	T_TRUE(nr_becomes(r, "other", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "mine", STATUS(0) "ready", "true", 20));
	T_EQ_U64(first_id(r, "m"), 65536);
	T_EQ_U64(first_id(r, "o"), 131072);
	T_TRUE(r->cri.broken == NULL);
}

/* A pod that went while the agent was away, and of which the runtime has nothing: its directory goes, and its
 * range is given again. */
SP_TEST(sim_userns, of_a_pod_that_went)
{
	static const sp_str text =
		SP_STR_INIT("{\"uidMappings\":[{\"hostId\":65536,\"containerId\":0,\"length\":65536}],"
			    "\"gidMappings\":[{\"hostId\":65536,\"containerId\":0,\"length\":65536}]}");
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	r->cri.has_users = true;
	nr_agent_close(r);
	T_OK(sp_dir_make(r->machine.world, SP_STR("/node/pods/gone"), 0750, T_ERR));
	T_OK(sp_dir_make(r->machine.world, SP_STR("/logs/default_late_gone"), 0750, T_ERR));
	T_OK(sp_file_replace(r->machine.world, SP_STR("/node/pods/gone/userns"), text, 0644, T_ERR));
	fake_removed[0] = '\0';
	T_TRUE(nr_agent_open(r));
	nr_run(r, 20 * SECOND);
	T_EQ_C(sp_str_c(fake_removed), "/node/pods/gone /logs/default_late_gone ");
	nr_make(r, "next", OWN_USERS "\"containers\":[" C("n", RUN) "]");
	T_TRUE(nr_becomes(r, "next", STATUS(0) "ready", "true", 20));
	T_EQ_U64(first_id(r, "n"), 65536);
}
