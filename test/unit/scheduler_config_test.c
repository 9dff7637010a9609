/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/t.h"
#include "scheduler/config.h"

#define HEAD "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"

static sp_code parse(const char *text, sched_config **ret)
{
	*ret = sp_new(T_ARENA, sched_config, 1);
	return sched_config_parse(T_ARENA, sp_str_c(text), *ret, T_ERR);
}

SP_TEST(scheduler_config, profiles_weights_and_arguments)
{
	sched_config *c;
	sp_code code = parse(HEAD "podInitialBackoffSeconds: 3\n"
				  "profiles:\n"
				  "- schedulerName: packer\n"
				  "  plugins:\n"
				  "    score:\n"
				  "      disabled: [{name: ImageLocality}]\n"
				  "      enabled: [{name: NodeResourcesFit, weight: 7}]\n"
				  "    postFilter: {disabled: [{name: DefaultPreemption}]}\n"
				  "  pluginConfig:\n"
				  "  - name: NodeResourcesFit\n"
				  "    args:\n"
				  "      scoringStrategy:\n"
				  "        type: MostAllocated\n"
				  "        resources: [{name: cpu, weight: 3}, {name: nvidia.com/gpu}]\n"
				  "  - name: InterPodAffinity\n"
				  "    args: {hardPodAffinityWeight: 9}\n"
				  "  - name: VolumeBinding\n"
				  "    args: {bindTimeoutSeconds: 7}\n"
				  "- schedulerName: default-scheduler\n",
			     &c);
	if (code == SP_EUNSUPPORTED)
		t_skip("no libyaml");
	T_OK(code);
	T_EQ_U64(c->n_profiles, 2);
	T_EQ_U64(c->initial_backoff_ns, UINT64_C(3000000000));
	const sched_profile *p = &c->profiles[0];
	T_EQ_C(p->scheduler_name, "packer");
	T_EQ_U64(p->bind_timeout_ns, UINT64_C(7000000000));
	T_EQ_U64(c->profiles[1].bind_timeout_ns, UINT64_C(600000000000));
	T_TRUE(!p->scores[SCHED_P_IMAGE_LOCALITY] && p->scores[SCHED_P_NODE_RESOURCES_FIT] && !p->preempts);
	T_EQ_I64(p->weights[SCHED_P_NODE_RESOURCES_FIT], 7);
	T_TRUE(p->strategy == SCHED_MOST_ALLOCATED);
	T_EQ_U64(p->n_fit, 2);
	T_EQ_I64(p->fit[0].weight, 3);
	T_EQ_C(p->fit[1].name, "nvidia.com/gpu");
	T_EQ_I64(p->hard_affinity_weight, 9);
	T_TRUE(c->profiles[1].scores[SCHED_P_IMAGE_LOCALITY] && c->profiles[1].preempts);
}

SP_TEST(scheduler_config, says_what_is_wrong)
{
	static const struct {
		const char *text, *message;
		sp_code code;
	} bad[] = {
		{"kind: Pod\n", "not a kubescheduler.config.k8s.io/v1 KubeSchedulerConfiguration", SP_EINVAL},
		{HEAD "profile: []\n", "the configuration: unknown field \"profile\"", SP_EINVAL},
		{HEAD "podMaxBackoffSeconds: -1\n", "podMaxBackoffSeconds is a number of seconds", SP_EINVAL},
		{HEAD "extenders: [{urlPrefix: http://x}]\n", "extenders are not supported", SP_EUNSUPPORTED},
		{HEAD "profiles: [{plugins: {score: {enabled: [{name: Luck}]}}}]\n",
		 "plugins: there is no plugin \"Luck\"", SP_EINVAL},
		{HEAD "profiles: [{pluginConfig: [{name: InterPodAffinity, args: {hardPodAffinityWeight: "
		      "101}}]}]\n",
		 "hardPodAffinityWeight is a number of 0 to 100", SP_EINVAL},
		{HEAD "profiles: [{schedulerName: a}, {schedulerName: a}]\n",
		 "profiles: schedulerName a twice", SP_EINVAL},
	};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		sched_config *c;
		t_row("%s", bad[i].text);
		sp_code code = parse(bad[i].text, &c);
		if (code == SP_EUNSUPPORTED && bad[i].code != code)
			t_skip("no libyaml");
		T_CODE(code, bad[i].code);
		T_EQ_C(sp_str_c(T_ERR->msg), bad[i].message);
	}
}
