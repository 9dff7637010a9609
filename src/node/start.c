/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of one container: images, environment, files, create, start, hook. U: kubernetes
 * pkg/kubelet/kuberuntime/kuberuntime_container.go startContainer, kuberuntime_manager.go getImageVolumes.
 */
#include "base/alloc.h"
#include "node/log_links.h"
#include "node/node_int.h"

struct node_start {
	node_worker *w;
	const node_container *c;
	sp_str sandbox_id, container_id;
	sp_cri_call call;
	sp_cri_pod_sandbox_config *sandbox_config;
	node_env_files env_files;
	node_env env;
	node_mounts mounts;
	uint32_t restarts;
	node_image_need need; /* of the volume `volume`, then of the container itself */
	size_t volume;
	node_hook hook;
	bool may_interrupt;
	node_seen_container killed; /* after its hook failed */
};

static sp_world *world(const node_start *s)
{
	return s->w->agent->world;
}

/* ---- ends ---- */

static void finish(node_start *s)
{
	node_worker *w = s->w;
	w->start = NULL;
	w->dirty = true;
	sp_free(s);
	node_worker_end_turn(w);
}

/* The container waits with that reason, and is tried again after a while. */
static void fail(node_start *s, const char *reason, sp_str message, uint64_t retry_ns)
{
	node_memo *m = node_worker_memo(s->w, s->c->name);
	(void)node_memo_wait(m, sp_str_c(reason), message);
	node_count_error(&s->w->agent->counters, s->c->role, reason);
	m->retry_at_ns = sp_now_ns(world(s)) + retry_ns;
	finish(s);
}

/* The text with each name of the container by the runtime made that of the pod: events that differ in nothing
 * else count as one. U: recordContainerEvent. */
static sp_str without_id(node_start *s, sp_str text)
{
	ptrdiff_t at;
	sp_str out = SP_STR("");
	while (s->container_id.len != 0 && (at = sp_str_find(text, s->container_id)) >= 0) {
		out = SP_CONCAT(&s->w->scratch, out, sp_str_sub(text, 0, (size_t)at), s->c->name);
		text = sp_str_sub(text, (size_t)at + s->container_id.len, text.len);
	}
	return SP_CONCAT(&s->w->scratch, out, text);
}

/* The same with the event that kubelet writes about it. */
static void fail_told(node_start *s, const char *reason, sp_str message)
{
	node_worker_event(s->w, s->c, true, "Failed", "Error: " SP_FMT, SP_ARG(without_id(s, message)));
	fail(s, reason, message, NODE_RETRY_NS);
}

static void call(node_start *s, sp_cri_method method, const void *request, uint64_t timeout_ns,
		 void (*done)(sp_cri_call *c, int32_t status, sp_str message, const void *response))
{
	s->call = (sp_cri_call){.done = done, .arg = s, .timeout_ns = timeout_ns};
	s->w->agent->cri->call(s->w->agent->cri, method, request, &s->call);
}

/* ---- hooks ---- */

static void on_stopped_after_hook(node_worker *w)
{
	node_start *s = w->start;
	fail(s, "PostStartHookError", sp_str_c(node_worker_memo(s->w, s->c->name)->message), NODE_RETRY_NS);
}

static void on_post_start(node_hook *h, node_outcome outcome, sp_str text)
{
	node_start *s = h->arg;
	s->may_interrupt = false;
	if (outcome <= NODE_OUTCOME_WARNING) {
		finish(s);
		return;
	}
	node_worker_event(s->w, s->c, true, "FailedPostStartHook", "PostStartHook failed");
	(void)node_memo_wait(node_worker_memo(s->w, s->c->name), SP_STR("PostStartHookError"), text);
	s->killed = (node_seen_container){.id = s->container_id, .name = s->c->name};
	const node_kill kill = {
		.seen = &s->killed, .container = s->c, .message = SP_STR("FailedPostStartHook")};
	node_stop_containers(s->w, &kill, 1, on_stopped_after_hook);
}

/* ---- start ---- */

