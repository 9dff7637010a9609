/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_out.h"
#include "node/conditions.h"

static void out_time(sp_jout *j, sp_str key, int64_t ns)
{
	char text[SP_TIME_TEXT_BYTES];
	int64_t s = ns / 1000000000 - (ns % 1000000000 < 0);
	size_t n = sp_time_print(text, (sp_time){.seconds = s}, 0);
	sp_jout_key(j, key);
	if (n == 0)
		sp_jout_null(j);
	else
		sp_jout_str(j, (sp_str){text, n});
}
static void out_time_or_null(sp_jout *j, sp_str key, int64_t ns)
{
	if (ns == 0)
		sp_jout_member_raw(j, key, SP_STR("null"));
	else
		out_time(j, key, ns);
}
static void out_text(sp_jout *j, sp_str key, sp_str value)
{
	if (value.len != 0)
		sp_jout_member_str(j, key, value);
}
/* For members of ours that must vanish from the stored status when they are empty. */
static void out_text_or_null(sp_jout *j, sp_str key, sp_str value)
{
	if (value.len != 0)
		sp_jout_member_str(j, key, value);
	else
		sp_jout_member_raw(j, key, SP_STR("null"));
}

static void out_ended(sp_jout *j, const node_ended *e)
{
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("terminated"), '{');
	sp_jout_member_i64(j, SP_STR("exitCode"), e->exit_code);
	if (e->signal != 0)
		sp_jout_member_i64(j, SP_STR("signal"), e->signal);
	out_text(j, SP_STR("reason"), e->reason);
	out_text(j, SP_STR("message"), e->message);
	out_time_or_null(j, SP_STR("startedAt"), e->started_ns);
	out_time_or_null(j, SP_STR("finishedAt"), e->finished_ns);
	out_text(j, SP_STR("containerID"), e->container_id);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

