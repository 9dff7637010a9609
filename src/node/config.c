/* SPDX-License-Identifier: Apache-2.0 */
#include "node/config.h"

#include "node/resources.h"
#include "node/security.h"
#include "node/seen.h"

sp_str node_log_dir(sp_arena *a, const node_place *place, const node_pod *p)
{
	return SP_CONCAT(a, place->log_root, SP_STR("/"), p->v.ns, SP_STR("_"), p->v.name, SP_STR("_"),
			 p->v.uid);
}
sp_str node_hosts_path(sp_arena *a, const node_place *place, const node_pod *p)
{
	return SP_CONCAT(a, place->root, SP_STR("/pods/"), p->v.uid, SP_STR("/etc-hosts"));
}

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "no memory for the configuration of a pod");
}

/* ---- lists ---- */

typedef struct pairs {
	sp_pb_pair *at;
	size_t n, cap;
} pairs;

static sp_code pairs_init(pairs *l, sp_arena *a, size_t cap, sp_err *err)
{
	*l = (pairs){.at = sp_try_new(a, sp_pb_pair, cap), .cap = cap};
	return l->at == NULL ? no_room(err) : SP_OK;
}
static void add(pairs *l, const char *key, sp_str value)
{
	SP_ASSERT(l->n < l->cap);
	l->at[l->n++] = (sp_pb_pair){sp_str_c(key), value};
}
static void add_map(pairs *l, sp_vmap map)
{
	yyjson_val *key, *val;
	size_t i, n;
	if (map.object == NULL)
		return;
	yyjson_obj_foreach(map.object, i, n, key, val)
	{
		SP_ASSERT(l->n < l->cap);
		l->at[l->n++] = (sp_pb_pair){sp_json_str(key), sp_json_str(val)};
	}
}

static sp_code texts(sp_arena *a, const sp_str *from, size_t n, sp_str **ret, size_t *ret_n, sp_err *err)
{
	*ret = sp_try_new(a, sp_str, n + 1);
	if (*ret == NULL)
		return no_room(err);
	if (n > 0)
		memcpy(*ret, from, n * sizeof *from);
	*ret_n = n;
	return SP_OK;
}

/* ---- the sandbox ---- */

static sp_code dns_config(const node_resolv *r, sp_arena *a, sp_cri_dns_config **ret, sp_err *err)
{
	sp_cri_dns_config *d = sp_try_new(a, sp_cri_dns_config, 1);
	if (d == NULL)
		return no_room(err);
	SP_TRY(texts(a, r->servers, r->n_servers, &d->servers.at, &d->servers.n, err));
	SP_TRY(texts(a, r->searches, r->n_searches, &d->searches.at, &d->searches.n, err));
	SP_TRY(texts(a, r->options, r->n_options, &d->options.at, &d->options.n, err));
	*ret = d;
	return SP_OK;
}

static int32_t protocol_of(sp_str text)
{
	return sp_str_eq(text, SP_STR("UDP"))    ? SP_CRI_UDP
	       : sp_str_eq(text, SP_STR("SCTP")) ? SP_CRI_SCTP
						 : SP_CRI_TCP;
}

static sp_code port_mappings(const node_pod *p, sp_arena *a, sp_cri_pod_sandbox_config *to, sp_err *err)
{
	size_t max = 0;
	for (size_t i = 0; i < p->n_init + p->n_regular; i++)
		max += p->containers[i].v.ports.n;
	to->port_mappings.at = sp_try_new(a, sp_cri_port_mapping, max + 1);
	if (to->port_mappings.at == NULL)
		return no_room(err);
	for (size_t i = 0; i < p->n_init + p->n_regular; i++) {
		SP_VLIST_FOREACH(port, p->containers[i].v.ports)
		{
			int64_t host = yyjson_get_sint(sp_view_at(port, "hostPort"));
			int64_t inner = yyjson_get_sint(sp_view_at(port, "containerPort"));
			if (host == 0 || p->v.host_network)
				continue;
			to->port_mappings.at[to->port_mappings.n++] = (sp_cri_port_mapping){
				.protocol = protocol_of(sp_view_str_at(port, "protocol")),
				.container_port = (int32_t)inner,
				.host_port = (int32_t)host,
				.host_ip = sp_view_str_at(port, "hostIP")};
		}
	}
	return SP_OK;
}

