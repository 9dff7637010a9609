/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/audit/log.h"

#include "base/alloc.h"
#include "base/time.h"
#include "io/file.h"

#define NS_PER_S INT64_C(1000000000)
#define FILE_BYTES_DEFAULT (UINT64_C(100) << 20)
#define NAMES_BYTES_MAX ((size_t)16 << 20)
#define PATH_BYTES_MAX 8192u
#define STAMP_BYTES 23u /* 2006-01-02T15-04-05.000 */

struct api_audit_log {
	sp_world *world;
	api_audit_log_opts o;
	sp_buf waiting, writing; /* of the loop; of the worker while it is busy */
	sp_work work;
	sp_file *file;
	uint64_t size;
	int64_t wall_ns; /* for the worker */
	sp_code code;
	sp_err err;
	bool busy, closing;
	sp_defer last;
	void (*done)(void *arg);
	void *done_arg;
};

/* ---- old files ---- */

static sp_str dir_of(sp_str path)
{
	ptrdiff_t slash = sp_str_rindex(path, '/');
	return slash <= 0 ? SP_STR("/") : sp_str_sub(path, 0, (size_t)slash);
}

/* "audit" and ".log" of "/var/log/audit.log". */
static void split_name(sp_str path, sp_str *ret_front, sp_str *ret_ext)
{
	ptrdiff_t slash = sp_str_rindex(path, '/');
	sp_str name = sp_str_sub(path, (size_t)(slash + 1), path.len);
	ptrdiff_t dot = sp_str_rindex(name, '.');
	*ret_front = dot < 0 ? name : sp_str_sub(name, 0, (size_t)dot);
	*ret_ext = dot < 0 ? SP_STR("") : sp_str_sub(name, (size_t)dot, name.len);
}

static sp_str stamp(char room[SP_TIME_TEXT_BYTES], int64_t wall_ns)
{
	const sp_time t = {wall_ns / NS_PER_S, (uint32_t)(wall_ns % NS_PER_S)};
	size_t n = sp_time_print(room, t, 3);
	for (size_t i = 0; i < n; i++)
		room[i] = room[i] == ':' ? '-' : room[i];
	return (sp_str){room, n == 0 ? 0 : n - 1}; /* without the Z */
}

/* The stamp of an old file of ours; empty for other files. */
static sp_str stamp_of(sp_str name, sp_str front, sp_str ext)
{
	if (!sp_str_take(&name, front) || !sp_str_take(&name, SP_STR("-")) || !sp_str_ends(name, ext) ||
	    name.len - ext.len != STAMP_BYTES)
		return (sp_str){NULL, 0};
	return sp_str_sub(name, 0, STAMP_BYTES);
}

/* Stamps sort as times do, and so do the names. */
static sp_code remove_old(api_audit_log *l, sp_err *err)
{
	sp_arena names;
	sp_dir_entry *entries;
	size_t n, n_left = 0;
	char room[SP_TIME_TEXT_BYTES];
	sp_str front, ext, dir = dir_of(l->o.path);
	sp_str oldest = stamp(room, l->wall_ns - (int64_t)l->o.max_days * 86400 * NS_PER_S);
	split_name(l->o.path, &front, &ext);
	sp_arena_init(&names, NAMES_BYTES_MAX);
	sp_code code = sp_dir_list(l->world, dir, &names, &entries, &n, err);
	for (size_t i = n; code == SP_OK && i > 0; i--) {
		sp_str when = stamp_of(entries[i - 1].name, front, ext);
		if (when.len == 0)
			continue;
		n_left++;
		if ((l->o.n_backups == 0 || n_left <= l->o.n_backups) &&
		    (l->o.max_days == 0 || sp_str_cmp(when, oldest) >= 0))
			continue;
		sp_str path =
			sp_arena_printf(&names, SP_FMT "/" SP_FMT, SP_ARG(dir), SP_ARG(entries[i - 1].name));
		code = sp_path_unlink(l->world, path, err);
	}
	sp_arena_done(&names);
	return code;
}

static sp_code open_file(api_audit_log *l, sp_err *err)
{
	sp_stat st;
	SP_TRY(sp_file_open(l->world, l->o.path, SP_FILE_READ | SP_FILE_WRITE | SP_FILE_CREATE, 0600,
			    &l->file, err));
	SP_TRY(sp_file_stat(l->file, &st, err));
	l->size = st.size;
	return SP_OK;
}

