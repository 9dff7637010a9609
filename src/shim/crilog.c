/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/crilog.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/time.h"
#include "shim/loop.h"

#define OUT_BYTES_MAX ((size_t)4 << 20)
#define FLUSH_BYTES ((size_t)64 << 10)

void shim_lines_init(shim_lines *l, const char *name, size_t max_bytes)
{
	*l = (shim_lines){.name = name, .max_bytes = max_bytes};
	sp_buf_init(&l->part, max_bytes + 64);
}

void shim_lines_done(shim_lines *l)
{
	sp_buf_done(&l->part);
}

static void forget_part(shim_lines *l)
{
	/* A quiet container keeps no buffer. */
	sp_buf_done(&l->part);
	sp_buf_init(&l->part, l->max_bytes + 64);
}

static void put_line(const shim_lines *l, sp_str head, sp_str tail, char tag, int64_t wall_ns, sp_buf *out)
{
	char when[SP_TIME_TEXT_BYTES];
	sp_time t = {wall_ns / 1000000000, (uint32_t)(wall_ns % 1000000000)};
	(void)sp_buf_append(out, when, sp_time_print(when, t, 9));
	(void)sp_buf_char(out, ' ');
	(void)sp_buf_str(out, sp_str_c(l->name));
	(void)sp_buf_append(out, (char[]){' ', tag, ' '}, 3);
	(void)sp_buf_str(out, head);
	(void)sp_buf_str(out, tail);
	(void)sp_buf_char(out, '\n');
}

/* The line that ends with these bytes; "\r\n" is a line's end too, wherever it was cut. */
static void whole_line(shim_lines *l, sp_str tail, int64_t wall_ns, sp_buf *out)
{
	sp_str head = sp_buf_view(&l->part);
	if (tail.len > 0 && tail.ptr[tail.len - 1] == '\r')
		tail.len--;
	else if (tail.len == 0 && head.len > 0 && head.ptr[head.len - 1] == '\r')
		head.len--;
	put_line(l, head, tail, 'F', wall_ns, out);
	if (l->part.cap > 0)
		forget_part(l);
}

/* Bytes without a newline: full pieces go out, the rest is kept. */
static void open_line(shim_lines *l, sp_str bytes, int64_t wall_ns, sp_buf *out)
{
	while (l->part.len + bytes.len > l->max_bytes) {
		size_t n = l->max_bytes - l->part.len;
		put_line(l, sp_buf_view(&l->part), sp_str_sub(bytes, 0, n), 'P', wall_ns, out);
		sp_buf_clear(&l->part);
		bytes = sp_str_sub(bytes, n, bytes.len);
	}
	(void)sp_buf_str(&l->part, bytes);
}

void shim_lines_put(shim_lines *l, sp_str bytes, int64_t wall_ns, sp_buf *out)
{
	sp_str line;
	while (sp_str_cut(&bytes, '\n', &line)) {
		if (l->part.len + line.len > l->max_bytes) {
			open_line(l, line, wall_ns, out);
			line = (sp_str){NULL, 0};
		}
		whole_line(l, line, wall_ns, out);
	}
	if (bytes.len > 0)
		open_line(l, bytes, wall_ns, out);
}

void shim_lines_end(shim_lines *l, int64_t wall_ns, sp_buf *out)
{
	if (l->part.len > 0)
		put_line(l, sp_buf_view(&l->part), (sp_str){NULL, 0}, 'P', wall_ns, out);
	forget_part(l);
}

/* ---- the file ---- */

static int open_log(const shim_crilog *l)
{
	int fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd >= 0 && (l->uid | l->gid) != 0 && fchown(fd, l->uid, l->gid) != 0) {
		int why = errno;
		(void)close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

sp_code shim_crilog_open(shim_crilog *l, const char *path, size_t max_bytes, uint32_t uid, uint32_t gid,
			 sp_err *err)
{
	size_t n = strlen(path) + 1;
	*l = (shim_crilog){.fd = -1, .uid = uid, .gid = gid, .path = sp_try_alloc(n)};
	if (l->path == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a log");
	memcpy(l->path, path, n);
	max_bytes = max_bytes == 0 ? SHIM_LOG_LINE_BYTES : max_bytes;
	shim_lines_init(&l->lines[0], "stdout", max_bytes);
	shim_lines_init(&l->lines[1], "stderr", max_bytes);
	l->fd = open_log(l);
	if (l->fd >= 0)
		return SP_OK;
	(void)sp_fail_sys(err, errno, "open log %s", path);
	shim_crilog_close(l);
	return SP_EIO;
}

void shim_crilog_close(shim_crilog *l)
{
	if (l->fd >= 0)
		(void)close(l->fd);
	sp_free(l->path);
	shim_lines_done(&l->lines[0]);
	shim_lines_done(&l->lines[1]);
	*l = (shim_crilog){.fd = -1};
}

/* A disk that is full loses lines, never parts of them that the next one would be glued to … as far as it
 * tells us. */
static void flush(shim_crilog *l, sp_buf *out)
{
	sp_str rest = sp_buf_view(out);
	while (rest.len > 0) {
		ssize_t n = write(l->fd, rest.ptr, rest.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		rest = sp_str_sub(rest, (size_t)n, rest.len);
	}
	sp_buf_clear(out);
}

void shim_crilog_put(shim_crilog *l, unsigned stream, sp_str bytes)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, OUT_BYTES_MAX);
	int64_t now = shim_wall_ns(NULL);
	/* In slices, as a line of one byte becomes one of fifty. */
	while (bytes.len > 0) {
		sp_str slice = sp_str_sub(bytes, 0, 4096);
		bytes = sp_str_sub(bytes, slice.len, bytes.len);
		shim_lines_put(&l->lines[stream - 1], slice, now, &out);
		if (out.len >= FLUSH_BYTES)
			flush(l, &out);
	}
	flush(l, &out);
}

void shim_crilog_end(shim_crilog *l, unsigned stream)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, OUT_BYTES_MAX);
	shim_lines_end(&l->lines[stream - 1], shim_wall_ns(NULL), &out);
	flush(l, &out);
}

sp_code shim_crilog_reopen(shim_crilog *l, sp_err *err)
{
	int fd = open_log(l);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open log %s", l->path);
	(void)close(l->fd);
	l->fd = fd;
	return SP_OK;
}