static void out_state(sp_jout *j, const node_container_status *s)
{
	if (s->is == NODE_IS_TERMINATED) {
		out_ended(j, &s->ended);
		return;
	}
	sp_jout_open(j, '{');
	if (s->is == NODE_IS_RUNNING) {
		sp_jout_member_open(j, SP_STR("running"), '{');
		out_time_or_null(j, SP_STR("startedAt"), s->running_since_ns);
	} else {
		sp_jout_member_open(j, SP_STR("waiting"), '{');
		out_text(j, SP_STR("reason"), s->waiting.reason);
		out_text(j, SP_STR("message"), s->waiting.message);
	}
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

/* Where volumes are mounted, as the spec says. U: convertToAPIContainerStatuses, RecursiveReadOnlyMounts. */
static void out_mounts(sp_jout *j, const node_container *c)
{
	if (c->v.mounts.n == 0)
		return;
	sp_jout_member_open(j, SP_STR("volumeMounts"), '[');
	SP_VLIST_FOREACH(item, c->v.mounts)
	{
		sp_jout_open(j, '{');
		out_text(j, SP_STR("name"), sp_view_str_at(item, "name"));
		out_text(j, SP_STR("mountPath"), sp_view_str_at(item, "mountPath"));
		if (yyjson_get_bool(sp_view_at(item, "readOnly"))) {
			sp_jout_member_bool(j, SP_STR("readOnly"), true);
			sp_jout_member_str(j, SP_STR("recursiveReadOnly"), SP_STR("Disabled"));
		}
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}

static sp_code out_json(sp_jout *j, sp_str key, yyjson_val *v)
{
	if (yyjson_obj_size(v) == 0)
		return SP_OK;
	SP_AUTO_BUF text;
	sp_buf_init(&text, (size_t)64 << 10);
	SP_TRY(sp_json_write(&text, v));
	sp_jout_member_raw(j, key, sp_buf_view(&text));
	return SP_OK;
}

/* A list of amounts as granted, but for those of which others are in force. */
static sp_code out_amounts(sp_jout *j, sp_str key, sp_vmap granted, sp_str cpu, sp_str memory)
{
	if (cpu.len == 0 && memory.len == 0)
		return out_json(j, key, granted.object);
	sp_jout_member_open(j, key, '{');
	size_t i, n;
	yyjson_val *key_val, *value;
	yyjson_obj_foreach(granted.object, i, n, key_val, value)
	{
		sp_str name = sp_json_str(key_val);
		if (!(sp_str_eq(name, SP_STR("cpu")) && cpu.len != 0) &&
		    !(sp_str_eq(name, SP_STR("memory")) && memory.len != 0))
			sp_jout_member_str(j, name, sp_json_str(value));
	}
	out_text(j, SP_STR("cpu"), cpu);
	out_text(j, SP_STR("memory"), memory);
	sp_jout_close(j, '}');
	return SP_OK;
}

static sp_code out_resources(sp_jout *j, const node_container_status *s)
{
	const node_container *c = s->container;
	if (!s->has_resources || c->role == NODE_EPHEMERAL)
		return SP_OK;
	SP_TRY(out_json(j, SP_STR("allocatedResources"), c->v.requests.object));
	sp_jout_member_open(j, SP_STR("resources"), '{');
	SP_TRY(out_amounts(j, SP_STR("limits"), c->v.limits, s->cpu_limit, s->memory_limit));
	SP_TRY(out_amounts(j, SP_STR("requests"), c->v.requests, s->cpu_request, s->memory_request));
	sp_jout_close(j, '}');
	return SP_OK;
}

static sp_code out_container(sp_jout *j, const node_container_status *s)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("name"), s->container->name);
	sp_jout_key(j, SP_STR("state"));
	out_state(j, s);
	sp_jout_key(j, SP_STR("lastState"));
	if (s->has_last) {
		out_ended(j, &s->last);
	} else {
		sp_jout_open(j, '{');
		sp_jout_close(j, '}');
	}
	sp_jout_member_bool(j, SP_STR("ready"), s->ready);
	sp_jout_member_i64(j, SP_STR("restartCount"), s->restarts);
	sp_jout_member_str(j, SP_STR("image"), s->image);
	sp_jout_member_str(j, SP_STR("imageID"), s->image_id);
	out_text(j, SP_STR("containerID"), s->container_id);
	if (s->has_started)
		sp_jout_member_bool(j, SP_STR("started"), s->started);
	SP_TRY(out_resources(j, s));
	out_mounts(j, s->container);
	if (s->has_user) {
		sp_jout_member_open(j, SP_STR("user"), '{');
		sp_jout_member_open(j, SP_STR("linux"), '{');
		sp_jout_member_i64(j, SP_STR("uid"), s->uid);
		sp_jout_member_i64(j, SP_STR("gid"), s->gid);
		if (s->n_groups > 0)
			sp_jout_member_open(j, SP_STR("supplementalGroups"), '[');
		for (size_t i = 0; i < s->n_groups; i++)
			sp_jout_i64(j, s->groups[i]);
		if (s->n_groups > 0)
			sp_jout_close(j, ']');
		sp_jout_close(j, '}');
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, '}');
	return SP_OK;
}

/* By name, and of one name (a file's pod is not validated) by place. */
static bool is_before(const node_container_status *a, const node_container_status *b)
{
	int order = sp_str_cmp(a->container->name, b->container->name);
	return order < 0 || (order == 0 && a < b);
}

/* The one that comes next after `last`; NULL: the first. */
static const node_container_status *next_by_name(const node_container_status *s, size_t n,
						 const node_container_status *last)
{
	const node_container_status *best = NULL;
	for (size_t i = 0; i < n; i++) {
		if ((last == NULL || is_before(last, &s[i])) && (best == NULL || is_before(&s[i], best)))
			best = &s[i];
	}
	return best;
}

/* Init containers in the pod's order, others by name. U: SortInitContainerStatuses, SortedContainerStatuses.
 */
static sp_code out_containers(sp_jout *j, sp_str key, const node_container_status *s, size_t n)
{
	const node_container_status *at = NULL;
	if (n == 0)
		return SP_OK;
	bool by_name = s[0].container->role != NODE_INIT;
	sp_jout_member_open(j, key, '[');
	for (size_t i = 0; i < n; i++) {
		at = by_name ? next_by_name(s, n, at) : &s[i];
		SP_TRY(out_container(j, at));
	}
	sp_jout_close(j, ']');
	return SP_OK;
}

/* ---- conditions ---- */

static yyjson_val *old_condition(const node_pod *p, sp_str type)
{
	SP_VLIST_FOREACH(item, p->v.conditions)
	{
		if (sp_str_eq(sp_view_str_at(item, "type"), type))
			return item;
	}
	return NULL;
}