static void run_hook(node_start *s)
{
	if (s->c->v.post_start == NULL) {
		finish(s);
		return;
	}
	s->may_interrupt = true;
	s->hook = (node_hook){.done = on_post_start, .arg = s, .of_lifecycle = true};
	node_hook_start(&s->hook, s->w, s->c, s->container_id, s->c->v.post_start, 0);
}

/* On a worker thread. */
static void on_link_job(sp_work *job)
{
	node_worker *w = job->arg;
	const node_start *s = w->start;
	const node_place *place = &w->agent->place;
	sp_pod_files *f = w->agent->files;
	char number[16];
	(void)snprintf(number, sizeof number, "/%u.log", s->restarts);
	sp_str link =
		node_log_link(&w->scratch, place->links_root, w->ns, w->name, s->c->name, s->container_id);
	sp_str log = SP_CONCAT(&w->scratch, node_log_dir(&w->scratch, place, w->pod), SP_STR("/"), s->c->name,
			       sp_str_c(number));
	w->work_code = link.ptr == NULL || log.ptr == NULL
			       ? sp_fail(&w->work_err, SP_ENOMEM, "no memory for the link of a log")
			       : f->link(f, log, link, &w->work_err);
}

static void on_linked(node_worker *w)
{
	if (w->work_code != SP_OK)
		sp_log(w->agent->log, SP_LOG_WARN, "a log has no link", SP_KS("pod", w->name),
		       SP_KE(&w->work_err));
	run_hook(w->start);
}

static void on_started(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_start *s = c->arg;
	node_memo *m = node_worker_memo(s->w, s->c->name);
	(void)response;
	if (status != SP_RPC_OK) {
		fail_told(s, "RunContainerError", sp_arena_try_dup(&s->w->scratch, message));
		return;
	}
	node_worker_event(s->w, s->c, false, "Started", "Container started");
	(void)node_memo_wait(m, (sp_str){NULL, 0}, (sp_str){NULL, 0});
	m->retry_at_ns = 0;
	/* A log without a link is no reason to wait. */
	if (s->w->agent->place.links_root.len == 0 || !node_worker_try_work(s->w, on_link_job, on_linked))
		run_hook(s);
}

static void on_created(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	node_start *s = c->arg;
	const sp_cri_create_container_response *r = response;
	if (status != SP_RPC_OK) {
		fail_told(s, "CreateContainerError", sp_arena_try_dup(&s->w->scratch, message));
		return;
	}
	s->container_id = sp_arena_try_dup(&s->w->scratch, r->container_id);
	node_resize_made(s->w, s->c);
	node_worker_event(s->w, s->c, false, "Created", "Container created");
	call(s, SP_CRI_START_CONTAINER, &(sp_cri_start_container_request){.container_id = s->container_id},
	     NODE_CALL_TIMEOUT_NS, on_started);
}

static void create(node_start *s)
{
	node_worker *w = s->w;
	sp_err err = {0};
	const node_seen_container *target =
		s->c->target.len == 0 ? NULL : node_seen_newest(&w->seen, s->c->target);
	const node_container_input in = {.pod = w->pod,
					 .c = s->c,
					 .place = &w->agent->place,
					 .env = &s->env,
					 .mounts = s->mounts.at,
					 .n_mounts = s->mounts.n,
					 .restarts = s->restarts,
					 .attempt = s->restarts,
					 .image_ref = s->need.ref,
					 .target_id = target == NULL ? (sp_str){NULL, 0} : target->id,
					 .has_image_uid = s->need.has_uid,
					 .image_uid = s->need.uid,
					 .image_user = s->need.user};
	sp_cri_create_container_request request = {.pod_sandbox_id = s->sandbox_id,
						   .sandbox_config = s->sandbox_config};
	if (node_container_config(&in, &w->scratch, &request.config, &err) != SP_OK) {
		fail_told(s, "CreateContainerConfigError", sp_str_c(err.msg));
		return;
	}
	call(s, SP_CRI_CREATE_CONTAINER, &request, NODE_CALL_TIMEOUT_NS, on_created);
}

