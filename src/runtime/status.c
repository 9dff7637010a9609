/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of sandboxes and containers: statuses, lists, filters. */
#include <sys/utsname.h>

#include "base/num.h"
#include "base/version.h"
#include "runtime/handlers.h"
#include "runtime/rt_int.h"

/* ---- containers ---- */

static sp_cri_image_spec *image_spec(const rt_container *c, sp_arena *a)
{
	sp_cri_image_spec *spec = sp_new(a, sp_cri_image_spec, 1);
	if (c->rec.config->image != NULL)
		*spec = *c->rec.config->image;
	if (spec->user_specified_image.len > 0)
		spec->image = spec->user_specified_image;
	return spec;
}

static sp_cri_container_resources *resources(const rt_container *c, sp_arena *a)
{
	const sp_cri_linux_container_config *l = c->rec.config->linux_;
	if (l == NULL || l->resources == NULL)
		return NULL;
	sp_cri_container_resources *r = sp_new(a, sp_cri_container_resources, 1);
	r->linux_ = l->resources;
	return r;
}

static sp_cri_container_user *user(const rt_container *c, sp_arena *a)
{
	if (c->rec.user == NULL)
		return NULL;
	sp_cri_container_user *u = sp_new(a, sp_cri_container_user, 1);
	u->linux_ = c->rec.user;
	return u;
}

sp_cri_container_status *rt_container_status(rt_container *c, sp_arena *a)
{
	const sp_cri_container_config *config = c->rec.config;
	sp_cri_container_status *s = sp_new(a, sp_cri_container_status, 1);
	s->id = c->rec.id;
	s->metadata = config->metadata;
	s->state = rt_container_told_state(c);
	s->created_at = c->rec.created_at;
	s->started_at = c->starting ? c->starting_at : c->rec.started_at;
	s->finished_at = c->rec.finished_at;
	s->exit_code = c->rec.exit_code;
	s->image = image_spec(c, a);
	s->image_ref = s->image_id = c->rec.image_id;
	s->reason = c->rec.reason;
	s->message = c->rec.message;
	s->labels.at = config->labels.at;
	s->labels.n = config->labels.n;
	s->annotations.at = config->annotations.at;
	s->annotations.n = config->annotations.n;
	rt_image_mounts_tell(c->r, c->rec.id, config, a, s);
	s->log_path = c->rec.log_path;
	s->resources = resources(c, a);
	s->user = user(c, a);
	s->stop_signal = config->stop_signal;
	return s;
}

static void container_item(const rt_container *c, sp_arena *a, sp_cri_container *ret)
{
	const sp_cri_container_config *config = c->rec.config;
	*ret = (sp_cri_container){.id = c->rec.id,
				  .pod_sandbox_id = c->rec.sandbox_id,
				  .metadata = config->metadata,
				  .image = image_spec(c, a),
				  .image_ref = c->rec.image_id,
				  .image_id = c->rec.image_id,
				  .state = rt_container_told_state(c),
				  .created_at = c->rec.created_at};
	ret->labels.at = config->labels.at;
	ret->labels.n = config->labels.n;
	ret->annotations.at = config->annotations.at;
	ret->annotations.n = config->annotations.n;
}

/* ---- sandboxes ---- */

static int32_t sandbox_state(const rt_sandbox *s)
{
	return s->rec.phase == RT_SANDBOX_READY ? SP_CRI_SANDBOX_READY : SP_CRI_SANDBOX_NOTREADY;
}

static sp_cri_pod_sandbox_network_status *network(const rt_sandbox *s, sp_arena *a)
{
	sp_cri_pod_sandbox_network_status *n = sp_new(a, sp_cri_pod_sandbox_network_status, 1);
	if (s->rec.ips.n == 0)
		return n;
	n->ip = s->rec.ips.at[0];
	n->additional_ips.at = sp_new(a, sp_cri_pod_ip, s->rec.ips.n);
	for (size_t i = 1; i < s->rec.ips.n; i++)
		n->additional_ips.at[n->additional_ips.n++].ip = s->rec.ips.at[i];
	return n;
}

