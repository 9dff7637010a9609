/* SPDX-License-Identifier: Apache-2.0 */
/* /logs/: the machine's logs, looked at and read piece by piece on worker threads. */
#include "base/alloc.h"
#include "node/log_tree.h"
#include "node/serve_int.h"

#define LOG_ROOT "/var/log"
#define PIECE_BYTES ((size_t)256 << 10)
#define LIST_BYTES_MAX ((size_t)32 << 20)

typedef struct file_read {
	node_request *r; /* NULL: the client is gone */
	sp_world *world;
	sp_work work;
	sp_str path; /* below the root, heap */
	node_log_entry entry;
	sp_buf out;
	uint64_t offset;
	bool has_slash; /* at the end of what was asked for */
	bool working, begun;
	sp_code code;
	sp_err err;
} file_read;

static void read_free(file_read *f)
{
	if (f->entry.fd >= 0)
		(void)close(f->entry.fd);
	sp_buf_done(&f->out);
	sp_free((void *)(uintptr_t)f->path.ptr);
	sp_free(f);
}

/* ---- on a worker thread ---- */

static sp_code read_piece(file_read *f)
{
	char *piece = sp_try_alloc(PIECE_BYTES);
	uint64_t left = f->entry.size - f->offset;
	if (piece == NULL)
		return sp_fail(&f->err, SP_ENOMEM, "no memory to read a log");
	ssize_t n = pread(f->entry.fd, piece, (size_t)SP_MIN(left, (uint64_t)PIECE_BYTES), (off_t)f->offset);
	if (n > 0) {
		f->offset += (uint64_t)n;
		(void)sp_buf_append(&f->out, piece, (size_t)n);
	}
	sp_free(piece);
	/* Its length was told: one that has shrunk can't be told to its end. */
	return n > 0 || left == 0 ? sp_buf_code(&f->out) : sp_fail(&f->err, SP_EIO, "a log has shrunk");
}

static void on_job(sp_work *job)
{
	file_read *f = job->arg;
	f->code = SP_OK;
	if (f->entry.fd < 0)
		f->code = node_log_entry_open(LOG_ROOT, f->path, &f->entry, &f->err);
	if (f->code == SP_OK && !f->entry.is_dir)
		f->code = read_piece(f);
	else if (f->code == SP_OK && f->has_slash)
		f->code = node_log_entry_list(&f->entry, &f->out, &f->err);
}

/* ---- on the loop ---- */

static void look(file_read *f);

static void refuse(file_read *f)
{
	uint16_t status = f->code == SP_ENOTFOUND ? 404 : f->code == SP_EFORBIDDEN ? 403 : 500;
	node_answer(f->r, status, "%s\n", f->err.msg);
}

/* To where it should have been asked for. U: net/http serveFile. */
static void redirect(file_read *f)
{
	sp_str base = sp_str_sub(f->path, (size_t)(sp_str_rindex(f->path, '/') + 1), f->path.len);
	sp_str to = f->entry.is_dir ? SP_CONCAT(&f->r->ex->arena, base, SP_STR("/"))
				    : SP_CONCAT(&f->r->ex->arena, SP_STR("../"), base);
	const sp_http_header location = {SP_STR("location"), to};
	if (to.ptr == NULL || sp_http_respond(f->r->ex, 301, &location, 1, (sp_str){NULL, 0}, NULL) != SP_OK)
		sp_http_reset(f->r->ex, SP_HTTP2_INTERNAL_ERROR);
}

static sp_code begin(file_read *f)
{
	sp_str length = sp_arena_printf(&f->r->ex->arena, "%llu", (unsigned long long)f->entry.size);
	const sp_http_header headers[] = {{SP_STR("content-type"), node_log_type(sp_buf_view(&f->out))},
					  {SP_STR("content-length"), length}};
	f->begun = true;
	return length.ptr == NULL ? SP_ENOMEM : sp_http_begin(f->r->ex, 200, headers, 2, NULL);
}

static void tell_list(file_read *f)
{
	static const sp_http_header type = {SP_STR_INIT("content-type"),
					    SP_STR_INIT("text/html; charset=utf-8")};
	if (sp_http_respond(f->r->ex, 200, &type, 1, sp_buf_view(&f->out), NULL) != SP_OK)
		sp_http_reset(f->r->ex, SP_HTTP2_INTERNAL_ERROR);
}

static void tell_piece(file_read *f)
{
	sp_http_exchange *ex = f->r->ex;
	if (f->code != SP_OK || (!f->begun && begin(f) != SP_OK) ||
	    (f->out.len > 0 && sp_http_write(ex, sp_buf_view(&f->out), NULL) != SP_OK)) {
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
		return;
	}
	sp_buf_clear(&f->out);
	if (f->offset == f->entry.size) {
		if (sp_http_end(ex, NULL, 0, NULL) != SP_OK)
			sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
	} else if (!sp_http_is_full(ex)) {
		look(f);
	}
}

static void on_read(sp_work *job)
{
	file_read *f = job->arg;
	f->working = false;
	if (f->r == NULL)
		read_free(f);
	else if (f->code != SP_OK && !f->begun)
		refuse(f);
	else if (f->entry.is_dir != f->has_slash)
		redirect(f);
	else if (f->entry.is_dir)
		tell_list(f);
	else
		tell_piece(f);
}

static void look(file_read *f)
{
	f->work = (sp_work){.fn = on_job, .done = on_read, .arg = f};
	if (sp_work_start(f->world, &f->work, NULL) == SP_OK)
		f->working = true;
	else
		sp_http_reset(f->r->ex, SP_HTTP2_INTERNAL_ERROR);
}

static void on_writable(node_request *r)
{
	file_read *f = r->state;
	if (f->begun && !f->working && f->offset < f->entry.size)
		look(f);
}

static void on_end(node_request *r)
{
	file_read *f = r->state;
	f->r = NULL;
	if (!f->working)
		read_free(f);
}

/* The segments after the first, as a path: "." and ".." in it are names of nothing. */
static sp_str path_of(const node_request *r)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)64 << 10);
	for (size_t i = 1; i < r->n_segments; i++) {
		sp_str part = r->segments[i];
		if (sp_str_eq(part, SP_STR("..")) || sp_str_eq(part, SP_STR(".")) ||
		    sp_str_index(part, '/') >= 0)
			return (sp_str){NULL, 0};
		if (i > 1)
			(void)sp_buf_char(&out, '/');
		(void)sp_buf_str(&out, part);
	}
	char *copy = sp_buf_code(&out) == SP_OK ? sp_try_alloc(out.len + 1) : NULL;
	if (copy == NULL)
		return (sp_str){NULL, 0};
	memcpy(copy, sp_buf_view(&out).ptr, out.len);
	return (sp_str){copy, out.len};
}

void node_serve_files(node_request *r)
{
	sp_str asked = r->ex->path, head;
	if (sp_str_cut(&asked, '?', &head))
		asked = head;
	sp_str path = path_of(r);
	/* "/logs" alone is no path of a file server. */
	if (path.ptr == NULL || sp_str_eq(asked, SP_STR("/logs"))) {
		sp_free((void *)(uintptr_t)path.ptr);
		node_answer(r, 404, "404 page not found\n");
		return;
	}
	file_read *f = SP_NEW(file_read);
	*f = (file_read){.r = r,
			 .world = r->agent->world,
			 .path = path,
			 .entry = {.fd = -1},
			 .has_slash = sp_str_ends(asked, SP_STR("/"))};
	sp_buf_init(&f->out, LIST_BYTES_MAX);
	r->state = f;
	r->end = on_end;
	r->writable = on_writable;
	look(f);
}
