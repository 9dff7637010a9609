/* SPDX-License-Identifier: Apache-2.0 */
#include "node/statics.h"

#include "base/alloc.h"
#include "client/patch.h"
#include "io/file.h"
#include "node/manifest.h"

#define SCAN_NS (20 * NODE_SECOND_NS) /* U: fileCheckFrequency */
#define FOUND_BYTES_MAX ((size_t)128 << 20)
#define DIR_BYTES_MAX ((size_t)4 << 20)

/* A file of the directory as it was read. */
typedef struct manifest {
	sp_str path, json; /* json empty: it says no pod */
	char why[256];
} manifest;

struct node_statics {
	node_agent *agent;
	sp_path_watch *watch; /* NULL: nobody tells of changes, the clock has to do */
	sp_timer timer;
	sp_work work;
	sp_arena found; /* of the last scan */
	manifest *files;
	size_t n_files;
	sp_code code;
	sp_err err;
	bool is_working, wants_scan, is_freed, is_known;
	bool by_clock, next_by_clock; /* a scan that also drops pods whose file can't be read */

	sp_call call; /* one write of a mirror at a time */
	sp_timer again;
	bool is_asking, wants_look;
};

bool node_statics_are_known(const node_agent *a)
{
	return a->statics != NULL && a->statics->is_known;
}

node_worker *node_static_find(const node_agent *a, sp_str ns, sp_str name)
{
	SP_LIST_FOREACH (node, (sp_list *)(uintptr_t)&a->workers) {
		node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		if (w->own != NULL && !w->is_gone && sp_str_eq(w->ns, ns) && sp_str_eq(w->name, name))
			return w;
	}
	return NULL;
}

bool node_static_waits(const node_worker *w)
{
	SP_LIST_FOREACH (node, &w->agent->workers) {
		const node_worker *o = SP_CONTAINER_OF(node, node_worker, node);
		if (o == w)
			return false;
		if (o->own != NULL && sp_str_eq(o->ns, w->ns) && sp_str_eq(o->name, w->name))
			return true;
	}
	return false;
}

/* ---- reading the directory, on a worker thread ---- */

static void random_bytes(void *arg, void *bytes, size_t n)
{
	(void)arg;
	memset(bytes, 0, n);
}

static sp_code read_one(node_statics *s, manifest *m, sp_err *err)
{
	sp_str text, json;
	int64_t now_ns = sp_wall_ns(s->agent->world);
	const node_manifest_source from = {
		.node_name = s->agent->opts.node_name,
		.path = m->path,
		.now = {.seconds = now_ns / 1000000000, .nanos = (uint32_t)(now_ns % 1000000000)},
		.random = random_bytes};
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, NODE_MANIFEST_ARENA_BYTES);
	SP_TRY(sp_file_read_arena(s->agent->world, m->path, &arena, NODE_MANIFEST_BYTES_MAX, &text, err));
	SP_TRY(node_manifest_read(&arena, text, &from, &json, err));
	m->json = sp_arena_try_dup(&s->found, json);
	return m->json.ptr == NULL ? sp_fail(err, SP_ENOMEM, "no memory for static pods") : SP_OK;
}