static sp_cri_linux_pod_sandbox_status *namespaces(const rt_sandbox *s, sp_arena *a)
{
	const sp_cri_linux_pod_sandbox_config *l = s->rec.config->linux_;
	sp_cri_linux_pod_sandbox_status *status = sp_new(a, sp_cri_linux_pod_sandbox_status, 1);
	status->namespaces = sp_new(a, sp_cri_namespace, 1);
	if (l != NULL && l->security_context != NULL)
		status->namespaces->options = l->security_context->namespace_options;
	return status;
}

sp_cri_pod_sandbox_status *rt_sandbox_status(rt_sandbox *s, sp_arena *a)
{
	const sp_cri_pod_sandbox_config *config = s->rec.config;
	sp_cri_pod_sandbox_status *t = sp_new(a, sp_cri_pod_sandbox_status, 1);
	t->id = s->rec.id;
	t->metadata = config->metadata;
	t->state = sandbox_state(s);
	t->created_at = s->rec.created_at;
	t->network = network(s, a);
	t->linux_ = namespaces(s, a);
	t->labels.at = config->labels.at;
	t->labels.n = config->labels.n;
	t->annotations.at = config->annotations.at;
	t->annotations.n = config->annotations.n;
	t->runtime_handler = s->rec.runtime_handler;
	return t;
}

static void sandbox_item(const rt_sandbox *s, sp_cri_pod_sandbox *ret)
{
	const sp_cri_pod_sandbox_config *config = s->rec.config;
	*ret = (sp_cri_pod_sandbox){.id = s->rec.id,
				    .metadata = config->metadata,
				    .state = sandbox_state(s),
				    .created_at = s->rec.created_at,
				    .runtime_handler = s->rec.runtime_handler};
	ret->labels.at = config->labels.at;
	ret->labels.n = config->labels.n;
	ret->annotations.at = config->annotations.at;
	ret->annotations.n = config->annotations.n;
}

/* ---- filters ---- */

bool rt_labels_match(const sp_pb_pair *wanted, size_t n_wanted, const sp_pb_pair *has, size_t n_has)
{
	for (size_t i = 0; i < n_wanted; i++) {
		bool found = false;
		for (size_t k = 0; k < n_has && !found; k++)
			found = sp_str_eq(wanted[i].key, has[k].key) &&
				sp_str_eq(wanted[i].value, has[k].value);
		if (!found)
			return false;
	}
	return true;
}

static bool container_fits(rt *r, const rt_container *c, const sp_cri_container_filter *f)
{
	const sp_cri_container_config *config = c->rec.config;
	return f == NULL ||
	       ((f->id.len == 0 || rt_find_container(r, f->id) == c) &&
		(f->state == NULL || f->state->state == rt_container_told_state(c)) &&
		(f->pod_sandbox_id.len == 0 || rt_find_sandbox(r, f->pod_sandbox_id) == c->sandbox) &&
		rt_labels_match(f->label_selector.at, f->label_selector.n, config->labels.at,
				config->labels.n));
}

static bool sandbox_fits(rt *r, const rt_sandbox *s, const sp_cri_pod_sandbox_filter *f)
{
	const sp_cri_pod_sandbox_config *config = s->rec.config;
	return f == NULL || ((f->id.len == 0 || rt_find_sandbox(r, f->id) == s) &&
			     (f->state == NULL || f->state->state == sandbox_state(s)) &&
			     rt_labels_match(f->label_selector.at, f->label_selector.n, config->labels.at,
					     config->labels.n));
}

/* ---- requests ---- */

