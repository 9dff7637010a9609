/* SPDX-License-Identifier: Apache-2.0 */
#include "io/file.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "io/world_ops.h"

#define PATH_BYTES 4096

typedef struct path_text {
	char text[PATH_BYTES];
	sp_str str; /* of text, a NUL behind it */
} path_text;

static sp_code path_check(sp_str path, path_text *ret, sp_err *err)
{
	ret->str = (sp_str){NULL, 0};
	if (path.len == 0 || path.ptr[0] != '/')
		return sp_fail(err, SP_EINVAL, "path '" SP_FMT "' is not absolute", SP_ARG(path));
	if (path.len >= PATH_BYTES)
		return sp_fail(err, SP_EINVAL, "path of %zu bytes, at most %d are allowed", path.len,
			       PATH_BYTES - 1);
	if (sp_str_index(path, '\0') >= 0)
		return sp_fail(err, SP_EINVAL, "path '" SP_FMT "' has a NUL inside", SP_ARG(path));
	memcpy(ret->text, path.ptr, path.len);
	ret->text[path.len] = '\0';
	ret->str = (sp_str){ret->text, path.len};
	return SP_OK;
}

sp_code sp_file_open(sp_world *w, sp_str path, uint32_t flags, uint32_t mode, sp_file **ret, sp_err *err)
{
	SP_ASSERT((flags & (SP_FILE_READ | SP_FILE_WRITE)) != 0);
	path_text p;
	SP_TRY(path_check(path, &p, err));
	return w->files->open(w, p.str, flags, mode, ret, err);
}

void sp_file_close(sp_file *f)
{
	if (f != NULL)
		f->world->files->close(f);
}

void sp_file_cleanup(sp_file **f)
{
	sp_file_close(*f);
}

sp_code sp_file_pread(sp_file *f, uint64_t offset, void *bytes, size_t n, size_t *ret_n, sp_err *err)
{
	return f->world->files->pread(f, offset, bytes, n, ret_n, err);
}

sp_code sp_file_pwrite(sp_file *f, uint64_t offset, const void *bytes, size_t n, sp_err *err)
{
	return f->world->files->pwrite(f, offset, bytes, n, err);
}

sp_code sp_file_append(sp_file *f, const void *bytes, size_t n, sp_err *err)
{
	return f->world->files->append(f, bytes, n, err);
}

sp_code sp_file_sync(sp_file *f, bool data_only, sp_err *err)
{
	return f->world->files->sync(f, data_only, err);
}

sp_code sp_file_truncate(sp_file *f, uint64_t size, sp_err *err)
{
	return f->world->files->truncate(f, size, err);
}

sp_code sp_file_lock(sp_file *f, sp_err *err)
{
	return f->world->files->lock(f, err);
}

sp_code sp_file_stat(sp_file *f, sp_stat *ret, sp_err *err)
{
	return f->world->files->stat(f, ret, err);
}

sp_code sp_path_stat(sp_world *w, sp_str path, sp_stat *ret, sp_err *err)
{
	path_text p;
	SP_TRY(path_check(path, &p, err));
	return w->files->path_stat(w, p.str, ret, err);
}

sp_code sp_path_rename(sp_world *w, sp_str from, sp_str to, sp_err *err)
{
	path_text p, q;
	SP_TRY(path_check(from, &p, err));
	SP_TRY(path_check(to, &q, err));
	return w->files->rename(w, p.str, q.str, err);
}

sp_code sp_path_unlink(sp_world *w, sp_str path, sp_err *err)
{
	path_text p;
	SP_TRY(path_check(path, &p, err));
	return w->files->unlink(w, p.str, err);
}

sp_code sp_path_own(sp_world *w, sp_str path, uint32_t uid, uint32_t gid, uint32_t mode, sp_err *err)
{
	path_text p;
	SP_TRY(path_check(path, &p, err));
	return w->files->own(w, p.str, uid, gid, mode, err);
}

sp_code sp_dir_remove(sp_world *w, sp_str path, sp_err *err)
{
	path_text p;
	SP_TRY(path_check(path, &p, err));
	return w->files->rmdir(w, p.str, err);
}

sp_code sp_dir_sync(sp_world *w, sp_str path, sp_err *err)
{
	path_text p;
	SP_TRY(path_check(path, &p, err));
	return w->files->dir_sync(w, p.str, err);
}

/* One level; somebody else's directory of that name is as good. */
static sp_code make_level(sp_world *w, sp_str path, uint32_t mode, sp_err *err)
{
	sp_code code = w->files->mkdir(w, path, mode, err);
	if (code != SP_EEXISTS)
		return code;
	sp_stat st;
	SP_TRY(w->files->path_stat(w, path, &st, err));
	if (st.type == SP_TYPE_FILE || st.type == SP_TYPE_OTHER)
		return sp_fail(err, SP_EEXISTS, "'" SP_FMT "' is not a directory", SP_ARG(path));
	return SP_OK;
}

sp_code sp_dir_make(sp_world *w, sp_str path, uint32_t mode, sp_err *err)
{
	path_text p;
	SP_TRY(path_check(path, &p, err));
	for (size_t i = 1; i <= p.str.len; i++) {
		bool last = i == p.str.len;
		if ((!last && p.text[i] != '/') || p.text[i - 1] == '/')
			continue;
		p.text[i] = '\0';
		SP_TRY(make_level(w, (sp_str){p.text, i}, mode, err));
		if (!last)
			p.text[i] = '/';
	}
	return SP_OK;
}