static sp_code sysctls(const node_pod *p, sp_arena *a, sp_cri_linux_pod_sandbox_config *to, sp_err *err)
{
	yyjson_val *list = sp_view_at(p->v.security, "sysctls"), *item;
	size_t i, n;
	to->sysctls.at = sp_try_new(a, sp_pb_pair, yyjson_arr_size(list) + 1);
	if (to->sysctls.at == NULL)
		return no_room(err);
	yyjson_arr_foreach(list, i, n, item)
	{
		to->sysctls.at[to->sysctls.n++] =
			(sp_pb_pair){sp_view_str_at(item, "name"), sp_view_str_at(item, "value")};
	}
	return SP_OK;
}

static sp_cri_linux_container_resources *resources_of(sp_arena *a, node_pod_limits limits)
{
	sp_cri_linux_container_resources *r = sp_try_new(a, sp_cri_linux_container_resources, 1);
	if (r != NULL)
		*r = (sp_cri_linux_container_resources){.cpu_period = NODE_CPU_PERIOD_US,
							.cpu_quota = limits.cpu_quota_us,
							.cpu_shares = limits.cpu_shares,
							.memory_limit_in_bytes = limits.memory_bytes};
	return r;
}

static sp_code sandbox_linux(const node_pod *p, const node_place *place, sp_arena *a,
			     sp_cri_linux_pod_sandbox_config **ret, sp_err *err)
{
	sp_cri_linux_pod_sandbox_config *l = sp_try_new(a, sp_cri_linux_pod_sandbox_config, 1);
	if (l == NULL)
		return no_room(err);
	l->resources = resources_of(a, node_sandbox_limits_of(p));
	l->overhead = sp_vmap_count(p->v.overhead) > 0 ? resources_of(a, node_overhead_limits_of(p))
						       : sp_try_new(a, sp_cri_linux_container_resources, 1);
	if (l->resources == NULL || l->overhead == NULL)
		return no_room(err);
	l->cgroup_parent = node_pod_cgroup(a, place->cgroup_root, p, place->systemd);
	if (l->cgroup_parent.ptr == NULL)
		return no_room(err);
	if (place->systemd) /* runtimes with that driver take the slice's own name */
		l->cgroup_parent =
			sp_str_sub(l->cgroup_parent, (size_t)(sp_str_rindex(l->cgroup_parent, '/') + 1),
				   l->cgroup_parent.len);
	SP_TRY(sysctls(p, a, l, err));
	SP_TRY(node_sandbox_security(p, a, &l->security_context, err));
	*ret = l;
	return SP_OK;
}

static sp_code pod_labels(const node_pod *p, sp_arena *a, pairs *l, sp_err *err)
{
	SP_TRY(pairs_init(l, a, sp_vmap_count(p->v.labels) + 8, err));
	add_map(l, p->v.labels);
	add(l, NODE_LABEL_POD_NAME, p->v.name);
	add(l, NODE_LABEL_POD_NAMESPACE, p->v.ns);
	add(l, NODE_LABEL_POD_UID, p->v.uid);
	return SP_OK;
}

sp_code node_sandbox_config(const node_pod *p, const node_place *place, const node_resolv *dns,
			    uint32_t attempt, sp_arena *a, sp_cri_pod_sandbox_config **ret, sp_err *err)
{
	sp_cri_pod_sandbox_config *c = sp_try_new(a, sp_cri_pod_sandbox_config, 1);
	sp_cri_pod_sandbox_metadata *m = sp_try_new(a, sp_cri_pod_sandbox_metadata, 1);
	pairs labels, notes;
	sp_str domain;
	if (c == NULL || m == NULL)
		return no_room(err);
	*m = (sp_cri_pod_sandbox_metadata){
		.name = p->v.name, .uid = p->v.uid, .namespace = p->v.ns, .attempt = attempt};
	c->metadata = m;
	if (!p->v.host_network)
		SP_TRY(node_host_name(p, place->domain, a, &c->hostname, &domain, err));
	c->log_directory = node_log_dir(a, place, p);
	if (c->log_directory.ptr == NULL)
		return no_room(err);
	SP_TRY(dns_config(dns, a, &c->dns_config, err));
	SP_TRY(port_mappings(p, a, c, err));
	SP_TRY(pod_labels(p, a, &labels, err));
	SP_TRY(pairs_init(&notes, a, sp_vmap_count(p->v.annotations) + 1, err));
	add_map(&notes, p->v.annotations);
	c->labels.at = labels.at;
	c->labels.n = labels.n;
	c->annotations.at = notes.at;
	c->annotations.n = notes.n;
	SP_TRY(sandbox_linux(p, place, a, &c->linux_, err));
	*ret = c;
	return SP_OK;
}