sp_code rt_list_containers(rt_job *j, sp_err *err)
{
	const sp_cri_list_containers_request *q = j->request;
	sp_cri_list_containers_response *a = sp_new(&j->arena, sp_cri_list_containers_response, 1);
	a->containers.at = sp_try_new(&j->arena, sp_cri_container, sp_map_count(&j->r->containers) + 1);
	if (a->containers.at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the list");
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&j->r->containers, &i)) != NULL;) {
		if (container_fits(j->r, e->value, q->filter))
			container_item(e->value, &j->arena, &a->containers.at[a->containers.n++]);
	}
	j->response = a;
	return SP_OK;
}

sp_code rt_list_sandboxes(rt_job *j, sp_err *err)
{
	const sp_cri_list_pod_sandbox_request *q = j->request;
	sp_cri_list_pod_sandbox_response *a = sp_new(&j->arena, sp_cri_list_pod_sandbox_response, 1);
	a->items.at = sp_try_new(&j->arena, sp_cri_pod_sandbox, sp_map_count(&j->r->sandboxes) + 1);
	if (a->items.at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the list");
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&j->r->sandboxes, &i)) != NULL;) {
		const rt_sandbox *s = e->value;
		if (s->rec.phase != RT_SANDBOX_MAKING && sandbox_fits(j->r, s, q->filter))
			sandbox_item(s, &a->items.at[a->items.n++]);
	}
	j->response = a;
	return SP_OK;
}

/* `verbose`: what crictl inspect prints besides. */
static void verbose_info(rt_job *j, uint32_t pid, sp_pb_pair *ret)
{
	*ret = (sp_pb_pair){SP_STR("info"), sp_arena_printf(&j->arena, "{\"pid\":%u}", pid)};
}

sp_code rt_container_status_call(rt_job *j, sp_err *err)
{
	const sp_cri_container_status_request *q = j->request;
	rt_container *c;
	SP_TRY(rt_need_container(j->r, q->container_id, &c, err));
	rt_job_set_container(j, c);
	sp_cri_container_status_response *a = sp_new(&j->arena, sp_cri_container_status_response, 1);
	a->status = rt_container_status(c, &j->arena);
	if (q->verbose) {
		a->info.at = sp_new(&j->arena, sp_pb_pair, 1);
		a->info.n = 1;
		verbose_info(j, c->rec.state == SP_CRI_CONTAINER_RUNNING ? c->rec.pid : 0, a->info.at);
	}
	j->response = a;
	return SP_OK;
}

sp_code rt_sandbox_status_call(rt_job *j, sp_err *err)
{
	const sp_cri_pod_sandbox_status_request *q = j->request;
	rt_sandbox *s;
	SP_TRY(rt_need_sandbox(j->r, q->pod_sandbox_id, &s, err));
	rt_job_set_sandbox(j, s);
	sp_cri_pod_sandbox_status_response *a = sp_new(&j->arena, sp_cri_pod_sandbox_status_response, 1);
	a->status = rt_sandbox_status(s, &j->arena);
	a->timestamp = sp_wall_ns(j->r->world);
	size_t n = 0;
	SP_LIST_FOREACH (node, &s->containers) {
		(void)node;
		n++;
	}
	a->containers_statuses.at = sp_new(&j->arena, sp_cri_container_status, n + 1);
	SP_LIST_FOREACH (node, &s->containers) {
		rt_container *c = SP_CONTAINER_OF(node, rt_container, node);
		a->containers_statuses.at[a->containers_statuses.n++] = *rt_container_status(c, &j->arena);
	}
	if (q->verbose) {
		a->info.at = sp_new(&j->arena, sp_pb_pair, 1);
		a->info.n = 1;
		verbose_info(j, 0, a->info.at);
	}
	j->response = a;
	return SP_OK;
}

/* ---- of the runtime itself ---- */

