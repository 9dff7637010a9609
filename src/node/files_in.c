/* SPDX-License-Identifier: Apache-2.0 */
/* A file in a volume that containers write to. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "node/files.h"

static sp_code text_of(sp_str s, char out[PATH_MAX], sp_err *err)
{
	if (s.len == 0 || s.len >= PATH_MAX || sp_str_index(s, '\0') >= 0)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no path", SP_ARG(s));
	memcpy(out, s.ptr, s.len);
	out[s.len] = '\0';
	return SP_OK;
}

/* Not a device or a pipe, on which a read could wait for ever. */
static sp_code open_in(const char *base, const char *rel, int *ret, size_t *ret_bytes, sp_err *err)
{
	struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	struct stat st;
	int dir = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return sp_fail_sys(err, errno, "open %s", base);
	int fd = (int)syscall(SYS_openat2, dir, rel, &how, sizeof how);
	int failed = fd < 0 ? errno : 0;
	(void)close(dir);
	if (fd < 0)
		return sp_fail_sys(err, failed, "open %s", rel);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return sp_fail(err, SP_EINVAL, "%s is no file", rel);
	}
	*ret = fd;
	*ret_bytes = (size_t)st.st_size;
	return SP_OK;
}

/* As much as there was when it was opened. */
static sp_code read_all(int fd, char *text, size_t bytes, size_t *ret_n, sp_err *err)
{
	size_t n = 0;
	while (n < bytes) {
		ssize_t got = read(fd, text + n, bytes - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return sp_fail_sys(err, errno, "read");
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret_n = n;
	return SP_OK;
}

static sp_code read_file(int fd, size_t bytes, size_t limit_bytes, sp_arena *a, sp_str *ret, sp_err *err)
{
	if (bytes > limit_bytes)
		return sp_fail(err, SP_ETOOLARGE, "a file is larger than %zu bytes", limit_bytes);
	char *text = sp_arena_try_alloc(a, bytes + 1);
	if (text == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to read a file");
	ret->ptr = text;
	return read_all(fd, text, bytes, &ret->len, err);
}

sp_code node_files_read_in(sp_pod_files *f, sp_str base, sp_str rel, size_t limit_bytes, sp_arena *a,
			   sp_str *ret, sp_err *err)
{
	char dir[PATH_MAX], name[PATH_MAX];
	int fd = -1;
	size_t bytes = 0;
	sp_str text;
	(void)f;
	SP_TRY(text_of(base, dir, err));
	SP_TRY(text_of(rel, name, err));
	SP_TRY(open_in(dir, name, &fd, &bytes, err));
	sp_code code = read_file(fd, bytes, limit_bytes, a, &text, err);
	(void)close(fd);
	if (code == SP_OK)
		*ret = text;
	return code;
}