/* ---- containers ---- */

static sp_code expanded_list(const node_container_input *in, sp_vlist list, sp_arena *a, sp_str **ret,
			     size_t *ret_n, sp_err *err)
{
	sp_str *at = sp_try_new(a, sp_str, list.n + 1);
	size_t n = 0;
	if (at == NULL)
		return no_room(err);
	SP_VLIST_FOREACH(item, list)
	{
		at[n] = node_expand_arena(a, sp_json_str(item), in->env);
		if (at[n++].ptr == NULL)
			return no_room(err);
	}
	*ret = at;
	*ret_n = n;
	return SP_OK;
}

static sp_code envs(const node_container_input *in, sp_arena *a, sp_cri_container_config *c, sp_err *err)
{
	c->envs.at = sp_try_new(a, sp_cri_key_value, in->env->n + 1);
	if (c->envs.at == NULL)
		return no_room(err);
	for (size_t i = 0; i < in->env->n; i++)
		c->envs.at[c->envs.n++] = (sp_cri_key_value){in->env->at[i].name, in->env->at[i].value};
	return SP_OK;
}

static sp_code as_json(sp_arena *a, yyjson_val *v, sp_str *ret, sp_err *err)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)256 << 10);
	SP_TRY(sp_json_write(&out, v));
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	return ret->ptr == NULL ? no_room(err) : SP_OK;
}

static sp_code container_notes(const node_container_input *in, sp_arena *a, sp_cri_container_config *c,
			       sp_err *err)
{
	const node_container *k = in->c;
	pairs notes;
	SP_TRY(pairs_init(&notes, a, 8, err));
	sp_str hash = sp_arena_printf(a, "%llx", (unsigned long long)k->hash),
	       restarts = sp_arena_printf(a, "%u", in->restarts);
	sp_str grace =
		sp_arena_printf(a, "%lld", (long long)(in->pod->v.has_grace_s ? in->pod->v.grace_s : 30));
	if (hash.ptr == NULL || restarts.ptr == NULL || grace.ptr == NULL)
		return no_room(err);
	add(&notes, NODE_NOTE_HASH, hash);
	add(&notes, NODE_NOTE_RESTARTS, restarts);
	add(&notes, NODE_NOTE_MESSAGE_PATH, k->v.termination_path);
	add(&notes, NODE_NOTE_MESSAGE_POLICY, k->v.termination_policy);
	add(&notes, NODE_NOTE_GRACE, grace);
	if (k->v.pre_stop != NULL) {
		sp_str text;
		SP_TRY(as_json(a, k->v.pre_stop, &text, err));
		add(&notes, NODE_NOTE_PRE_STOP, text);
	}
	c->annotations.at = notes.at;
	c->annotations.n = notes.n;
	return SP_OK;
}

static sp_code container_labels(const node_container_input *in, sp_arena *a, sp_cri_container_config *c,
				sp_err *err)
{
	pairs labels;
	SP_TRY(pairs_init(&labels, a, 4, err));
	add(&labels, NODE_LABEL_POD_NAME, in->pod->v.name);
	add(&labels, NODE_LABEL_POD_NAMESPACE, in->pod->v.ns);
	add(&labels, NODE_LABEL_POD_UID, in->pod->v.uid);
	add(&labels, NODE_LABEL_CONTAINER, in->c->name);
	c->labels.at = labels.at;
	c->labels.n = labels.n;
	return SP_OK;
}

