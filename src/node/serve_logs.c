/* SPDX-License-Identifier: Apache-2.0 */
/* /containerLogs: a file of a container, read piece by piece on worker threads, and followed while the
 * container runs. */
#include "base/alloc.h"
#include "base/num.h"
#include "io/file.h"
#include "node/log_lines.h"
#include "node/serve_int.h"

#define PIECE_BYTES ((size_t)256 << 10)
#define OUT_BYTES_MAX ((size_t)4 << 20)
#define FOLLOW_NS NODE_SECOND_NS /* between looks where directories can't be watched */

typedef struct log_read {
	node_request *r; /* NULL: the client is gone */
	sp_world *world;
	sp_work work;
	sp_timer again;
	sp_str path;   /* heap */
	sp_file *file; /* while it is read: it may get another name */
	sp_str ns, pod, container;
	uint32_t attempt;
	node_log_lines lines;
	sp_buf out;
	uint64_t offset;
	int64_t tail;           /* -1: all */
	sp_path_watch *files;   /* of the directory; NULL: nobody tells of changes */
	sp_informer_watch pods; /* the end of the container is a change of its pod */
	bool changed, waits;    /* since the last look; for a change */
	bool follow, placed, working, begun, at_end, last_look;
	sp_code code;
	sp_err err;
} log_read;

static void log_free(log_read *l)
{
	sp_timer_stop(l->world, &l->again);
	sp_path_watch_free(l->files);
	sp_informer_watch_remove(&l->pods);
	sp_file_close(l->file);
	node_log_lines_done(&l->lines);
	sp_buf_done(&l->out);
	sp_free((void *)(uintptr_t)l->path.ptr);
	sp_free(l);
}

/* ---- on a worker thread ---- */