static sp_code scan(node_statics *s, sp_err *err)
{
	sp_str dir = s->agent->opts.manifest_dir;
	sp_dir_entry *at;
	size_t n;
	SP_CLEANUP(sp_arena_done) sp_arena names;
	sp_arena_init(&names, DIR_BYTES_MAX);
	sp_code code = sp_dir_list(s->agent->world, dir, &names, &at, &n, err);
	if (code == SP_ENOTFOUND) /* no directory: no pods */
		return SP_OK;
	SP_TRY(code);
	s->files = sp_try_new(&s->found, manifest, SP_MIN(n, NODE_STATIC_PODS_MAX) + 1);
	if (s->files == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for static pods");
	for (size_t i = 0; i < n && s->n_files < NODE_STATIC_PODS_MAX; i++) {
		sp_err why = {0};
		if (at[i].name.ptr[0] == '.' || (at[i].type != SP_TYPE_FILE && at[i].type != SP_TYPE_LINK))
			continue;
		manifest *m = &s->files[s->n_files];
		m->path = sp_arena_printf(&s->found, SP_FMT "/" SP_FMT, SP_ARG(dir), SP_ARG(at[i].name));
		if (m->path.ptr == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for static pods");
		if (read_one(s, m, &why) != SP_OK)
			(void)snprintf(m->why, sizeof m->why, "%s", why.msg);
		s->n_files++;
	}
	return SP_OK;
}

static void on_scan(sp_work *job)
{
	node_statics *s = job->arg;
	s->code = scan(s, &s->err);
}

/* ---- from files to workers ---- */

static const manifest *file_of(const node_statics *s, sp_str path)
{
	for (size_t i = 0; i < s->n_files; i++) {
		if (sp_str_eq(s->files[i].path, path))
			return &s->files[i];
	}
	return NULL;
}

static void add(node_statics *s, const manifest *m, const sp_object *o)
{
	node_agent *a = s->agent;
	node_worker *w = node_agent_worker(a, o->uid);
	if (w != NULL) /* when it is on its way out its end brings another scan */
		return;
	sp_bytes *own = sp_bytes_try_dup(m->json), *path = sp_bytes_try_dup(m->path);
	if (own == NULL || path == NULL) {
		sp_log(a->log, SP_LOG_ERROR, "no memory for a static pod", SP_KS("path", m->path));
		(void)sp_bytes_unref(own);
		(void)sp_bytes_unref(path);
		return;
	}
	w = node_worker_new(a, o->ns, o->name, o->uid);
	w->own = own;
	w->own_path = path;
	sp_log(a->log, SP_LOG_INFO, "a static pod", SP_KS("pod", o->name), SP_KS("path", m->path));
	node_worker_set(w, o);
	const sp_object *mirror = a->pods == NULL ? NULL : sp_informer_get_in(a->pods, o->ns, o->name);
	if (mirror != NULL && node_is_mirror(mirror))
		node_static_mirrored(a, NULL, mirror);
}

/* Whether a pod goes on after this scan. Files are written in pieces: one that can't be read right after a
 * change keeps its pod until the clock comes round. */
static bool stays(const node_statics *s, const node_worker *w, const sp_object *const *pods)
{
	for (size_t i = 0; i < s->n_files; i++) {
		if (pods[i] != NULL && sp_str_eq(pods[i]->uid, w->uid))
			return true;
	}
	const manifest *m = file_of(s, sp_bytes_view(w->own_path));
	return !s->by_clock && m != NULL && m->json.len == 0;
}

static void apply(node_statics *s)
{
	node_agent *a = s->agent;
	const sp_object **pods = sp_try_new(&s->found, const sp_object *, s->n_files + 1);
	if (pods == NULL)
		return;
	for (size_t i = 0; i < s->n_files; i++) {
		SP_CLEANUP(sp_arena_done) sp_arena arena;
		sp_arena_init(&arena, NODE_MANIFEST_ARENA_BYTES);
		sp_err err = {0};
		if (s->files[i].json.len == 0)
			sp_log(a->log, SP_LOG_WARN, "a file is no static pod",
			       SP_KS("path", s->files[i].path), SP_KC("err", s->files[i].why));
		else if (sp_object_parse(&arena, s->files[i].json, NULL, &pods[i], &err) != SP_OK)
			sp_log(a->log, SP_LOG_WARN, "a static pod can't be read",
			       SP_KS("path", s->files[i].path), SP_KE(&err));
	}
	SP_LIST_FOREACH (node, &a->workers) {
		node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		if (w->own != NULL && !w->is_gone && !stays(s, w, pods))
			node_worker_set(w, NULL);
	}
	for (size_t i = 0; i < s->n_files; i++) {
		if (pods[i] != NULL)
			add(s, &s->files[i], pods[i]);
		(void)sp_object_unref(pods[i]);
	}
}

/* ---- when ---- */

static void on_scanned(sp_work *job);
static void on_change(void *arg);

static void on_clock(sp_timer *t)
{
	node_statics *s = t->arg;
	s->next_by_clock = true;
	on_change(s);
}

static void begin_scan(node_statics *s)
{
	node_agent *a = s->agent;
	s->wants_scan = false;
	s->by_clock = s->next_by_clock;
	s->next_by_clock = false;
	sp_timer_start(a->world, &s->timer, SCAN_NS, on_clock);
	if (s->watch == NULL) /* there may be a directory by now */
		(void)!sp_path_watch_new(a->world, a->opts.manifest_dir, on_change, s, &s->watch, NULL);
	sp_arena_rewind(&s->found);
	s->files = NULL;
	s->n_files = 0;
	s->err = (sp_err){0};
	s->work = (sp_work){.fn = on_scan, .done = on_scanned, .arg = s};
	s->is_working = sp_work_start(a->world, &s->work, &s->err) == SP_OK;
}

static void on_change(void *arg)
{
	node_statics *s = arg;
	s->wants_scan = true;
	if (!s->is_working && s->agent->opts.manifest_dir.len != 0)
		begin_scan(s);
}

static void destroy(node_statics *s)
{
	sp_arena_done(&s->found);
	s->agent->statics = NULL;
	sp_free(s);
}

static void on_scanned(sp_work *job)
{
	node_statics *s = job->arg;
	node_agent *a = s->agent;
	s->is_working = false;
	if (s->is_freed) {
		destroy(s);
		node_agent_check_closed(a);
		return;
	}
	if (s->code != SP_OK) {
		sp_log(a->log, SP_LOG_ERROR, "static pods can't be read", SP_KS("path", a->opts.manifest_dir),
		       SP_KE(&s->err));
	} else {
		apply(s);
		s->is_known = true;
	}
	if (s->wants_scan)
		begin_scan(s);
	node_statics_look(a);
}

void node_static_gone(node_agent *a)
{
	if (a->statics == NULL || a->closing)
		return;
	SP_LIST_FOREACH (node, &a->workers) {
		node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		if (w->own != NULL)
			node_worker_poke(w);
	}
	on_change(a->statics);
	node_statics_look(a);
}

/* ---- mirrors ---- */

typedef struct mirror_view {
	sp_vmap annotations;
	sp_time deletion, start;
	bool has_deletion, has_start;
} mirror_view;
SP_VIEW(mirror_desc, mirror_view, "v1/Pod", SP_V(mirror_view, annotations, "metadata.annotations"),
	SP_VH(mirror_view, deletion, "metadata.deletionTimestamp"),
	SP_VH(mirror_view, start, "status.startTime"));

typedef struct mirror {
	sp_arena arena;
	mirror_view v;
	sp_str hash; /* {NULL, 0}: it is none */
} mirror;

static void mirror_done(mirror *m)
{
	sp_arena_done(&m->arena);
}

static void mirror_read(const sp_object *o, mirror *ret)
{
	sp_arena_init(&ret->arena, NODE_MANIFEST_ARENA_BYTES);
	ret->hash = (sp_str){NULL, 0};
	ret->v = (mirror_view){0};
	if (sp_str_find(o->json, SP_STR(NODE_NOTE_CONFIG_MIRROR)) < 0 ||
	    sp_view(&ret->arena, o->json, &mirror_desc, &ret->v, NULL) != SP_OK)
		return;
	ret->hash = sp_json_str(sp_json_last(ret->v.annotations.object, SP_STR(NODE_NOTE_CONFIG_MIRROR)));
}

bool node_is_mirror(const sp_object *o)
{
	SP_CLEANUP(mirror_done) mirror m;
	mirror_read(o, &m);
	return m.hash.ptr != NULL;
}

/* The static pod's uid is its hash, unless the file gives it one; then the annotation is the same, too. */
static bool shows(const mirror *m, const node_worker *w)
{
	return !m->v.has_deletion && sp_str_eq(m->hash, w->uid);
}

/* What was told before is where the next status begins. */
static void take_status(node_worker *w, const sp_object *mirror_object)
{
	const sp_object *o;
	sp_str json;
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, NODE_MANIFEST_ARENA_BYTES);
	if (node_manifest_with_status(&arena, sp_bytes_view(w->own), mirror_object->json, &json, NULL) !=
		    SP_OK ||
	    sp_object_parse(&arena, json, NULL, &o, NULL) != SP_OK)
		return;
	node_worker_set(w, o);
	(void)sp_object_unref(o);
}

void node_static_mirrored(node_agent *a, const sp_object *old, const sp_object *now)
{
	const sp_object *o = now != NULL ? now : old;
	node_worker *w = node_static_find(a, o->ns, o->name);
	if (w != NULL) {
		SP_CLEANUP(mirror_done) mirror m;
		mirror_read(o, &m);
		bool is_ours = now != NULL && shows(&m, w);
		sp_str uid = is_ours ? now->uid : (sp_str){NULL, 0};
		if (!sp_str_eq(sp_str_c(w->mirror_uid), uid)) { /* another one, that was told nothing yet */
			(void)snprintf(w->mirror_uid, sizeof w->mirror_uid, SP_FMT, SP_ARG(uid));
			node_report_cancel(w);
			w->report_waits = false;
			node_worker_poke(w);
		}
		if (is_ours && m.v.has_start)
			take_status(w, now);
	}
	node_statics_look(a);
}

static void on_again(sp_timer *t)
{
	node_statics_look(t->arg);
}

static void on_asked(sp_call *c, const sp_answer *answer)
{
	node_statics *s = c->arg;
	s->is_asking = false;
	if (answer->code != SP_OK && answer->code != SP_ENOTFOUND)
		sp_log(s->agent->log, SP_LOG_WARN, "a mirror pod was not written",
		       SP_KS("err", answer->message));
	/* The watch tells of it; only what was refused is asked for again. */
	if (s->wants_look)
		node_statics_look(s->agent);
	else
		sp_timer_start(s->agent->world, &s->again, NODE_RETRY_NS, on_again);
}

static void ask(node_statics *s, const sp_ask *what)
{
	s->is_asking = true;
	s->wants_look = false;
	sp_timer_stop(s->agent->world, &s->again);
	s->call = (sp_call){.done = on_asked, .arg = s};
	sp_call_start(s->agent->client, &s->call, what);
}

static void delete_mirror(node_statics *s, const sp_object *o)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, 4096);
	if (sp_patch_delete_opts(&body, &(sp_delete_opts){.uid = o->uid, .has_grace = true}) == SP_OK)
		ask(s, &(sp_ask){.verb = SP_ASK_DELETE,
				 .gvr = SP_PODS,
				 .ns = o->ns,
				 .name = o->name,
				 .body = sp_buf_view(&body)});
}