/* ---- lists ---- */

typedef struct lister {
	sp_arena *arena;
	sp_dir_entry *entries;
	size_t n, cap;
} lister;

static sp_code list_each(void *arg, sp_str name, sp_file_type type, sp_err *err)
{
	lister *l = arg;
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 16 : l->cap * 2;
		sp_dir_entry *grown = sp_try_new(l->arena, sp_dir_entry, cap);
		if (grown == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a list of %zu names", cap);
		if (l->n > 0)
			memcpy(grown, l->entries, l->n * sizeof *grown);
		l->entries = grown;
		l->cap = cap;
	}
	sp_str copy = sp_arena_try_dup(l->arena, name);
	if (copy.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a list of %zu names", l->n + 1);
	l->entries[l->n++] = (sp_dir_entry){copy, type};
	return SP_OK;
}

static int by_name(const void *a, const void *b)
{
	const sp_dir_entry *x = a, *y = b;
	return sp_str_cmp(x->name, y->name);
}

sp_code sp_dir_list(sp_world *w, sp_str path, sp_arena *a, sp_dir_entry **ret, size_t *ret_n, sp_err *err)
{
	path_text p;
	SP_TRY(path_check(path, &p, err));
	lister l = {.arena = a};
	SP_TRY(w->files->dir_read(w, p.str, list_each, &l, err));
	if (l.n > 1)
		qsort(l.entries, l.n, sizeof *l.entries, by_name);
	*ret = l.entries;
	*ret_n = l.n;
	return SP_OK;
}

/* ---- whole files ---- */

#define READ_STEP ((size_t)16 << 10)

static sp_code read_open(sp_file *f, sp_str path, sp_buf *out, sp_err *err)
{
	/* The size is a hint only: files of /proc have none, others grow. */
	for (uint64_t offset = 0;;) {
		size_t room = out->limit_bytes - out->len, n = 0;
		/* One byte beyond a full buffer tells "fits exactly" from "too large". */
		char probe;
		if (room == 0) {
			SP_TRY(sp_file_pread(f, offset, &probe, 1, &n, err));
			if (n == 0)
				return SP_OK;
			return sp_fail(err, SP_ETOOLARGE, "'" SP_FMT "' is larger than %zu bytes",
				       SP_ARG(path), out->limit_bytes);
		}
		size_t step = SP_MAX(READ_STEP, out->len);
		size_t want = SP_MIN(room, step);
		char *to = sp_buf_reserve(out, want);
		if (to == NULL)
			return sp_fail(err, sp_buf_code(out), "cannot read '" SP_FMT "': %s", SP_ARG(path),
				       sp_code_lookup(sp_buf_code(out))->name);
		SP_TRY(sp_file_pread(f, offset, to, want, &n, err));
		sp_buf_added(out, n);
		offset += n;
		if (n < want)
			return SP_OK;
	}
}

sp_code sp_file_read_all(sp_world *w, sp_str path, sp_buf *out, sp_err *err)
{
	SP_AUTO_FILE f = NULL;
	SP_TRY(sp_file_open(w, path, SP_FILE_READ, 0, &f, err));
	return read_open(f, path, out, err);
}

sp_code sp_file_read_arena(sp_world *w, sp_str path, sp_arena *a, size_t limit_bytes, sp_str *ret,
			   sp_err *err)
{
	SP_AUTO_BUF content;
	sp_buf_init(&content, limit_bytes);
	SP_TRY(sp_file_read_all(w, path, &content, err));
	sp_str copy = sp_arena_try_dup(a, sp_buf_view(&content));
	if (a->secret && content.ptr != NULL)
		explicit_bzero(content.ptr, content.cap);
	if (copy.ptr == NULL && content.len > 0)
		return sp_fail(err, SP_ENOMEM, "no memory for the %zu bytes of '" SP_FMT "'", content.len,
			       SP_ARG(path));
	*ret = copy;
	return SP_OK;
}

static sp_code write_temp(sp_world *w, sp_str temp, sp_str content, uint32_t mode, sp_err *err)
{
	SP_AUTO_FILE f = NULL;
	SP_TRY(sp_file_open(w, temp, SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_EXCLUSIVE, mode, &f, err));
	SP_TRY(sp_file_pwrite(f, 0, content.ptr, content.len, err));
	return sp_file_sync(f, false, err);
}

sp_code sp_file_replace(sp_world *w, sp_str path, sp_str content, uint32_t mode, sp_err *err)
{
	path_text p;
	SP_TRY(path_check(path, &p, err));
	static const char suffix[] = ".tmp";
	if (path.len + sizeof suffix > PATH_BYTES)
		return sp_fail(err, SP_EINVAL, "path of %zu bytes is too long", path.len);
	memcpy(p.text + path.len, suffix, sizeof suffix);
	sp_str temp = {p.text, path.len + sizeof suffix - 1};
	/* What a crash left behind may have another mode. */
	sp_code code = sp_path_unlink(w, temp, err);
	if (code != SP_OK && code != SP_ENOTFOUND)
		return code;
	code = write_temp(w, temp, content, mode, err);
	if (code == SP_OK)
		code = sp_path_rename(w, temp, path, err);
	if (code != SP_OK) {
		(void)!sp_path_unlink(w, temp, NULL); /* the first error is the one to tell */
		return code;
	}
	ptrdiff_t slash = sp_str_rindex(path, '/');
	return sp_dir_sync(w, (sp_str){path.ptr, slash == 0 ? 1 : (size_t)slash}, err);
}
