/* SPDX-License-Identifier: Apache-2.0 */
#include "node/log_files.h"

#include <zlib.h>

#include "base/alloc.h"
#include "base/time.h"

#define PIECE_BYTES ((size_t)64 << 10)
#define GZIP_WINDOW 31 /* 15 bits, in gzip's frame */
#define GZIP SP_STR(".gz")
#define UNFINISHED SP_STR(".tmp")

/* ---- one file compressed ---- */

static sp_code deflate_piece(z_stream *z, sp_file *to, uint8_t *out, int flush, sp_err *err)
{
	int ended = Z_OK;
	do {
		z->next_out = out;
		z->avail_out = (uInt)PIECE_BYTES;
		ended = deflate(z, flush);
		if (ended == Z_STREAM_ERROR)
			return sp_fail(err, SP_EINVAL, "a log can't be compressed");
		size_t n = PIECE_BYTES - z->avail_out;
		if (n > 0)
			SP_TRY(sp_file_append(to, out, n, err));
	} while (z->avail_out == 0);
	return SP_OK;
}

static sp_code deflate_file(z_stream *z, sp_file *from, sp_file *to, uint8_t *buf, sp_err *err)
{
	uint64_t offset = 0;
	size_t n = 0;
	do {
		SP_TRY(sp_file_pread(from, offset, buf, PIECE_BYTES, &n, err));
		offset += n;
		z->next_in = buf;
		z->avail_in = (uInt)n;
		SP_TRY(deflate_piece(z, to, buf + PIECE_BYTES, n < PIECE_BYTES ? Z_FINISH : Z_NO_FLUSH, err));
	} while (n == PIECE_BYTES);
	return SP_OK;
}

static sp_code compress_to(sp_world *w, sp_str from_name, sp_str to_name, sp_err *err)
{
	z_stream z = {0};
	SP_AUTO_FILE from = NULL;
	SP_AUTO_FILE to = NULL;
	SP_TRY(sp_file_open(w, from_name, SP_FILE_READ | SP_FILE_NOFOLLOW, 0, &from, err));
	SP_TRY(sp_file_open(w, to_name, SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_TRUNCATE | SP_FILE_NOFOLLOW,
			    0640, &to, err));
	uint8_t *buf = sp_try_alloc(2 * PIECE_BYTES);
	if (buf == NULL ||
	    deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		sp_free(buf);
		return sp_fail(err, SP_ENOMEM, "no memory to compress a log");
	}
	sp_code code = deflate_file(&z, from, to, buf, err);
	(void)deflateEnd(&z);
	sp_free(buf);
	return code;
}

/* An interrupted one leaves the log and at most a file that is removed the next time. */
static sp_code compress_log(sp_world *w, sp_str log, sp_arena *a, sp_err *err)
{
	sp_str unfinished = SP_CONCAT(a, log, UNFINISHED), whole = SP_CONCAT(a, log, GZIP);
	if (unfinished.ptr == NULL || whole.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the name of a log");
	SP_TRY(compress_to(w, log, unfinished, err));
	SP_TRY(sp_path_rename(w, unfinished, whole, err));
	return sp_path_unlink(w, log, err);
}

/* ---- all of them ---- */

static bool is_there(const sp_dir_entry *at, size_t n, sp_str name, sp_str suffix)
{
	for (size_t i = 0; i < n; i++) {
		sp_str other = at[i].name;
		if (other.len == name.len + suffix.len && sp_str_starts(other, name) &&
		    sp_str_ends(other, suffix))
			return true;
	}
	return false;
}

/* What was compressed, or was about to be: the work is done, or begins again. */
static bool is_unused(const sp_dir_entry *at, size_t n, sp_str name)
{
	return sp_str_ends(name, UNFINISHED) || (!sp_str_ends(name, GZIP) && is_there(at, n, name, GZIP));
}

typedef struct rotated {
	sp_str path;
	bool compressed;
} rotated;

static sp_code find(sp_world *w, sp_str log, sp_arena *a, rotated **ret, size_t *ret_n, sp_err *err)
{
	ptrdiff_t slash = sp_str_rindex(log, '/');
	sp_str dir = sp_str_sub(log, 0, (size_t)slash), base = sp_str_sub(log, (size_t)slash + 1, log.len);
	sp_dir_entry *at;
	size_t n, found = 0;
	SP_TRY(sp_dir_list(w, dir, a, &at, &n, err)); /* sorted: by time */
	rotated *list = sp_try_new(a, rotated, n + 1);
	sp_str prefix = SP_CONCAT(a, base, SP_STR("."));
	if (list == NULL || prefix.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the logs of a container");
	for (size_t i = 0; i < n; i++) {
		if (!sp_str_starts(at[i].name, prefix))
			continue;
		sp_str path = SP_CONCAT(a, dir, SP_STR("/"), at[i].name);
		if (path.ptr == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for the name of a log");
		if (is_unused(at, n, at[i].name))
			SP_TRY(sp_path_unlink(w, path, err));
		else
			list[found++] = (rotated){path, sp_str_ends(path, GZIP)};
	}
	*ret = list;
	*ret_n = found;
	return SP_OK;
}

sp_code node_log_make_room(sp_world *w, sp_str log, size_t max_files, sp_arena *a, sp_err *err)
{
	rotated *list;
	size_t n, kept = max_files > 2 ? max_files - 2 : 0, first;
	SP_TRY(find(w, log, a, &list, &n, err));
	first = n > kept ? n - kept : 0;
	for (size_t i = 0; i < first; i++)
		SP_TRY(sp_path_unlink(w, list[i].path, err));
	for (size_t i = first; i < n; i++) {
		if (!list[i].compressed)
			SP_TRY(compress_log(w, list[i].path, a, err));
	}
	return SP_OK;
}

sp_code node_log_remove(sp_world *w, sp_str log, sp_arena *a, sp_err *err)
{
	rotated *list = NULL;
	size_t n = 0;
	sp_code code = find(w, log, a, &list, &n, err);
	if (code == SP_ENOTFOUND) /* not even the directory */
		return SP_OK;
	SP_TRY(code);
	for (size_t i = 0; i < n; i++)
		SP_TRY(sp_path_unlink(w, list[i].path, err));
	code = sp_path_unlink(w, log, err);
	return code == SP_ENOTFOUND ? SP_OK : code;
}

sp_str node_log_rotated_name(sp_arena *a, sp_str log, int64_t wall_ns)
{
	char text[SP_TIME_TEXT_BYTES], stamp[16];
	size_t n = sp_time_print(text, (sp_time){.seconds = SP_MAX(wall_ns, 0) / 1000000000}, 0), k = 0;
	/* 2026-01-02T15:04:05Z: the digits, and a dash between day and time. */
	for (size_t i = 0; i < n && k < sizeof stamp - 1; i++) {
		if (text[i] >= '0' && text[i] <= '9')
			stamp[k++] = text[i];
		else if (text[i] == 'T')
			stamp[k++] = '-';
	}
	return SP_CONCAT(a, log, SP_STR("."), (sp_str){stamp, k});
}