/* ---- files ---- */

static sp_code make_files(node_start *s, sp_err *err)
{
	node_worker *w = s->w;
	sp_pod_files *f = w->agent->files;
	sp_pod_file_owner same = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	sp_str logs = node_log_dir(&w->scratch, &w->agent->place, w->pod);
	for (size_t i = 0; i < s->mounts.n_subs; i++)
		SP_TRY(f->sub_path(f, s->mounts.subs[i].base, s->mounts.subs[i].rel, s->mounts.subs[i].target,
				   err));
	if (s->mounts.termination_log.len != 0)
		SP_TRY(f->write(f, s->mounts.termination_log, SP_STR(""), 0666, same, err));
	if (s->mounts.has_hosts) {
		SP_AUTO_BUF text;
		node_field_source fields;
		sp_str name = {NULL, 0}, domain = {NULL, 0}, host = {NULL, 0};
		sp_buf_init(&text, (size_t)1 << 20);
		node_worker_fields(w, &fields);
		if (w->pod->v.host_network) {
			SP_TRY(sp_file_read_arena(w->agent->world, SP_STR("/etc/hosts"), &w->scratch,
						  (size_t)256 << 10, &host, err));
			SP_TRY(node_hosts_file_of_host(&text, w->pod, host));
		} else {
			SP_TRY(node_host_name(w->pod, w->agent->place.domain, &w->scratch, &name, &domain,
					      err));
			SP_TRY(node_hosts_file(&text, w->pod, fields.pod_ips, fields.n_pod_ips, name,
					       domain));
		}
		SP_TRY(f->write(f, node_hosts_path(&w->scratch, &w->agent->place, w->pod), sp_buf_view(&text),
				0644, same, err));
	}
	logs = SP_CONCAT(&w->scratch, logs, SP_STR("/"), s->c->name);
	return f->make_dir(f, logs, 0755, same, err);
}

/* On a worker thread. */
static void on_files_job(sp_work *job)
{
	node_worker *w = job->arg;
	w->work_code = make_files(w->start, &w->work_err);
}

static void on_files(node_worker *w)
{
	if (w->work_code != SP_OK)
		fail_told(w->start, "CreateContainerConfigError", sp_str_c(w->work_err.msg));
	else
		create(w->start);
}

uint32_t node_restarts_of(node_worker *w, const node_container *c)
{
	const node_seen_container *seen = node_seen_newest(&w->seen, c->name);
	const node_memo *m = node_worker_memo(w, c->name);
	if (seen != NULL)
		return seen->restarts + 1;
	if (m != NULL && m->restarts_next > 0)
		return m->restarts_next;
	for (size_t i = 0; i < w->pod->n_containers; i++) {
		const node_container_status *s =
			w->status.containers == NULL ? NULL : &w->status.containers[i];
		/* Its traces are gone from the runtime, not from the API. */
		if (s != NULL && s->container == c && (s->is == NODE_IS_TERMINATED || s->has_last))
			/* One that was removed for a reset, or lost, was counted with that. */
			return s->restarts + !(s->has_last && (sp_str_eq(s->last.reason, NODE_RESETTING) ||
							       sp_str_eq(s->last.reason, NODE_LOST)));
	}
	return 0;
}

static void make_config(node_start *s)
{
	node_worker *w = s->w;
	node_field_source fields;
	node_objects objects = {.get = node_refs_get, .arg = w->agent};
	sp_err err = {0};
	uint64_t salt = sp_random_u64(w->agent->world);
	node_worker_fields(w, &fields);
	sp_str name = sp_arena_printf(&w->scratch, "%08x", (unsigned)(salt & UINT32_MAX));
	s->restarts = node_restarts_of(w, s->c);
	sp_code code = node_env_make(&fields, s->c, &objects, &s->env_files, &w->services, &w->scratch,
				     &s->env, &err);
	if (code == SP_OK)
		code = node_mounts_make(w->pod, s->c, &w->agent->place, &w->volumes, &s->env, name,
					&w->scratch, &s->mounts, &err);
	const node_seen_sandbox *box = node_seen_sandbox_now(&w->seen);
	if (code == SP_OK)
		code = node_worker_sandbox_config(w, box == NULL ? 0 : box->attempt, &s->sandbox_config,
						  &err);
	if (code != SP_OK) {
		fail_told(s, "CreateContainerConfigError", sp_str_c(err.msg));
		return;
	}
	node_worker_work(w, on_files_job, on_files);
}

