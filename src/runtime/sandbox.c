/* SPDX-License-Identifier: Apache-2.0 */
/* RunPodSandbox, StopPodSandbox, RemovePodSandbox. U: containerd pkg/cri/server/sandbox_run.go,
 * sandbox_stop.go. */
#include "io/file.h"
#include "runtime/handlers.h"
#include "runtime/rt_int.h"

#define SHM_BYTES (UINT64_C(64) << 20)
#define HOST_FILE_BYTES ((size_t)1 << 20)
#define RESOURCES_BYTES 65536u

static const sp_cri_namespace_option *namespaces(const rt_sandbox *s)
{
	static const sp_cri_namespace_option none;
	const sp_cri_linux_pod_sandbox_config *l = s->rec.config->linux_;
	if (l == NULL || l->security_context == NULL || l->security_context->namespace_options == NULL)
		return &none;
	return l->security_context->namespace_options;
}

bool rt_sandbox_has_net(const rt_sandbox *s)
{
	return namespaces(s)->network != SP_CRI_NAMESPACE_NODE;
}

bool rt_sandbox_has_ipc(const rt_sandbox *s)
{
	return namespaces(s)->ipc != SP_CRI_NAMESPACE_NODE;
}

const sp_cri_user_namespace *rt_sandbox_users(const rt_sandbox *s)
{
	const sp_cri_user_namespace *u = namespaces(s)->userns_options;
	return u != NULL && u->mode == SP_CRI_NAMESPACE_POD ? u : NULL;
}

static bool is_whole(const sp_cri_id_mapping *m, size_t n)
{
	return n == 1 && m->container_id == 0 && m->length > 0 && m->host_id <= UINT32_MAX - m->length;
}

/* U: containerd internal/cri/server/podsandbox, parseUsernsIDs. */
static sp_code check_users(const rt *r, const sp_cri_namespace_option *o, sp_err *err)
{
	const sp_cri_user_namespace *u = o->userns_options;
	if (u == NULL || u->mode == SP_CRI_NAMESPACE_NODE)
		return SP_OK;
	if (u->mode != SP_CRI_NAMESPACE_POD)
		return sp_fail(err, SP_EINVAL, "user namespace mode %d is not supported", (int)u->mode);
	if (u->uids.n != 1 || u->gids.n != 1)
		return sp_fail(err, SP_EINVAL,
			       "a user namespace has one mapping of uids and one of gids, not %zu and %zu",
			       u->uids.n, u->gids.n);
	if (!is_whole(u->uids.at, u->uids.n) || !is_whole(u->gids.at, u->gids.n))
		return sp_fail(err, SP_EINVAL,
			       "the mapping of a user namespace has to begin with ID 0 of the container");
	if (o->network == SP_CRI_NAMESPACE_NODE || o->ipc == SP_CRI_NAMESPACE_NODE ||
	    o->pid == SP_CRI_NAMESPACE_NODE)
		return sp_fail(err, SP_EINVAL,
			       "a pod with a user namespace can't have namespaces of the host");
	if (!rt_can_map_users(r))
		return sp_fail(err, SP_EINVAL, "this kernel has no user namespaces with ID-mapped mounts");
	return SP_OK;
}

/* ---- running ---- */

typedef struct making {
	sp_str hosts, resolv;
	char hostname[256];
} making;

static sp_code begin(rt_job *j, sp_err *err)
{
	const sp_cri_run_pod_sandbox_request *q = j->request;
	rt_sandbox *s;
	if (q->config == NULL || q->config->metadata == NULL)
		return sp_fail(err, SP_EINVAL, "sandbox config must include metadata");
	sp_str options;
	if (rt_handler_options(j->r->opts, q->runtime_handler, &options, err) != SP_OK)
		return sp_wrap(err, "unable to get OCI runtime for sandbox");
	const rt_sandbox_record rec = {.id = rt_new_id(j->r, &j->arena),
				       .config = q->config,
				       .runtime_handler = q->runtime_handler,
				       .created_at = sp_wall_ns(j->r->world),
				       .phase = RT_SANDBOX_MAKING};
	SP_TRY(rt_sandbox_new(j->r, &rec, &s, err));
	rt_job_set_sandbox(j, s);
	rt_sandbox_unref(s); /* the job has it */
	const sp_cri_namespace_option *o = namespaces(s);
	SP_TRY(check_users(j->r, o, err));
	j->data = sp_new(&j->arena, making, 1);
	return rt_sandbox_list(s, err);
}

/* ---- files of the pod ---- */

