/* SPDX-License-Identifier: Apache-2.0 */
/* ListMetricDescriptors, ListPodSandboxMetrics. */
#include "runtime/gather.h"
#include "runtime/metrics.h"

#define NS_PER_S 1000000000

sp_code rt_list_metric_descriptors(rt_job *j, sp_err *err)
{
	sp_cri_list_metric_descriptors_response *a =
		sp_new(&j->arena, sp_cri_list_metric_descriptors_response, 1);
	SP_TRY(rt_metric_descriptors(&j->arena, a, err));
	j->response = a;
	return SP_OK;
}

static sp_code every_sandbox(rt_job *j, sp_err *err)
{
	return rt_gather_sandboxes(j, NULL, true, err);
}

/* What was asked for; 0 and less is nothing. */
static uint64_t asked(int64_t v)
{
	return v > 0 ? (uint64_t)v : RT_NO_FIGURE;
}

static void add_known(rt_sample *s)
{
	const rt_container *c = s->c;
	const sp_cri_linux_container_config *l = c->rec.config->linux_;
	s->f.at[RT_LAST_SEEN_S] = asked(s->at / NS_PER_S);
	s->f.at[RT_STARTED_S] = asked(c->rec.started_at / NS_PER_S);
	if (l == NULL || l->resources == NULL)
		return;
	s->f.at[RT_SPEC_CPU_PERIOD] = asked(l->resources->cpu_period);
	s->f.at[RT_SPEC_CPU_QUOTA] = asked(l->resources->cpu_quota);
	s->f.at[RT_SPEC_CPU_SHARES] = asked(l->resources->cpu_shares);
	s->f.at[RT_SPEC_MEMORY_LIMIT] = asked(l->resources->memory_limit_in_bytes);
	s->f.at[RT_SPEC_MEMORY_SWAP_LIMIT] = asked(l->resources->memory_swap_limit_in_bytes);
}

static sp_str image_of(const sp_cri_container_config *config)
{
	const sp_cri_image_spec *i = config->image;
	if (i == NULL)
		return SP_STR("");
	return i->user_specified_image.len > 0 ? i->user_specified_image : i->image;
}

static sp_code container_metrics(rt_job *j, const rt_metric_subject *pod, rt_sample *s,
				 sp_cri_container_metrics *ret, sp_err *err)
{
	const sp_cri_container_config *config = s->c->rec.config;
	rt_metric_subject who = *pod;
	who.container = config->metadata->name;
	who.id = s->c->rec.id;
	who.image = image_of(config);
	add_known(s);
	*ret = (sp_cri_container_metrics){.container_id = s->c->rec.id};
	return rt_metrics_of(&who, &s->f, s->at, &j->arena, &ret->metrics.at, &ret->metrics.n, err);
}

/* Of the pod itself there is its network only; what its containers use they tell. */
static sp_code pod_metrics(rt_job *j, size_t index, sp_cri_pod_sandbox_metrics *ret, sp_err *err)
{
	const rt_gathering *g = j->data;
	const rt_sandbox *s = g->sandboxes[index];
	const sp_cri_pod_sandbox_metadata *meta = s->rec.config->metadata;
	rt_metric_subject who = {.pod = meta->name, .ns = meta->namespace, .id = s->rec.id};
	rt_figures network;
	rt_figures_init(&network);
	for (size_t i = RT_NET_RX_BYTES; i <= RT_NET_TX_ERRORS; i++)
		network.at[i] = g->pods[index].f.at[i];
	*ret = (sp_cri_pod_sandbox_metrics){.pod_sandbox_id = s->rec.id};
	SP_TRY(rt_metrics_of(&who, &network, g->pods[index].at, &j->arena, &ret->metrics.at, &ret->metrics.n,
			     err));
	size_t n = 0;
	for (size_t i = 0; i < g->n; i++)
		n += g->samples[i].c->sandbox == s;
	ret->container_metrics.at = sp_try_new(&j->arena, sp_cri_container_metrics, n + 1);
	if (ret->container_metrics.at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for metrics");
	for (size_t i = 0; i < g->n; i++) {
		if (g->samples[i].c->sandbox == s && g->samples[i].f.found)
			SP_TRY(container_metrics(j, &who, &g->samples[i],
						 &ret->container_metrics.at[ret->container_metrics.n++],
						 err));
	}
	return SP_OK;
}

static sp_code tell(rt_job *j, sp_err *err)
{
	const rt_gathering *g = j->data;
	sp_cri_list_pod_sandbox_metrics_response *a =
		sp_new(&j->arena, sp_cri_list_pod_sandbox_metrics_response, 1);
	a->pod_metrics.at = sp_try_new(&j->arena, sp_cri_pod_sandbox_metrics, g->n_sandboxes + 1);
	if (a->pod_metrics.at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for metrics");
	for (size_t i = 0; i < g->n_sandboxes; i++)
		SP_TRY(pod_metrics(j, i, &a->pod_metrics.at[a->pod_metrics.n++], err));
	j->response = a;
	return SP_OK;
}

rt_step *const rt_list_metrics_steps[] = {every_sandbox,         rt_gather_read, rt_gather_layers,
					  rt_gather_descriptors, tell,           NULL};