static void out_condition(sp_jout *j, const node_pod *p, const node_condition *c, int64_t now_ns)
{
	yyjson_val *old = old_condition(p, c->type);
	sp_str status = c->is_true ? SP_STR("True") : SP_STR("False");
	sp_str since = sp_view_str_at(old, "lastTransitionTime");
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("type"), c->type);
	int64_t generation = c->generation > 0 ? c->generation : p->v.generation;
	if (generation > 0)
		sp_jout_member_i64(j, SP_STR("observedGeneration"), generation);
	sp_jout_member_str(j, SP_STR("status"), status);
	sp_jout_member_raw(j, SP_STR("lastProbeTime"), SP_STR("null"));
	if (now_ns == 0)
		; /* a text to compare, without times */
	else if (since.len != 0 && sp_str_eq(sp_view_str_at(old, "status"), status))
		sp_jout_member_str(j, SP_STR("lastTransitionTime"), since);
	else
		out_time(j, SP_STR("lastTransitionTime"), now_ns);
	out_text_or_null(j, SP_STR("reason"), c->reason);
	out_text_or_null(j, SP_STR("message"), c->message);
	sp_jout_close(j, '}');
}

/* Conditions that are there for a while only: the API must lose them. */
static void out_gone_conditions(sp_jout *j, const node_pod *p, const node_status *s)
{
	static const sp_str passing[] = {SP_STR_INIT("PodResizePending"), SP_STR_INIT("PodResizeInProgress")};
	for (size_t i = 0; i < SP_LEN(passing); i++) {
		bool is_there = false;
		for (size_t k = 0; k < s->n_conditions; k++)
			is_there |= sp_str_eq(s->conditions[k].type, passing[i]);
		if (is_there || old_condition(p, passing[i]) == NULL)
			continue;
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("$patch"), SP_STR("delete"));
		sp_jout_member_str(j, SP_STR("type"), passing[i]);
		sp_jout_close(j, '}');
	}
}

static void out_addresses(sp_jout *j, sp_str one, sp_str many, const sp_str *ips, size_t n)
{
	if (n == 0)
		return;
	sp_jout_member_str(j, one, ips[0]);
	sp_jout_member_open(j, many, '[');
	/* Addresses of an earlier sandbox don't stay: the list is replaced, not merged. */
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("$patch"), SP_STR("replace"));
	sp_jout_close(j, '}');
	for (size_t i = 0; i < n; i++) {
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("ip"), ips[i]);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}

static sp_code out_all_containers(sp_jout *j, const node_pod *p, const node_status *s)
{
	SP_TRY(out_containers(j, SP_STR("initContainerStatuses"), s->containers, p->n_init));
	SP_TRY(out_containers(j, SP_STR("containerStatuses"), s->containers + p->n_init, p->n_regular));
	return out_containers(j, SP_STR("ephemeralContainerStatuses"),
			      s->containers + p->n_init + p->n_regular, p->n_ephemeral);
}

sp_code node_status_json(sp_buf *out, const node_status_input *in, const node_status *s, int64_t now_ns,
			 sp_err *err)
{
	const node_pod *p = in->pod;
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	if (p->v.generation > 0)
		sp_jout_member_i64(&j, SP_STR("observedGeneration"), p->v.generation);
	sp_jout_member_str(&j, SP_STR("phase"), s->told_phase);
	out_text_or_null(&j, SP_STR("message"), s->told_message);
	out_text_or_null(&j, SP_STR("reason"), s->told_reason);
	if (!in->is_rejected) {
		sp_jout_member_open(&j, SP_STR("conditions"), '[');
		for (size_t i = 0; i < s->n_conditions; i++)
			out_condition(&j, p, &s->conditions[i], now_ns);
		out_gone_conditions(&j, p, s);
		sp_jout_close(&j, ']');
		out_addresses(&j, SP_STR("hostIP"), SP_STR("hostIPs"), s->host_ips, s->n_host_ips);
		out_addresses(&j, SP_STR("podIP"), SP_STR("podIPs"), s->ips, s->n_ips);
	}
	if (now_ns == 0)
		;
	else if (p->v.has_start)
		out_time(&j, SP_STR("startTime"), sp_time_ns(p->v.start));
	else
		out_time(&j, SP_STR("startTime"), now_ns);
	sp_jout_member_str(&j, SP_STR("qosClass"), s->qos);
	sp_code code = in->is_rejected ? SP_OK : out_all_containers(&j, p, s);
	sp_jout_close(&j, '}');
	if (code == SP_OK)
		code = sp_buf_code(out);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "a pod's status is too large");
}
