/* SPDX-License-Identifier: Apache-2.0 */
/* Images as volumes: read-only overlays below the bundle of the container that has them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "host/host_int.h"

static sp_code make_target(const host *h, const sp_host_image_mount *m, host_path_buf *ret, sp_err *err)
{
	char rest[32];
	SP_TRY(host_bundle_make(h, m->view->id, ret, err));
	SP_TRY(host_path_of(h, "containers", m->view->id, "/volumes", ret, err));
	SP_TRY(host_mkdir(ret->text, 0700, err));
	(void)snprintf(rest, sizeof rest, "/volumes/%u", m->number);
	SP_TRY(host_path_of(h, "containers", m->view->id, rest, ret, err));
	return host_mkdir(ret->text, 0700, err);
}

static sp_code path_of_fd(int fd, host_path_buf *ret, sp_err *err)
{
	char link[32];
	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, ret->text, sizeof ret->text - 1);
	if (n < 0)
		return sp_fail_sys(err, errno, "readlink %s", link);
	if ((size_t)n >= sizeof ret->text - 1)
		return sp_fail(err, SP_ETOOLARGE, "path too long");
	ret->text[n] = '\0';
	return SP_OK;
}

/* U: containerd container_image_mount.go ensureImageSubPath: a directory, and no link leads out. Nobody
 * writes below a read-only mount, so what was found stays. */
static sp_code find_inside(host_request *r, const char *target, sp_str sub_path, host_path_buf *ret,
			   sp_err *err)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	struct stat st;
	sp_str rel = sp_arena_try_dup(&r->arena, sub_path);
	if (rel.ptr == NULL || memchr(rel.ptr, '\0', rel.len) != NULL)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no path", SP_ARG(sub_path));
	int root = open(target, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return sp_fail_sys(err, errno, "open %s", target);
	int fd = (int)syscall(SYS_openat2, root, rel.ptr, &how, sizeof how);
	int failed = fd >= 0 ? 0 : errno;
	(void)close(root);
	if (failed == EXDEV)
		return sp_fail(err, SP_EINVAL, "openat %s: path escapes from parent", rel.ptr);
	if (failed != 0)
		return sp_fail_sys(err, failed, "openat %s", rel.ptr);
	sp_code code = path_of_fd(fd, ret, err);
	bool is_dir = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	(void)close(fd);
	if (code == SP_OK && !is_dir)
		code = sp_fail(err, SP_EINVAL,
			       "only directory subpath is supported, subpath: \"%s\", mountpoint: \"%s\"",
			       rel.ptr, target);
	return code;
}

sp_code host_image_mount(host_request *r, const void *message, sp_err *err)
{
	const sp_host_image_mount *m = message;
	host_path_buf target, found;
	if (m->view == NULL || m->number >= SP_HOST_IMAGE_MOUNTS_MAX)
		return sp_fail(err, SP_EINVAL, "no image to mount");
	SP_TRY(make_target(r->h, m, &target, err));
	SP_TRY(host_unmount(target.text, err));
	SP_TRY(host_overlay_mount(r, m->view, MS_RDONLY, target.text, err));
	if (m->sub_path.len > 0)
		SP_TRY(find_inside(r, target.text, m->sub_path, &found, err));
	sp_host_image_mounted answer = {.path = sp_str_c(m->sub_path.len > 0 ? found.text : target.text)};
	host_answer(r, &answer);
	return SP_OK;
}

sp_code host_image_mounts_remove(const host *h, sp_str id, sp_err *err)
{
	host_path_buf dir;
	SP_TRY(host_path_of(h, "containers", id, "/volumes", &dir, err));
	DIR *d = opendir(dir.text);
	if (d == NULL)
		return errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "open directory %s", dir.text);
	sp_code code = SP_OK;
	const struct dirent *e;
	while (code == SP_OK && (e = readdir(d)) != NULL) {
		char rest[sizeof e->d_name + 16];
		host_path_buf path;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)snprintf(rest, sizeof rest, "/volumes/%s", e->d_name);
		code = host_path_of(h, "containers", id, rest, &path, err);
		if (code == SP_OK)
			code = host_unmount(path.text, err);
	}
	(void)closedir(d);
	return code;
}