static void create_mirror(node_statics *s, const node_worker *w, sp_str node_uid)
{
	sp_str body;
	sp_err err = {0};
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, NODE_MANIFEST_ARENA_BYTES);
	if (node_manifest_mirror(&arena, sp_bytes_view(w->own), s->agent->opts.node_name, node_uid, &body,
				 &err) != SP_OK) {
		sp_log(s->agent->log, SP_LOG_ERROR, "a mirror pod can't be made", SP_KS("pod", w->name),
		       SP_KE(&err));
		return;
	}
	ask(s, &(sp_ask){.verb = SP_ASK_CREATE, .gvr = SP_PODS, .ns = w->ns, .body = body});
}

static bool any_static(const node_agent *a, const sp_object *o)
{
	SP_LIST_FOREACH (node, (sp_list *)(uintptr_t)&a->workers) {
		const node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		if (w->own != NULL && sp_str_eq(w->ns, o->ns) && sp_str_eq(w->name, o->name))
			return true;
	}
	return false;
}

/* A mirror that shows nothing of now. One of a pod that is ending stays until it has ended. */
static bool is_surplus(const node_agent *a, const sp_object *o)
{
	SP_CLEANUP(mirror_done) mirror m;
	mirror_read(o, &m);
	const node_worker *w = node_static_find(a, o->ns, o->name);
	if (m.hash.ptr == NULL)
		return false;
	return w != NULL ? !shows(&m, w) : !any_static(a, o);
}

