/* SPDX-License-Identifier: Apache-2.0 */
/* Directories and volumes of a pod: made before its containers, kept up while it runs, removed after it. */
#include "node/log_links.h"
#include "node/node_int.h"

#include "base/hash.h"
#include "node/resources.h"

static uint64_t mix(uint64_t h, sp_str s)
{
	return (h ^ sp_fnv1a64(s)) * UINT64_C(0x100000001b3) + s.len;
}

/* What the plan says, in a number: one that was carried out is not carried out again. */
static uint64_t digest_of(const node_volumes *v)
{
	uint64_t h = 1469598103934665603u;
	for (size_t i = 0; i < v->n; i++) {
		h = mix(h, v->at[i].name);
		h = mix(h, v->at[i].dir);
		for (size_t k = 0; k < v->at[i].n_files; k++) {
			h = mix(h, v->at[i].files[k].path);
			h = mix(h, v->at[i].files[k].content) + v->at[i].files[k].mode;
		}
	}
	return h == 0 ? 1 : h;
}

static sp_code make_services(node_worker *w, sp_err *err)
{
	const node_pod_view *v = &w->pod->v;
	bool links = !v->has_service_links || v->service_links;
	sp_informer *services = w->agent->services;
	const sp_object *o;
	for (size_t at = 0; (o = sp_informer_next(services, &at)) != NULL;) {
		bool is_master =
			sp_str_eq(o->ns, SP_STR("default")) && sp_str_eq(o->name, SP_STR("kubernetes"));
		yyjson_val *tree;
		if (!is_master && !(links && sp_str_eq(o->ns, v->ns)))
			continue;
		SP_TRY(sp_json_parse(&w->scratch, o->json, &tree, err));
		SP_TRY(node_env_add_service(&w->services, &w->scratch, tree, err));
	}
	return SP_OK;
}

/* ---- the pod's directory ---- */

