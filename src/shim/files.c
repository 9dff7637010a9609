/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/num.h"

sp_code shim_read_file(int dir_fd, const char *path, sp_buf *out, sp_err *err)
{
	int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", path);
	sp_code code = SP_OK;
	for (;;) {
		char bytes[4096];
		ssize_t n = read(fd, bytes, sizeof bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			code = sp_fail_sys(err, errno, "read %s", path);
		if (n <= 0)
			break;
		code = sp_buf_append(out, bytes, (size_t)n);
		if (code != SP_OK) {
			(void)sp_fail(err, code, "%s is too large", path);
			break;
		}
	}
	(void)close(fd);
	return code;
}

static sp_code write_all(int fd, sp_str bytes, const char *path, sp_err *err)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.ptr, bytes.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sp_fail_sys(err, errno, "write %s", path);
		bytes = sp_str_sub(bytes, (size_t)n, bytes.len);
	}
	return SP_OK;
}

sp_code shim_write_file(int dir_fd, const char *path, sp_str bytes, mode_t mode, sp_err *err)
{
	char tmp[512];
	int len = snprintf(tmp, sizeof tmp, "%s.tmp", path);
	if (len < 0 || (size_t)len >= sizeof tmp)
		return sp_fail(err, SP_ETOOLARGE, "path %s is too long", path);
	int fd = openat(dir_fd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return sp_fail_sys(err, errno, "create %s", tmp);
	sp_code code = write_all(fd, bytes, tmp, err);
	/* Not synced: it has to outlive this process. What a crash of the machine loses ended with the
	 * machine. */
	(void)close(fd);
	if (code == SP_OK && renameat(dir_fd, tmp, dir_fd, path) != 0)
		code = sp_fail_sys(err, errno, "rename %s", tmp);
	if (code != SP_OK)
		(void)unlinkat(dir_fd, tmp, 0);
	return code;
}

sp_code shim_poke_file(const char *path, sp_str bytes, sp_err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", path);
	ssize_t n = write(fd, bytes.ptr, bytes.len);
	int why = errno;
	(void)close(fd);
	return n == (ssize_t)bytes.len ? SP_OK : sp_fail_sys(err, why, "write %s", path);
}

uint64_t shim_read_number(const char *path, uint64_t otherwise)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 8192);
	uint64_t v = otherwise;
	if (shim_read_file(AT_FDCWD, path, &text, NULL) != SP_OK ||
	    sp_parse_u64(sp_str_trim(sp_buf_view(&text)), 0, UINT64_MAX, &v, NULL) != SP_OK)
		return otherwise;
	return v;
}

bool shim_file_exists(const char *path)
{
	return access(path, F_OK) == 0;
}