/* On a worker: what pods without settings of their own share with the host. */
static void read_host_files(sp_work *work)
{
	rt_job *j = work->arg;
	making *m = j->data;
	sp_world *w = j->r->world;
	/* What is missing on the host is empty in the pod. */
	if (sp_file_read_arena(w, SP_STR("/etc/hosts"), &j->arena, HOST_FILE_BYTES, &m->hosts, NULL) != SP_OK)
		m->hosts = SP_STR("127.0.0.1\tlocalhost\n");
	if (sp_file_read_arena(w, SP_STR("/etc/resolv.conf"), &j->arena, HOST_FILE_BYTES, &m->resolv, NULL) !=
	    SP_OK)
		m->resolv = SP_STR("");
	if (gethostname(m->hostname, sizeof m->hostname - 1) != 0)
		m->hostname[0] = '\0';
}

static sp_code read_files(rt_job *j, sp_err *err)
{
	return rt_job_work(j, read_host_files, err);
}

static void words(sp_buf *out, const char *key, const sp_str *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sp_buf_printf(out, "%s" SP_FMT, i == 0 ? key : " ", SP_ARG(at[i]));
	if (n > 0)
		sp_buf_char(out, '\n');
}

static sp_code resolv_conf(rt_job *j, const sp_cri_dns_config *d, sp_str *ret, sp_err *err)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, HOST_FILE_BYTES);
	words(&out, "search ", d->searches.at, d->searches.n);
	for (size_t i = 0; i < d->servers.n; i++)
		words(&out, "nameserver ", &d->servers.at[i], 1);
	words(&out, "options ", d->options.at, d->options.n);
	*ret = sp_arena_try_dup(&j->arena, sp_buf_view(&out));
	if (sp_buf_code(&out) != SP_OK || ret->len != out.len)
		return sp_fail(err, SP_ETOOLARGE, "the pod's DNS settings are too large");
	return SP_OK;
}

static bool has_dns(const sp_cri_dns_config *d)
{
	return d != NULL && d->servers.n + d->searches.n + d->options.n > 0;
}

static sp_code make(rt_job *j, sp_err *err)
{
	const sp_cri_pod_sandbox_config *c = j->sandbox->rec.config;
	making *m = j->data;
	bool own_net = rt_sandbox_has_net(j->sandbox);
	sp_str hostname = c->hostname.len > 0 && own_net ? c->hostname : sp_str_c(m->hostname);
	if (has_dns(c->dns_config))
		SP_TRY(resolv_conf(j, c->dns_config, &m->resolv, err));
	sp_host_sandbox_make q = {.id = j->sandbox->rec.id,
				  .net = own_net,
				  .uts = own_net,
				  .ipc = rt_sandbox_has_ipc(j->sandbox),
				  .hostname = hostname,
				  .shm_bytes = SHM_BYTES,
				  .hostname_file = SP_CONCAT(&j->arena, hostname, SP_STR("\n")),
				  .hosts_file = m->hosts,
				  .resolv_file = m->resolv};
	const sp_cri_user_namespace *users = rt_sandbox_users(j->sandbox);
	if (users != NULL) {
		q.uid_host = users->uids.at[0].host_id;
		q.uid_length = users->uids.at[0].length;
		q.gid_host = users->gids.at[0].host_id;
		q.gid_length = users->gids.at[0].length;
	}
	if (c->linux_ != NULL) {
		q.sysctls.at = c->linux_->sysctls.at;
		q.sysctls.n = c->linux_->sysctls.n;
	}
	return rt_job_host(j, SP_HOST_SANDBOX_MAKE, &q, NULL);
}

/* ---- network ---- */

static void unwait_net(rt_job *j)
{
	j->r->opts->network->cancel(j->r->opts->network, &j->net);
}

static sp_code keep(rt_sandbox *s, const sp_pod_attachment *a, sp_err *err)
{
	sp_str *ips = sp_try_new(&s->arena, sp_str, a->ips.n);
	sp_str host_if = sp_arena_try_dup(&s->arena, a->host_if);
	if (ips == NULL || host_if.len != a->host_if.len)
		return sp_fail(err, SP_ENOMEM, "no memory for the pod's addresses");
	for (size_t i = 0; i < a->ips.n; i++)
		ips[i] = sp_arena_try_dup(&s->arena, a->ips.at[i]);
	s->rec.ips.at = ips;
	s->rec.ips.n = a->ips.n;
	s->rec.host_if = host_if;
	return SP_OK;
}

static void on_attached(sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err)
{
	rt_job *j = c->arg;
	sp_err mine;
	if (err == NULL && keep(j->sandbox, a, &mine) != SP_OK)
		err = &mine;
	rt_job_resume(j, err);
}

static void begin_net(rt_job *j,
		      void (*done)(sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err))
{
	j->net = (sp_pod_network_call){.done = done, .arg = j};
	rt_job_wait(j);
	j->unwait = unwait_net;
}