/* On a worker thread. */
static void on_env_job(sp_work *job)
{
	node_worker *w = job->arg;
	node_env_files_read(&w->start->env_files, w->agent->files, &w->scratch);
}

static void on_env(node_worker *w)
{
	make_config(w->start);
}

/* Files of variables are read first: everything else of the environment is in memory. */
static void prepare(node_start *s)
{
	node_worker *w = s->w;
	sp_err err = {0};
	if (node_env_files_of(w->pod, s->c, &w->volumes, &w->scratch, &s->env_files, &err) != SP_OK)
		fail_told(s, "CreateContainerConfigError", sp_str_c(err.msg));
	else if (s->env_files.n == 0)
		make_config(s);
	else
		node_worker_work(w, on_env_job, on_env);
}

/* ---- images ---- */

static void on_image(node_image_need *n, const char *reason, sp_str message, uint64_t retry_ns)
{
	node_start *s = n->arg;
	if (reason != NULL)
		fail(s, reason, message, retry_ns);
	else
		prepare(s);
}

static bool is_mounted(const node_container *c, sp_str volume)
{
	SP_VLIST_FOREACH(mount, c->v.mounts)
	{
		if (sp_str_eq(sp_view_str_at(mount, "name"), volume))
			return true;
	}
	return false;
}

static void need_image(node_start *s);

static void on_volume_image(node_image_need *n, const char *reason, sp_str message, uint64_t retry_ns)
{
	node_start *s = n->arg;
	if (reason != NULL) {
		fail(s, reason, message, retry_ns);
		return;
	}
	s->w->volumes.at[s->volume++].image_ref = n->ref;
	need_image(s);
}

/* Those of the container's volumes come before its own. */
static void need_image(node_start *s)
{
	node_worker *w = s->w;
	bool first = s->need.done == NULL;
	while (s->volume < w->volumes.n && (w->volumes.at[s->volume].kind != NODE_VOLUME_IMAGE ||
					    !is_mounted(s->c, w->volumes.at[s->volume].name)))
		s->volume++;
	s->need = (node_image_need){.arg = s, .w = w, .c = s->c, .tells_missing = first};
	if (s->volume < w->volumes.n) {
		s->need.done = on_volume_image;
		s->need.is_volume = true;
		s->need.image = w->volumes.at[s->volume].image;
		s->need.policy = w->volumes.at[s->volume].pull_policy;
	} else {
		s->need.done = on_image;
		s->need.image = s->c->v.image;
		s->need.policy = s->c->v.pull_policy;
	}
	node_image_need_start(&s->need);
}

void node_start_container(node_worker *w, const node_container *c, sp_str sandbox_id)
{
	node_start *s = SP_NEW(node_start);
	SP_ASSERT(w->start == NULL);
	*s = (node_start){.w = w, .c = c, .sandbox_id = sandbox_id};
	w->start = s;
	w->agent->counters.containers[c->role]++;
	need_image(s);
}

bool node_start_may_interrupt(const node_worker *w)
{
	return w->start != NULL && (w->start->may_interrupt || w->start->need.is_pulling);
}

void node_start_cancel(node_worker *w)
{
	node_start *s = w->start;
	if (s == NULL || w->working)
		return;
	w->start = NULL;
	w->agent->cri->cancel(w->agent->cri, &s->call);
	w->agent->cri->cancel(w->agent->cri, &s->need.call);
	node_hook_cancel(&s->hook);
	sp_free(s);
}