sp_code rt_version(rt_job *j, sp_err *err)
{
	(void)err;
	sp_cri_version_response *a = sp_new(&j->arena, sp_cri_version_response, 1);
	*a = (sp_cri_version_response){.version = SP_STR("0.1.0"),
				       .runtime_name = SP_STR("sampan"),
				       .runtime_version = sp_str_c(SP_VERSION),
				       .runtime_api_version = SP_STR("v1")};
	j->response = a;
	return SP_OK;
}

static bool is_kernel(uint64_t want_major, uint64_t want_minor)
{
	struct utsname u;
	uint64_t major, minor;
	if (uname(&u) != 0)
		return false;
	sp_str rest = sp_str_c(u.release), first;
	size_t n = 0;
	if (!sp_str_cut(&rest, '.', &first))
		return false;
	while (n < rest.len && rest.ptr[n] >= '0' && rest.ptr[n] <= '9')
		n++;
	if (sp_parse_u64(first, 0, 1000, &major, NULL) != SP_OK ||
	    sp_parse_u64(sp_str_sub(rest, 0, n), 0, 1000, &minor, NULL) != SP_OK)
		return false;
	return major > want_major || (major == want_major && minor >= want_minor);
}

/* By mount_setattr, since Linux 5.12; every crun and runc of the distributions we build on knows the option.
 */
static bool has_recursive_read_only(void)
{
	return is_kernel(5, 12);
}

/* Overlays of ID-mapped layers came with 5.19; the machine may forbid user namespaces altogether. */
bool rt_can_map_users(const rt *r)
{
	return r->may_map_users && is_kernel(5, 19);
}

static void unwait_network(rt_job *j)
{
	j->r->opts->network->cancel(j->r->opts->network, &j->net);
}

static void on_looked(sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err)
{
	(void)a;
	rt_job_resume(c->arg, err);
}

sp_code rt_status_look(rt_job *j, sp_err *err)
{
	sp_pod_network *n = j->r->opts->network;
	(void)err;
	if (n->refresh == NULL)
		return SP_OK;
	j->net = (sp_pod_network_call){.done = on_looked, .arg = j};
	rt_job_wait(j);
	j->unwait = unwait_network;
	n->refresh(n, &j->net);
	return SP_OK;
}

sp_code rt_status(rt_job *j, sp_err *err)
{
	(void)err;
	sp_err why = {.msg = ""};
	sp_cri_status_response *a = sp_new(&j->arena, sp_cri_status_response, 1);
	a->status = sp_new(&j->arena, sp_cri_runtime_status, 1);
	sp_cri_runtime_condition *c = sp_new(&j->arena, sp_cri_runtime_condition, 2);
	c[0] = (sp_cri_runtime_condition){.type = SP_STR("RuntimeReady"), .status = true};
	c[1] = (sp_cri_runtime_condition){.type = SP_STR("NetworkReady"), .status = true};
	if (j->r->opts->network->ready(j->r->opts->network, &why) != SP_OK) {
		c[1].status = false;
		c[1].reason = SP_STR("NetworkPluginNotReady");
		c[1].message = sp_arena_try_dup(&j->arena, sp_str_c(why.msg));
	}
	a->status->conditions.at = c;
	a->status->conditions.n = 2;
	const sp_cri_runtime_handler_features features = {.recursive_read_only_mounts =
								  has_recursive_read_only(),
							  .user_namespaces = rt_can_map_users(j->r)};
	rt_handlers_tell(j->r->opts, &features, &j->arena, a);
	a->features = sp_new(&j->arena, sp_cri_runtime_features, 1);
	a->features->supplemental_groups_policy = true;
	j->response = a;
	return SP_OK;
}

sp_code rt_runtime_config(rt_job *j, sp_err *err)
{
	(void)err;
	sp_cri_runtime_config_response *a = sp_new(&j->arena, sp_cri_runtime_config_response, 1);
	a->linux_ = sp_new(&j->arena, sp_cri_linux_runtime_configuration, 1);
	a->linux_->cgroup_driver = SP_CRI_CGROUP_CGROUPFS;
	j->response = a;
	return SP_OK;
}
