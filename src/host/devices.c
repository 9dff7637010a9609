/* SPDX-License-Identifier: Apache-2.0 */
#include "host/devices.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "host/host_int.h"

#define DEPTH_MAX 8u

typedef struct finding {
	sp_arena *a;
	sp_host_devices *ret;
	sp_err *err;
} finding;

static bool is_own(const char *name)
{
	static const char *const names[] = {"pts",  "shm",         "fd",    "mqueue", "console",
					    ".lxc", ".lxd-mounts", ".udev", "ptmx"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static sp_code add(finding *f, sp_str path, const struct stat *st)
{
	if (f->ret->devices.n >= SP_HOST_DEVICES_MAX)
		return sp_fail(f->err, SP_ETOOLARGE, "more than %u devices", SP_HOST_DEVICES_MAX);
	f->ret->devices.at[f->ret->devices.n++] =
		(sp_host_path_found){.path = path,
				     .type = S_ISCHR(st->st_mode) ? SP_STR("c") : SP_STR("b"),
				     .major = major(st->st_rdev),
				     .minor = minor(st->st_rdev),
				     .mode = st->st_mode & 07777,
				     .uid = st->st_uid,
				     .gid = st->st_gid};
	return SP_OK;
}

/* Devices come and go: what is gone by now is not there. Takes `fd` over. */
static sp_code find(finding *f, int fd, const char *as, unsigned depth)
{
	DIR *d = fdopendir(fd);
	const struct dirent *e;
	sp_code code = SP_OK;
	if (d == NULL) {
		(void)close(fd);
		return sp_fail_sys(f->err, errno, "open directory %s", as);
	}
	while (code == SP_OK && (e = readdir(d)) != NULL) {
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || is_own(e->d_name) ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		sp_str path = sp_arena_printf(f->a, "%s/%s", as, e->d_name);
		if (path.len == 0)
			code = sp_fail(f->err, SP_ENOMEM, "no memory for the devices");
		else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			code = add(f, path, &st);
		else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX) {
			int below =
				openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (below >= 0)
				code = find(f, below, path.ptr, depth + 1);
		}
	}
	(void)closedir(d);
	return code;
}

sp_code host_devices_find(const char *dir, const char *as, sp_arena *a, sp_host_devices *ret, sp_err *err)
{
	finding f = {.a = a, .ret = ret, .err = err};
	*ret = (sp_host_devices){.devices = {.at = sp_try_new(a, sp_host_path_found, SP_HOST_DEVICES_MAX)}};
	if (ret->devices.at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the devices");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? sp_fail_sys(err, errno, "open %s", dir) : find(&f, fd, as, 0);
}

sp_code host_devices(host_request *r, const void *message, sp_err *err)
{
	sp_host_devices found;
	(void)message;
	SP_TRY(host_devices_find("/dev", "/dev", &r->arena, &found, err));
	host_answer(r, &found);
	return SP_OK;
}