static sp_code attach(rt_job *j, sp_err *err)
{
	sp_pod_network *n = j->r->opts->network;
	(void)err;
	if (!rt_sandbox_has_net(j->sandbox))
		return SP_OK;
	begin_net(j, on_attached);
	n->attach(n, j->sandbox->rec.id, j->sandbox->rec.config, &j->net);
	return SP_OK;
}

static void on_detached(sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err)
{
	(void)a;
	rt_job_resume(c->arg, err);
}

static sp_code detach(rt_job *j, sp_err *err)
{
	sp_pod_network *n = j->r->opts->network;
	rt_sandbox *s = j->sandbox;
	sp_pod_attachment a = {.host_if = s->rec.host_if};
	(void)err;
	if (!rt_sandbox_has_net(s))
		return SP_OK;
	a.ips.at = s->rec.ips.at;
	a.ips.n = s->rec.ips.n;
	begin_net(j, on_detached);
	n->detach(n, s->rec.id, &a, &j->net);
	return SP_OK;
}

/* ---- the ends of running ---- */

static sp_code ready(rt_job *j, sp_err *err)
{
	(void)err;
	j->sandbox->rec.phase = RT_SANDBOX_READY;
	return SP_OK;
}

static sp_code tell_id(rt_job *j, sp_err *err)
{
	(void)err;
	sp_cri_run_pod_sandbox_response *a = sp_new(&j->arena, sp_cri_run_pod_sandbox_response, 1);
	a->pod_sandbox_id = j->sandbox->rec.id;
	j->response = a;
	rt_emit_sandbox(j->sandbox, SP_CRI_EVENT_CREATED);
	rt_emit_sandbox(j->sandbox, SP_CRI_EVENT_STARTED);
	return SP_OK;
}

static sp_code unmake(rt_job *j, sp_err *err)
{
	const sp_host_sandbox_remove q = {.id = j->sandbox->rec.id, .shim = j->sandbox->rec.shim};
	(void)err;
	return rt_job_host(j, SP_HOST_SANDBOX_REMOVE, &q, NULL);
}

static sp_code unlist(rt_job *j, sp_err *err)
{
	(void)err;
	rt_sandbox_unlist(j->sandbox);
	return SP_OK;
}

/* The sandbox may not have come to be. */
static sp_code is_there(rt_job *j, sp_err *err)
{
	(void)err;
	if (j->sandbox == NULL || !j->sandbox->listed)
		j->steps = NULL;
	return SP_OK;
}

/* ---- stopping ---- */

static sp_code find_stopped(rt_job *j, sp_err *err)
{
	const sp_cri_stop_pod_sandbox_request *q = j->request;
	rt_sandbox *s = rt_find_sandbox(j->r, q->pod_sandbox_id);
	(void)err;
	if (s == NULL)
		j->steps = NULL; /* that is what was wanted */
	else
		rt_job_set_sandbox(j, s);
	return SP_OK;
}

static sp_code kill_all(rt_job *j, sp_err *err)
{
	rt_sandbox *s = j->sandbox;
	(void)err;
	s->stopping = true;
	SP_LIST_FOREACH (n, &s->containers) {
		rt_container *c = SP_CONTAINER_OF(n, rt_container, node);
		rt_job_part(j, rt_kill_job(c));
	}
	return SP_OK;
}

static sp_code shut_shim(rt_job *j, sp_err *err)
{
	rt_sandbox *s = j->sandbox;
	/* Also when it failed to delete one that has ended: `shim delete` has done that then. */
	const rt_task_shutdown q = {.id = s->rec.id, .now = true};
	if (s->shim_state != RT_SHIM_UP)
		return SP_OK;
	return rt_job_task(j, &rt_task_shutdown_method, &q, NULL, err);
}

/* Shutdown is answered or the connection ends first: both are well. */
static sp_code after_shim(rt_job *j, sp_err *err)
{
	(void)err;
	if (j->sandbox->shim != NULL)
		sp_ttrpc_client_close(j->sandbox->shim);
	return SP_OK;
}

static sp_code stopped(rt_job *j, sp_err *err)
{
	(void)err;
	if (j->sandbox->rec.phase != RT_SANDBOX_STOPPED) {
		j->sandbox->rec.phase = RT_SANDBOX_STOPPED;
		rt_emit_sandbox(j->sandbox, SP_CRI_EVENT_STOPPED);
	}
	return SP_OK;
}

/* ---- removing ---- */

static sp_code find_removed(rt_job *j, sp_err *err)
{
	const sp_cri_remove_pod_sandbox_request *q = j->request;
	rt_sandbox *s = rt_find_sandbox(j->r, q->pod_sandbox_id);
	(void)err;
	if (s == NULL)
		j->steps = NULL;
	else
		rt_job_set_sandbox(j, s);
	return SP_OK;
}