/* Where the last `tail` lines begin. */
static sp_code place(log_read *l, sp_file *f, sp_err *err)
{
	sp_stat st;
	int64_t left = l->tail;
	SP_TRY(sp_file_stat(f, &st, err));
	uint64_t end = st.size, at = end;
	char *piece = sp_try_alloc(PIECE_BYTES);
	if (piece == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to read a log");
	sp_code code = SP_OK;
	l->offset = left == 0 ? end : 0;
	while (left > 0 && at > 0 && code == SP_OK) {
		size_t n = (size_t)SP_MIN(at, (uint64_t)PIECE_BYTES), got = 0;
		at -= n;
		code = sp_file_pread(f, at, piece, n, &got, err);
		for (size_t i = got; i-- > 0;) {
			if (piece[i] != '\n' || at + i + 1 == end) /* the end of the last line begins none */
				continue;
			if (--left == 0) {
				l->offset = at + i + 1;
				break;
			}
		}
	}
	sp_free(piece);
	return code;
}

/* Whether the file that was read to its end was set aside for another one: then it has grown for the last
 * time. */
static bool is_aside(log_read *l)
{
	sp_stat now, own;
	return l->follow && sp_file_stat(l->file, &own, NULL) == SP_OK &&
	       sp_path_stat(l->world, l->path, &now, NULL) == SP_OK &&
	       (now.inode != own.inode || now.device != own.device);
}

static sp_code open_file(log_read *l, sp_err *err)
{
	SP_TRY(sp_file_open(l->world, l->path, SP_FILE_READ | SP_FILE_NOFOLLOW, 0, &l->file, err));
	l->offset = 0;
	if (!l->placed && l->tail >= 0)
		SP_TRY(place(l, l->file, err));
	l->placed = true;
	return SP_OK;
}

static sp_code read_piece(log_read *l, sp_err *err)
{
	size_t n = 0;
	sp_code code = l->file != NULL ? SP_OK : open_file(l, err);
	if (code == SP_ENOTFOUND && l->follow) { /* about to be made */
		l->at_end = true;
		return SP_OK;
	}
	SP_TRY(code);
	bool aside = is_aside(l); /* asked before the last look at it */
	char *piece = sp_try_alloc(PIECE_BYTES);
	if (piece == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to read a log");
	code = sp_file_pread(l->file, l->offset, piece, PIECE_BYTES, &n, err);
	if (code == SP_OK) {
		l->offset += n;
		l->at_end = n < PIECE_BYTES && !aside;
		if (n < PIECE_BYTES && aside)
			sp_file_close(SP_TAKE(l->file));
		code = node_log_lines_add(&l->lines, (sp_str){piece, n}, &l->out);
	}
	sp_free(piece);
	return code;
}

static void on_job(sp_work *job)
{
	log_read *l = job->arg;
	l->code = read_piece(l, &l->err);
}

/* ---- on the loop ---- */

static void look(log_read *l);

static void on_again(sp_timer *t)
{
	look(t->arg);
}

/* The container's state in the API, NULL when it is not there. */
static yyjson_val *status_of(sp_arena *a, const node_worker *w, sp_str container)
{
	static const char *const lists[] = {"status.containerStatuses", "status.initContainerStatuses",
					    "status.ephemeralContainerStatuses"};
	yyjson_val *tree, *item;
	size_t i, n;
	if (sp_json_parse(a, w->latest->json, &tree, NULL) != SP_OK)
		return NULL;
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		yyjson_arr_foreach(sp_view_at(tree, lists[k]), i, n, item)
		{
			if (sp_str_eq(sp_view_str_at(item, "name"), container))
				return item;
		}
	}
	return NULL;
}

static bool still_runs(const log_read *l)
{
	const node_worker *w = node_agent_pod(l->r->agent, l->ns, l->pod);
	SP_CLEANUP(sp_arena_done) sp_arena arena;
	sp_arena_init(&arena, NODE_POD_BYTES_MAX);
	if (w == NULL || w->latest == NULL)
		return false;
	yyjson_val *s = status_of(&arena, w, l->container);
	return sp_view_at(s, "state.running") != NULL &&
	       yyjson_get_sint(sp_view_at(s, "restartCount")) == (int64_t)l->attempt;
}

static bool begin(log_read *l)
{
	static const sp_http_header type = {SP_STR_INIT("content-type"), SP_STR_INIT("text/plain")};
	if (l->begun)
		return true;
	l->begun = true;
	return sp_http_begin(l->r->ex, 200, &type, 1, NULL) == SP_OK;
}

static void finish(log_read *l)
{
	if (!begin(l) || sp_http_end(l->r->ex, NULL, 0, NULL) != SP_OK)
		sp_http_reset(l->r->ex, SP_HTTP2_INTERNAL_ERROR);
}

static void next(log_read *l)
{
	if (l->lines.done || (l->at_end && (!l->follow || l->last_look))) {
		finish(l);
		return;
	}
	if (!l->at_end) {
		look(l);
		return;
	}
	/* What it wrote before it ended is in the file by then: one more look. */
	l->last_look = !still_runs(l);
	if (l->last_look || l->changed) {
		sp_timer_start(l->world, &l->again, 0, on_again);
		return;
	}
	l->waits = true;
	if (l->files == NULL)
		sp_timer_start(l->world, &l->again, FOLLOW_NS, on_again);
}

/* ---- changes ---- */

static void on_change(void *arg)
{
	log_read *l = arg;
	l->changed = true;
	if (!l->waits || l->r == NULL)
		return;
	sp_timer_stop(l->world, &l->again);
	look(l);
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	const log_read *l = arg;
	const sp_object *o = now != NULL ? now : old;
	if (sp_str_eq(o->name, l->pod) && sp_str_eq(o->ns, l->ns))
		on_change(arg);
}

static void follow(log_read *l)
{
	sp_str dir = sp_str_sub(l->path, 0, (size_t)sp_str_rindex(l->path, '/'));
	l->pods = (sp_informer_watch){.on_change = on_pod, .arg = l};
	sp_list_init(&l->pods.node);
	sp_informer_watch_add(l->r->agent->pods, &l->pods);
	/* Without it the file is looked at again and again. */
	(void)!sp_path_watch_new(l->world, dir, on_change, l, &l->files, NULL);
}

static void on_read(sp_work *job)
{
	log_read *l = job->arg;
	l->working = false;
	if (l->r == NULL) {
		log_free(l);
		return;
	}
	if (l->code != SP_OK && !l->begun) {
		node_answer(l->r, l->code == SP_ENOTFOUND ? 404 : 500,
			    "failed to try resolving symlinks in path \"" SP_FMT "\": %s", SP_ARG(l->path),
			    l->err.msg);
		return;
	}
	if (l->code != SP_OK || !begin(l) || sp_http_write(l->r->ex, sp_buf_view(&l->out), NULL) != SP_OK) {
		sp_http_reset(l->r->ex, SP_HTTP2_INTERNAL_ERROR);
		return;
	}
	sp_buf_clear(&l->out);
	if (!sp_http_is_full(l->r->ex))
		next(l);
}

static void look(log_read *l)
{
	if (l->working)
		return;
	l->waits = l->changed = false;
	l->work = (sp_work){.fn = on_job, .done = on_read, .arg = l};
	if (sp_work_start(l->world, &l->work, NULL) == SP_OK)
		l->working = true;
	else
		sp_timer_start(l->world, &l->again, FOLLOW_NS, on_again);
}

static void on_writable(node_request *r)
{
	log_read *l = r->state;
	if (!l->working && !l->waits && !sp_timer_is_running(&l->again))
		next(l);
}

static void on_end(node_request *r)
{
	log_read *l = r->state;
	l->r = NULL;
	sp_timer_stop(l->world, &l->again);
	sp_path_watch_free(SP_TAKE(l->files));
	sp_informer_watch_remove(&l->pods);
	if (!l->working)
		log_free(l);
}

/* ---- what is asked ---- */

static bool flag(const node_request *r, const char *name)
{
	sp_str v = sp_url_query_get(&r->query, sp_str_c(name));
	return sp_str_eq(v, SP_STR("true")) || sp_str_eq(v, SP_STR("1"));
}

/* False: answered with 400. An option that is absent leaves *ret. */
static bool number(node_request *r, const char *name, int64_t *ret)
{
	const sp_url_pair *pair = sp_url_query_find(&r->query, sp_str_c(name));
	if (pair == NULL || sp_parse_i64(pair->value, 0, INT64_MAX, ret, NULL) == SP_OK)
		return true;
	node_answer(r, 400, "%s: Invalid value: \"" SP_FMT "\"", name, SP_ARG(pair->value));
	return false;
}

static bool read_filter(node_request *r, node_log_filter *f, int64_t *tail)
{
	int64_t since_s = -1;
	sp_str since = sp_url_query_get(&r->query, SP_STR("sinceTime")),
	       stream = sp_url_query_get(&r->query, SP_STR("stream"));
	sp_time at;
	*f = (node_log_filter){.limit_bytes = -1, .timestamps = flag(r, "timestamps")};
	if (!number(r, "tailLines", tail) || !number(r, "limitBytes", &f->limit_bytes) ||
	    !number(r, "sinceSeconds", &since_s))
		return false;
	if (since_s >= 0) {
		f->has_since = true;
		f->since_ns = sp_wall_ns(r->agent->world) -
			      SP_MIN(since_s, INT64_C(1) << 32) * (int64_t)NODE_SECOND_NS;
	} else if (since.len != 0) {
		if (sp_time_parse(since, &at, NULL) != SP_OK) {
			node_answer(r, 400, "sinceTime: Invalid value: \"" SP_FMT "\"", SP_ARG(since));
			return false;
		}
		f->has_since = true;
		f->since_ns = sp_time_ns(at);
	}
	if (sp_str_eq(stream, SP_STR("Stdout")))
		f->stream = SP_STR("stdout");
	else if (sp_str_eq(stream, SP_STR("Stderr")))
		f->stream = SP_STR("stderr");
	return true;
}

/* Which of the container's lives is meant. False: answered. U: validateContainerLogStatus. */
static bool choose(node_request *r, const node_worker *w, sp_str container, bool previous, uint32_t *ret)
{
	yyjson_val *s = status_of(&r->ex->arena, w, container);
	bool waits = sp_view_at(s, "state.running") == NULL && sp_view_at(s, "state.terminated") == NULL;
	bool has_last = sp_view_at(s, "lastState.terminated") != NULL;
	int64_t restarts = yyjson_get_sint(sp_view_at(s, "restartCount"));
	sp_str reason = sp_view_str_at(s, "state.waiting.reason");
	if (s == NULL) {
		node_answer(r, 404, "container \"" SP_FMT "\" not found in pod \"" SP_FMT "\"",
			    SP_ARG(container), SP_ARG(w->name));
		return false;
	}
	if (previous && !has_last) {
		node_answer(r, 400,
			    "previous terminated container \"" SP_FMT "\" in pod \"" SP_FMT "\" not found",
			    SP_ARG(container), SP_ARG(w->name));
		return false;
	}
	if (!previous && waits && !has_last) {
		node_answer(r, 400,
			    "container \"" SP_FMT "\" in pod \"" SP_FMT "\" is waiting to start: " SP_FMT,
			    SP_ARG(container), SP_ARG(w->name), SP_ARG(reason));
		return false;
	}
	/* One that waits after its end is counted already. */
	*ret = (uint32_t)SP_MAX(restarts - (previous && !waits ? 1 : 0), 0);
	return true;
}

void node_serve_logs(node_request *r)
{
	node_worker *w = node_request_pod(r, r->segments[1], r->segments[2]);
	sp_str container = r->segments[3];
	node_log_filter filter;
	int64_t tail = -1;
	uint32_t attempt;
	if (w == NULL || !read_filter(r, &filter, &tail) ||
	    !choose(r, w, container, flag(r, "previous"), &attempt))
		return;
	char path[4096];
	int n = snprintf(path, sizeof path, SP_FMT "/" SP_FMT "_" SP_FMT "_" SP_FMT "/" SP_FMT "/%u.log",
			 SP_ARG(r->agent->place.log_root), SP_ARG(w->ns), SP_ARG(w->name), SP_ARG(w->uid),
			 SP_ARG(container), attempt);
	if (n < 0 || (size_t)n >= sizeof path) {
		node_answer(r, 500, "the path of the log is too long");
		return;
	}
	log_read *l = SP_NEW(log_read);
	char *copy = sp_alloc((size_t)n + 1);
	memcpy(copy, path, (size_t)n);
	*l = (log_read){.r = r,
			.world = r->agent->world,
			.path = {copy, (size_t)n},
			.ns = r->segments[1],
			.pod = r->segments[2],
			.container = container,
			.attempt = attempt,
			.tail = tail,
			.follow = flag(r, "follow")};
	l->again.arg = l;
	sp_list_init(&l->pods.node);
	node_log_lines_init(&l->lines, &filter);
	sp_buf_init(&l->out, OUT_BYTES_MAX);
	r->state = l;
	r->end = on_end;
	r->writable = on_writable;
	if (l->follow)
		follow(l);
	look(l);
}