/* None of a size that is not asked for, of all sizes that there are. U: GetHugepageLimitsFromResources. */
static sp_code huge_limits(const node_container_input *in, sp_arena *a, sp_cri_linux_container_resources *r,
			   sp_err *err)
{
	const node_huge_sizes *sizes = &in->place->huge;
	r->hugepage_limits.at = sp_try_new(a, sp_cri_hugepage_limit, sizes->n + 1);
	if (r->hugepage_limits.at == NULL)
		return no_room(err);
	for (size_t i = 0; i < sizes->n; i++) {
		char resource[NODE_HUGE_NAME_BYTES], name[NODE_HUGE_NAME_BYTES];
		node_huge_resource(sizes->at[i].page_bytes, resource);
		node_huge_cgroup_name(sizes->at[i].page_bytes, name);
		int64_t limit = node_container_limit(in->pod, in->c, sp_str_c(resource));
		sp_cri_hugepage_limit *one = &r->hugepage_limits.at[r->hugepage_limits.n++];
		one->page_size = sp_arena_try_dup(a, sp_str_c(name));
		one->limit = (uint64_t)SP_MAX(limit, 0);
		if (one->page_size.ptr == NULL)
			return no_room(err);
	}
	return SP_OK;
}

static sp_code container_linux(const node_container_input *in, sp_arena *a,
			       sp_cri_linux_container_config **ret, sp_err *err)
{
	sp_cri_linux_container_config *l = sp_try_new(a, sp_cri_linux_container_config, 1);
	sp_cri_linux_container_resources *r = sp_try_new(a, sp_cri_linux_container_resources, 1);
	if (l == NULL || r == NULL)
		return no_room(err);
	node_container_limits limits = node_limits_of(in->pod, in->c, in->place->memory_capacity);
	*r = (sp_cri_linux_container_resources){.cpu_period = NODE_CPU_PERIOD_US,
						.cpu_quota = SP_MAX(limits.cpu_quota_us, 0),
						.cpu_shares = limits.cpu_shares,
						.memory_limit_in_bytes = limits.memory_bytes,
						.oom_score_adj = limits.oom_score_adj};
	SP_TRY(huge_limits(in, a, r, err));
	l->resources = r;
	const node_security_input security = {.pod = in->pod,
					      .c = in->c,
					      .seccomp_root = in->place->seccomp_root,
					      .target_id = in->target_id,
					      .has_image_uid = in->has_image_uid,
					      .image_uid = in->image_uid,
					      .image_user = in->image_user};
	SP_TRY(node_container_security(&security, a, &l->security_context, err));
	*ret = l;
	return SP_OK;
}

sp_code node_container_config(const node_container_input *in, sp_arena *a, sp_cri_container_config **ret,
			      sp_err *err)
{
	const node_container *k = in->c;
	sp_cri_container_config *c = sp_try_new(a, sp_cri_container_config, 1);
	sp_cri_container_metadata *m = sp_try_new(a, sp_cri_container_metadata, 1);
	sp_cri_image_spec *image = sp_try_new(a, sp_cri_image_spec, 1);
	if (c == NULL || m == NULL || image == NULL)
		return no_room(err);
	*m = (sp_cri_container_metadata){.name = k->name, .attempt = in->attempt};
	*image = (sp_cri_image_spec){.image = in->image_ref, .user_specified_image = k->v.image};
	c->metadata = m;
	c->image = image;
	c->working_dir = k->v.working_dir;
	c->stdin = k->v.stdin;
	c->stdin_once = k->v.stdin_once;
	c->tty = k->v.tty;
	c->mounts.at = (sp_cri_mount *)(uintptr_t)in->mounts;
	c->mounts.n = in->n_mounts;
	c->log_path = sp_arena_printf(a, SP_FMT "/%u.log", SP_ARG(k->name), in->attempt);
	if (c->log_path.ptr == NULL)
		return no_room(err);
	SP_TRY(expanded_list(in, k->v.command, a, &c->command.at, &c->command.n, err));
	SP_TRY(expanded_list(in, k->v.args, a, &c->args.at, &c->args.n, err));
	SP_TRY(envs(in, a, c, err));
	SP_TRY(container_labels(in, a, c, err));
	SP_TRY(container_notes(in, a, c, err));
	SP_TRY(container_linux(in, a, &c->linux_, err));
	*ret = c;
	return SP_OK;
}