static sp_code stop_first(rt_job *j, sp_err *err)
{
	(void)err;
	rt_job_part(j, rt_stop_sandbox_job(j->sandbox));
	return SP_OK;
}

static sp_code remove_all(rt_job *j, sp_err *err)
{
	(void)err;
	j->sandbox->removing = true;
	SP_LIST_FOREACH (n, &j->sandbox->containers)
		rt_job_part(j, rt_remove_job(SP_CONTAINER_OF(n, rt_container, node)));
	return SP_OK;
}

static sp_code tell_removed(rt_job *j, sp_err *err)
{
	(void)err;
	rt_emit_sandbox(j->sandbox, SP_CRI_EVENT_DELETED);
	return SP_OK;
}

/* ---- changing ---- */

/* A copy in the sandbox's own memory; each of them is some hundred bytes. */
static sp_code keep_resources(rt_sandbox *s, const sp_cri_linux_container_resources *from,
			      sp_cri_linux_container_resources **to, sp_err *err)
{
	SP_AUTO_BUF bytes;
	sp_buf_init(&bytes, RESOURCES_BYTES);
	if (from == NULL)
		return SP_OK;
	sp_pb_encode(&sp_cri_linux_container_resources_message, from, &bytes);
	sp_str copy = sp_arena_try_dup(&s->arena, sp_buf_view(&bytes));
	sp_cri_linux_container_resources *r = sp_try_new(&s->arena, sp_cri_linux_container_resources, 1);
	if (sp_buf_code(&bytes) != SP_OK || copy.len != bytes.len || r == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the pod's resources");
	SP_TRY(sp_pb_decode(&sp_cri_linux_container_resources_message, copy, &s->arena, r, err));
	*to = r;
	return SP_OK;
}

/* The pod's cgroup is the node agent's: what it made of it is only written down. U: containerd
 * internal/cri/server/sandbox_update_resources.go. */
static sp_code update(rt_job *j, sp_err *err)
{
	const sp_cri_update_pod_sandbox_resources_request *q = j->request;
	rt_sandbox *s;
	if (rt_need_sandbox(j->r, q->pod_sandbox_id, &s, err) != SP_OK)
		return sp_wrap(err, "failed to find sandbox");
	rt_job_set_sandbox(j, s);
	if (s->rec.config->linux_ == NULL)
		s->rec.config->linux_ = sp_try_new(&s->arena, sp_cri_linux_pod_sandbox_config, 1);
	sp_cri_linux_pod_sandbox_config *l = s->rec.config->linux_;
	if (l == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the pod's resources");
	SP_TRY(keep_resources(s, q->overhead, &l->overhead, err));
	return keep_resources(s, q->resources, &l->resources, err);
}

/* ---- the sequences ---- */

rt_step *const rt_update_sandbox_steps[] = {update, rt_save_sandbox, NULL};

rt_step *const rt_run_sandbox_steps[] = {begin, rt_save_sandbox, read_files, make, attach,
					 ready, rt_save_sandbox, tell_id,    NULL};
rt_step *const rt_run_sandbox_undo[] = {is_there, detach, unmake, rt_forget_sandbox, unlist, NULL};

rt_step *const rt_stop_sandbox_steps[] = {find_stopped, kill_all, shut_shim,       after_shim, detach,
					  unmake,       stopped,  rt_save_sandbox, NULL};
static rt_step *const stop_steps[] = {kill_all, shut_shim, after_shim,      detach,
				      unmake,   stopped,   rt_save_sandbox, NULL};

rt_step *const rt_remove_sandbox_steps[] = {find_removed,      stop_first,   remove_all, unmake,
					    rt_forget_sandbox, tell_removed, unlist,     NULL};
static rt_step *const teardown_steps[] = {stop_first, remove_all, unmake, rt_forget_sandbox, unlist, NULL};

rt_job *rt_stop_sandbox_job(rt_sandbox *s)
{
	rt_job *j = rt_job_new(s->r, stop_steps);
	rt_job_set_sandbox(j, s);
	return j;
}

rt_job *rt_teardown_job(rt_sandbox *s)
{
	rt_job *j = rt_job_new(s->r, teardown_steps);
	rt_job_set_sandbox(j, s);
	return j;
}

/* ---- records ---- */

sp_code rt_save_sandbox(rt_job *j, sp_err *err)
{
	(void)err;
	return rt_job_save(j, &j->sandbox->saver);
}

static void unlink_record(sp_work *work)
{
	rt_job *j = work->arg;
	/* A record that stays is met by the next start, which finds nothing that belongs to it. */
	(void)!sp_path_unlink(j->r->world, sp_str_c(j->sandbox->saver.path), NULL);
}

sp_code rt_forget_sandbox(rt_job *j, sp_err *err)
{
	return rt_job_work(j, unlink_record, err);
}