static sp_code change_file(api_audit_log *l, sp_err *err)
{
	char room[SP_TIME_TEXT_BYTES];
	sp_str front, ext;
	SP_AUTO_BUF path;
	sp_buf_init(&path, PATH_BYTES_MAX);
	split_name(l->o.path, &front, &ext);
	(void)sp_buf_printf(&path, SP_FMT "/" SP_FMT "-" SP_FMT SP_FMT, SP_ARG(dir_of(l->o.path)),
			    SP_ARG(front), SP_ARG(stamp(room, l->wall_ns)), SP_ARG(ext));
	if (sp_buf_code(&path) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "the path of the audit log is too long");
	sp_file_close(l->file);
	l->file = NULL;
	SP_TRY(sp_path_rename(l->world, l->o.path, sp_buf_view(&path), err));
	SP_TRY(open_file(l, err));
	return remove_old(l, err);
}

/* ---- writing ---- */

static sp_code write_batch(api_audit_log *l, sp_err *err)
{
	sp_str bytes = sp_buf_view(&l->writing);
	if (l->o.out != NULL)
		return l->o.out(bytes, err);
	if (l->file == NULL)
		SP_TRY(open_file(l, err));
	if (l->size > 0 && l->size + bytes.len > l->o.max_bytes)
		SP_TRY(change_file(l, err));
	SP_TRY(sp_file_pwrite(l->file, l->size, bytes.ptr, bytes.len, err));
	l->size += bytes.len;
	return SP_OK;
}

static void on_worker(sp_work *job)
{
	api_audit_log *l = job->arg;
	l->code = write_batch(l, &l->err);
}

static void on_written(sp_work *job);

static void finish(sp_defer *d)
{
	api_audit_log *l = d->arg;
	void (*done)(void *arg) = l->done;
	void *arg = l->done_arg;
	sp_file_close(l->file);
	sp_buf_done(&l->waiting);
	sp_buf_done(&l->writing);
	sp_free(l);
	done(arg);
}

static void go_on(api_audit_log *l)
{
	if (l->busy)
		return;
	if (l->waiting.len == 0) {
		if (l->closing)
			sp_defer_call(l->world, &l->last);
		return;
	}
	sp_buf batch = l->writing;
	l->writing = l->waiting;
	l->waiting = batch;
	sp_buf_clear(&l->waiting);
	l->wall_ns = sp_wall_ns(l->world);
	l->work = (sp_work){.fn = on_worker, .done = on_written, .arg = l};
	l->busy = sp_work_start(l->world, &l->work, &l->err) == SP_OK;
	if (l->busy)
		return;
	l->o.on_error(l->o.arg, &l->err); /* what was gathered is lost */
	if (l->closing)
		sp_defer_call(l->world, &l->last);
}

static void on_written(sp_work *job)
{
	api_audit_log *l = job->arg;
	l->busy = false;
	if (l->code != SP_OK)
		l->o.on_error(l->o.arg, &l->err);
	go_on(l);
}

static bool take(void *arg, sp_str line)
{
	api_audit_log *l = arg;
	if (l->closing || l->waiting.len + line.len > API_AUDIT_LOG_WAITING_MAX ||
	    sp_buf_str(&l->waiting, line) != SP_OK)
		return false;
	go_on(l);
	return true;
}

api_audit_sink api_audit_log_sink(api_audit_log *l)
{
	return (api_audit_sink){take, l};
}

sp_code api_audit_log_open(sp_world *w, const api_audit_log_opts *opts, api_audit_log **ret, sp_err *err)
{
	api_audit_log *l = SP_NEW(api_audit_log);
	l->world = w;
	l->o = *opts;
	if (l->o.max_bytes == 0)
		l->o.max_bytes = FILE_BYTES_DEFAULT;
	sp_buf_init(&l->waiting, API_AUDIT_LOG_WAITING_MAX);
	sp_buf_init(&l->writing, API_AUDIT_LOG_WAITING_MAX);
	sp_defer_init(&l->last, finish, l);
	sp_code code = l->o.out != NULL ? SP_OK : open_file(l, err);
	if (code == SP_OK) {
		*ret = l;
		return SP_OK;
	}
	sp_file_close(l->file);
	sp_free(l);
	return code;
}

void api_audit_log_close(api_audit_log *l, void (*done)(void *arg), void *arg)
{
	l->closing = true;
	l->done = done;
	l->done_arg = arg;
	go_on(l);
}