/* With systemd the runtime asks it for the slice, and it sees to the rest. */
sp_code node_cgroup_write(node_worker *w, const node_pod_limits *limits, sp_err *err)
{
	const node_agent *a = w->agent;
	sp_str path = node_pod_cgroup(&w->scratch, a->place.cgroup_root, w->pod, a->place.systemd);
	if (a->place.systemd)
		return SP_OK;
	if (path.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod's cgroup");
	sp_pod_cgroup all = {.cpu_shares = limits->cpu_shares,
			     .cpu_quota_us = limits->cpu_quota_us,
			     .cpu_period_us = NODE_CPU_PERIOD_US,
			     .memory_bytes = limits->memory_bytes};
	node_huge_of_pod(&a->place.huge, w->pod, &all);
	return a->files->set_cgroup(a->files, path, &all, err);
}

static sp_code make_cgroup(node_worker *w, sp_err *err)
{
	node_pod_limits limits = node_pod_limits_of(w->pod);
	SP_TRY(node_cgroup_write(w, &limits, err));
	w->cgroup_limits = limits;
	return SP_OK;
}

/* Before anything of the pod runs: an agent that comes back gives its ids to nobody else. */
static sp_code write_ids(node_worker *w, sp_str dir, sp_err *err)
{
	sp_pod_files *f = w->agent->files;
	sp_pod_file_owner root = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	sp_str path = SP_CONCAT(&w->scratch, dir, SP_STR("/userns")),
	       text = node_userns_file(&w->scratch, w->pod->ids_from);
	if (path.ptr == NULL || text.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod's directories");
	return f->write(f, path, text, 0644, root, err);
}

static sp_code make_dirs(node_worker *w, sp_err *err)
{
	sp_pod_files *f = w->agent->files;
	sp_pod_file_owner root = {SP_POD_FILES_SAME, SP_POD_FILES_SAME};
	sp_str dir = node_pod_dir(&w->scratch, w->agent->place.root, w->uid);
	sp_str logs = node_log_dir(&w->scratch, &w->agent->place, w->pod);
	if (dir.ptr == NULL || logs.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod's directories");
	SP_TRY(f->make_dir(f, dir, 0750, root, err));
	SP_TRY(f->make_dir(f, logs, 0755, root, err));
	if (w->pod->ids_from != 0)
		SP_TRY(write_ids(w, dir, err));
	return make_cgroup(w, err);
}

static void version_name(char out[40], int64_t wall_ns)
{
	char text[SP_TIME_TEXT_BYTES];
	int64_t ns = wall_ns < 0 ? 0 : wall_ns;
	size_t n = sp_time_print(text, (sp_time){.seconds = ns / 1000000000}, 0);
	/* 2026-01-02T15:04:05Z */
	for (size_t i = 0; i < n; i++) {
		if (text[i] == '-' || text[i] == 'T' || text[i] == ':')
			text[i] = '_';
	}
	(void)snprintf(out, 40, "..%.*s.%09lld", (int)(n == 0 ? 0 : n - 1), text,
		       (long long)(ns % 1000000000));
}

/* Whether a pod that has its volumes has that directory of a PersistentVolume, too. */
static bool is_in_use(node_worker *w, sp_str dir)
{
	const node_claim_found *f;
	sp_str claim;
	SP_LIST_FOREACH (node, &w->agent->workers) {
		const node_worker *o = SP_CONTAINER_OF(node, node_worker, node);
		if (o == w || o->volumes_made == 0)
			continue;
		for (size_t i = 0; (f = node_claims_at(o, i, &claim)) != NULL; i++) {
			if (f->kind == NODE_CLAIM_LOCAL && sp_str_eq(f->path, dir))
				return true;
		}
	}
	return false;
}

/* Such a directory has the group of the pod that had it first. */
static void look_for_shared(node_worker *w)
{
	for (size_t i = 0; w->volumes.fs_group >= 0 && i < w->volumes.n; i++) {
		node_volume *v = &w->volumes.at[i];
		v->is_shared = v->kind == NODE_VOLUME_LOCAL && is_in_use(w, v->dir);
	}
}

/* On a worker thread. */
static void on_make(sp_work *job)
{
	node_worker *w = job->arg;
	const node_agent *a = w->agent;
	char version[40];
	w->volumes.failed = NULL;
	version_name(version, sp_wall_ns(a->world));
	w->work_code = w->dirs_made ? SP_OK : make_dirs(w, &w->work_err);
	for (size_t i = 0; i < w->volumes.n && w->work_code == SP_OK; i++) {
		const node_volume *v = &w->volumes.at[i];
		w->work_code = node_volume_make(a->world, a->files, v, w->volumes.fs_group, sp_str_c(version),
						&w->work_err);
		if (w->work_code != SP_OK)
			w->volumes.failed = v;
	}
}

static void mount_failed(node_worker *w, const sp_err *err)
{
	/* 0.5 s, doubled up to two minutes. U: pkg/volume/util/nestedpendingoperations exponentialbackoff. */
	uint64_t delay = (NODE_SECOND_NS / 2) << SP_MIN(w->n_mount_failures, 8u);
	w->n_mount_failures++;
	const node_volume *v = w->volumes.failed;
	if (v != NULL)
		node_worker_event(w, NULL, true, "FailedMount",
				  "MountVolume.%s failed for volume \"" SP_FMT "\" : %s",
				  v->kind == NODE_VOLUME_LOCAL ? "NewMounter initialization" : "SetUp",
				  SP_ARG(v->spec_name), err->msg);
	else
		sp_log(w->agent->log, SP_LOG_ERROR, "directories of a pod", SP_KS("pod", w->name),
		       SP_KE(err));
	delay = SP_MIN(delay, 122 * NODE_SECOND_NS);
	w->mount_retry_ns = sp_now_ns(w->agent->world) + delay;
	node_worker_again(w, delay);
	node_worker_end_turn(w);
}

static void on_made(node_worker *w)
{
	if (w->work_code != SP_OK) {
		mount_failed(w, &w->work_err);
		return;
	}
	w->dirs_made = true;
	w->n_mount_failures = 0;
	w->mount_retry_ns = 0;
	w->volumes_made = digest_of(&w->volumes);
	w->mounted(w);
}

/* A pod with users of its own gets a range of ids. Where the runtime can't do that it gets none, and no
 * sandbox. */
static sp_code give_ids(node_worker *w, sp_err *err)
{
	sp_str handler;
	if (!node_pod_has_own_users(w->pod) || w->pod->ids_from != 0 ||
	    node_worker_handler(w, &handler, NULL) != SP_OK ||
	    node_self_check_users(w->agent, handler, NULL) != SP_OK)
		return SP_OK;
	w->dirs_made = false; /* it is written there */
	return node_userns_get(&w->agent->userns, w->uid, &w->pod->ids_from, err);
}

void node_mount(node_worker *w, void (*then)(node_worker *w))
{
	sp_err err = {0};
	node_field_source fields;
	node_objects objects = {.get = node_refs_get, .arg = w->agent};
	node_tokens tokens = {.get = node_token_get, .arg = w};
	node_worker_fields(w, &fields);
	const node_volume_input in = {.fields = &fields,
				      .objects = &objects,
				      .tokens = &tokens,
				      .root = w->agent->place.root,
				      .claim = node_claims_find,
				      .arg = w};
	if (w->volumes_made == 0)
		node_volumes_want_tokens(w->pod, &tokens);
	if (!node_refs_are_known(&w->refs)) { /* their arrival is a turn */
		node_worker_end_turn(w);
		return;
	}
	if (!node_claims_are_known(w)) {
		node_worker_end_turn(w);
		return;
	}
	w->mounted = then;
	sp_code code = make_services(w, &err);
	if (code == SP_OK)
		code = give_ids(w, &err);
	if (code == SP_OK)
		code = node_volumes_plan(&in, &w->scratch, &w->volumes, &err);
	if (code == SP_EUNAVAILABLE) { /* a token is on its way */
		node_worker_end_turn(w);
		return;
	}
	/* What was mounted once stays usable while an object is missing. */
	if (code != SP_OK && w->volumes_made == 0) {
		mount_failed(w, &err);
		return;
	}
	if (code == SP_OK && w->dirs_made && digest_of(&w->volumes) == w->volumes_made) {
		then(w);
		return;
	}
	if (code != SP_OK) {
		node_worker_again(w, NODE_RETRY_NS);
		then(w);
		return;
	}
	look_for_shared(w);
	node_worker_work(w, on_make, on_made);
}

/* ---- the end ---- */

/* Of an orphan nobody knows the class: all are tried. */
static sp_code remove_cgroups(node_worker *w)
{
	static const char *const classes[] = {"", "/burstable", "/besteffort"};
	sp_pod_files *f = w->agent->files;
	for (size_t i = 0; i < SP_LEN(classes); i++) {
		sp_str path =
			sp_arena_printf(&w->scratch, "/" SP_FMT "%s/pod" SP_FMT,
					SP_ARG(w->agent->place.cgroup_root), classes[i], SP_ARG(w->uid));
		if (path.ptr == NULL)
			return sp_fail(&w->work_err, SP_ENOMEM, "no memory to remove a pod");
		SP_TRY(f->remove_cgroup(f, path, &w->work_err));
	}
	return SP_OK;
}

static void on_remove(sp_work *job)
{
	node_worker *w = job->arg;
	sp_pod_files *f = w->agent->files;
	sp_str dir = node_pod_dir(&w->scratch, w->agent->place.root, w->uid), logs = {NULL, 0};
	if (w->remove_logs && w->ns.len != 0)
		logs = SP_CONCAT(&w->scratch, w->agent->place.log_root, SP_STR("/"), w->ns, SP_STR("_"),
				 w->name, SP_STR("_"), w->uid);
	w->work_code = dir.ptr == NULL ? SP_ENOMEM : f->remove_tree(f, dir, &w->work_err);
	if (w->work_code == SP_OK && !w->agent->place.systemd)
		w->work_code = remove_cgroups(w);
	if (w->work_code == SP_OK && logs.len != 0)
		w->work_code = f->remove_tree(f, logs, &w->work_err);
	if (w->work_code == SP_OK && logs.len != 0)
		w->work_code = node_log_links_remove(w->agent->world, f, w->agent->place.links_root, w->ns,
						     w->name, logs, &w->scratch, &w->work_err);
}

static void on_removed(node_worker *w)
{
	if (w->work_code != SP_OK) {
		sp_log(w->agent->log, SP_LOG_WARN, "directories of a pod stay", SP_KS("pod", w->name),
		       SP_KE(&w->work_err));
		node_worker_again(w, NODE_RETRY_NS);
		node_worker_end_turn(w);
		return;
	}
	w->dirs_made = false;
	w->volumes_made = 0;
	w->unmounted = true;
	node_userns_release(&w->agent->userns, w->uid);
	w->mounted(w);
}

void node_unmount(node_worker *w, bool logs_too, void (*then)(node_worker *w))
{
	w->mounted = then;
	if (w->unmounted && !logs_too) {
		then(w);
		return;
	}
	w->remove_logs = logs_too;
	node_worker_work(w, on_remove, on_removed);
}