void node_statics_look(node_agent *a)
{
	node_statics *s = a->statics;
	const sp_object *o;
	if (s == NULL || s->is_freed || !s->is_known || !a->is_synced || a->closing)
		return;
	s->wants_look = true;
	for (size_t at = 0; !s->is_asking && (o = sp_informer_next(a->pods, &at)) != NULL;) {
		if (is_surplus(a, o))
			delete_mirror(s, o);
	}
	sp_str node_uid = node_self_uid(a);
	SP_LIST_FOREACH (node, &a->workers) {
		const node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		if (!s->is_asking && w->own != NULL && !w->is_gone && node_uid.len != 0 &&
		    sp_informer_get_in(a->pods, w->ns, w->name) == NULL)
			create_mirror(s, w, node_uid);
	}
}

/* ---- life ---- */

sp_code node_statics_new(node_agent *a, sp_err *err)
{
	node_statics *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for static pods");
	s->agent = a;
	s->timer.arg = s;
	s->again.arg = a;
	s->next_by_clock = true;
	s->is_known = a->opts.manifest_dir.len == 0;
	sp_arena_init(&s->found, FOUND_BYTES_MAX);
	a->statics = s;
	on_change(s);
	return SP_OK;
}

void node_statics_free(node_agent *a)
{
	node_statics *s = a->statics;
	if (s == NULL)
		return;
	sp_call_cancel(&s->call);
	sp_timer_stop(a->world, &s->timer);
	sp_timer_stop(a->world, &s->again);
	sp_path_watch_free(SP_TAKE(s->watch));
	s->is_freed = true;
	if (!s->is_working)
		destroy(s);
}
