/* SPDX-License-Identifier: Apache-2.0 */
/* Variables out of files that an init container wrote. */
#include "lib/node_rig.h"
#include "lib/t.h"

#define FROM(path, more)                                                                                    \
	"\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],"                                                   \
	"\"initContainers\":[{\"name\":\"i\",\"image\":\"i\",\"command\":[" ENDS(                           \
		"0", "100") "],"                                                                            \
			    "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]}],"                   \
			    "\"containers\":[{\"name\":\"main\",\"image\":\"i\",\"command\":[" RUN          \
			    "],\"env\":["                                                                   \
			    "{\"name\":\"A\",\"valueFrom\":{\"fileKeyRef\":{\"volumeName\":\"v\",\"path\":" \
			    "\"" path "\","                                                                 \
			    "\"key\":\"KEY\"" more "}}},{\"name\":\"B\",\"value\":\"$(A)!\"}]}]"

static sp_str env_of(const node_rig *r, const char *name)
{
	const sp_cri_container_config *c = fake_cri_container(&r->cri, "main");
	for (size_t i = 0; c != NULL && i < c->envs.n; i++) {
		if (sp_str_eq(c->envs.at[i].key, sp_str_c(name)))
			return c->envs.at[i].value;
	}
	return SP_STR("-");
}

/* The file is read when the container is made; while it is not right the container waits, and says why. */
SP_TEST(sim_env_file, of_an_init_container)
{
	fake_file = (fake_text){.name = "conf/env", .text = "KEY='one\ntwo' # of two lines\n"};
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "p", FROM("conf/env", ""));
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "true", 60));
	T_EQ_C(env_of(r, "A"), "one\ntwo");
	T_EQ_C(env_of(r, "B"), "one\ntwo!");
	nr_delete(r, "p");
	nr_make(r, "gone", FROM("none", ""));
	T_TRUE(nr_becomes(r, "gone", STATUS(0) "state.waiting.reason", "CreateContainerConfigError", 60));
	T_EQ_C(nr_of(r, "gone", STATUS(0) "state.waiting.message"), "couldn't parse env file");
	T_TRUE(nr_has_event(r, "Failed", "Error: couldn't parse env file"));
	fake_file.name = "none";
	T_TRUE(nr_becomes(r, "gone", STATUS(0) "ready", "true", 60));
	fake_file.text = "OTHER='x'";
	nr_make(r, "optional", FROM("none", ",\"optional\":true"));
	T_TRUE(nr_becomes(r, "optional", STATUS(0) "ready", "true", 60));
	T_EQ_C(env_of(r, "A"), "-");
	T_EQ_C(env_of(r, "B"), "$(A)!");
	fake_file = (fake_text){0};
}
