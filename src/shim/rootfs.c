/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096u
#define ARENA_BYTES ((size_t)1 << 20)
#define UNMOUNTS_MAX 64u

/* ---- options ---- */

typedef enum option_kind { SET, CLEAR, PROPAGATE, IGNORE, HELPER } option_kind;

typedef struct option {
	const char *name;
	unsigned long flag;
	option_kind kind;
} option;

static const option options[] = {
	{"async", MS_SYNCHRONOUS, CLEAR},
	{"atime", MS_NOATIME, CLEAR},
	{"bind", MS_BIND, SET},
	{"defaults", 0, IGNORE},
	{"dev", MS_NODEV, CLEAR},
	{"diratime", MS_NODIRATIME, CLEAR},
	{"dirsync", MS_DIRSYNC, SET},
	{"exec", MS_NOEXEC, CLEAR},
	{"mand", MS_MANDLOCK, SET},
	{"noatime", MS_NOATIME, SET},
	{"nodev", MS_NODEV, SET},
	{"nodiratime", MS_NODIRATIME, SET},
	{"noexec", MS_NOEXEC, SET},
	{"nomand", MS_MANDLOCK, CLEAR},
	{"norelatime", MS_RELATIME, CLEAR},
	{"nostrictatime", MS_STRICTATIME, CLEAR},
	{"nosuid", MS_NOSUID, SET},
	{"rbind", MS_BIND | MS_REC, SET},
	{"relatime", MS_RELATIME, SET},
	{"remount", MS_REMOUNT, SET},
	{"ro", MS_RDONLY, SET},
	{"rw", MS_RDONLY, CLEAR},
	{"strictatime", MS_STRICTATIME, SET},
	{"suid", MS_NOSUID, CLEAR},
	{"sync", MS_SYNCHRONOUS, SET},
	{"private", MS_PRIVATE, PROPAGATE},
	{"rprivate", MS_PRIVATE | MS_REC, PROPAGATE},
	{"shared", MS_SHARED, PROPAGATE},
	{"rshared", MS_SHARED | MS_REC, PROPAGATE},
	{"slave", MS_SLAVE, PROPAGATE},
	{"rslave", MS_SLAVE | MS_REC, PROPAGATE},
	{"unbindable", MS_UNBINDABLE, PROPAGATE},
	{"runbindable", MS_UNBINDABLE | MS_REC, PROPAGATE},
	{"loop", 0, HELPER},
	{"uidmap", 0, HELPER},
	{"gidmap", 0, HELPER},
};

static const option *find_option(sp_str text)
{
	sp_str name, rest = text;
	if (!sp_str_cut(&rest, '=', &name))
		name = text;
	for (size_t i = 0; i < SP_LEN(options); i++) {
		/* "uidmap=…" is known by its name; "ro=…" would be the file system's own */
		if (sp_str_eq(options[i].kind == HELPER ? name : text, sp_str_c(options[i].name)))
			return &options[i];
	}
	return NULL;
}

sp_code shim_mount_parse(const shim_mount_msg *m, sp_arena *a, shim_mount_flags *ret, sp_err *err)
{
	shim_mount_flags out = {0};
	SP_AUTO_BUF data;
	sp_buf_init(&data, (size_t)64 << 10);
	for (size_t i = 0; i < m->options.n; i++) {
		sp_str text = m->options.at[i];
		const option *o = find_option(text);
		if (o == NULL) {
			if (data.len > 0)
				(void)sp_buf_char(&data, ',');
			(void)sp_buf_str(&data, text);
			continue;
		}
		switch (o->kind) {
		case SET:
			out.flags |= o->flag;
			break;
		case CLEAR:
			out.flags &= ~o->flag;
			break;
		case PROPAGATE:
			out.propagation = o->flag;
			break;
		case IGNORE:
			break;
		case HELPER:
			return sp_fail(err, SP_EUNSUPPORTED, "mount option '" SP_FMT "' is not supported",
				       SP_ARG(text));
		}
	}
	out.data = sp_arena_try_dup(a, sp_buf_view(&data));
	if (sp_buf_code(&data) != SP_OK || (data.len > 0 && out.data.len == 0))
		return sp_fail(err, SP_ETOOLARGE, "mount options are too long");
	*ret = out;
	return SP_OK;
}

/* ---- long overlays ---- */

/* The value of "lowerdir=…" and where it stands. */
static bool find_lower(sp_str data, sp_str *ret_before, sp_str *ret_value, sp_str *ret_after)
{
	static const sp_str key = SP_STR_INIT("lowerdir=");
	for (size_t at = 0; at < data.len;) {
		sp_str rest = sp_str_sub(data, at, data.len);
		ptrdiff_t comma = sp_str_index(rest, ',');
		size_t len = comma < 0 ? rest.len : (size_t)comma;
		if (sp_str_starts(rest, key)) {
			*ret_before = sp_str_sub(data, 0, at + key.len);
			*ret_value = sp_str_sub(rest, key.len, len);
			*ret_after = sp_str_sub(rest, len, rest.len);
			return true;
		}
		at += len + 1;
	}
	return false;
}

/* The longest directory, up to and with its '/', that starts both. */
static size_t common_dir(sp_str a, sp_str b)
{
	size_t dir = 0;
	for (size_t i = 0; i < a.len && i < b.len && a.ptr[i] == b.ptr[i]; i++) {
		if (a.ptr[i] == '/')
			dir = i + 1;
	}
	return dir;
}

sp_code shim_overlay_shorten(sp_str data, sp_arena *a, sp_str *ret_dir, sp_str *ret_data, sp_err *err)
{
	sp_str before, lower, after, rest, one;
	*ret_dir = (sp_str){NULL, 0};
	*ret_data = data;
	/* an escaped ':' would be cut wrongly: such data stays as it is */
	if (!find_lower(data, &before, &lower, &after) || sp_str_index(lower, '\\') >= 0)
		return SP_OK;
	rest = lower;
	if (!sp_str_cut(&rest, ':', &one))
		return SP_OK; /* one layer is never too long */
	size_t dir = common_dir(one, rest);
	while (sp_str_cut(&rest, ':', &one))
		dir = SP_MIN(dir, common_dir(one, lower));
	dir = SP_MIN(dir, common_dir(rest, lower));
	if (dir <= 1)
		return SP_OK;
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)64 << 10);
	(void)sp_buf_str(&out, before);
	rest = lower;
	while (sp_str_cut(&rest, ':', &one)) {
		(void)sp_buf_str(&out, sp_str_sub(one, dir, one.len));
		(void)sp_buf_char(&out, ':');
	}
	(void)sp_buf_str(&out, sp_str_sub(rest, dir, rest.len));
	(void)sp_buf_str(&out, after);
	*ret_data = sp_arena_try_dup(a, sp_buf_view(&out));
	*ret_dir = sp_arena_try_dup(a, sp_str_sub(lower, 0, dir));
	if (ret_data->len == 0 || ret_dir->len == 0)
		return sp_fail(err, SP_ENOMEM, "no memory for mount options");
	return SP_OK;
}

/* ---- mounting ---- */

/* The place as a descriptor: below root, whatever links a layer holds. */
static int open_target(const char *root, sp_str target, sp_arena *a)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || target.len == 0)
		return fd;
	sp_str path = sp_arena_try_dup(a, target);
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int in = path.len == 0 ? -1 : (int)syscall(SYS_openat2, fd, path.ptr, &how, sizeof how);
	int why = errno;
	(void)close(fd);
	errno = why;
	return in;
}

static const char *z(sp_arena *a, sp_str s)
{
	sp_str copy = sp_arena_try_dup(a, s);
	return copy.len == 0 ? "" : copy.ptr;
}

static int do_mount(const char *source, const char *target, const char *type, const shim_mount_flags *f,
		    const char *data)
{
	/* A bind ignores flags such as read-only at first; a remount sets them. */
	const unsigned long bind_only = MS_BIND | MS_REC;
	if (mount(source, target, type, f->flags, data) != 0)
		return -1;
	if ((f->flags & MS_BIND) != 0 && (f->flags & ~bind_only) != 0 &&
	    mount("", target, "", f->flags | MS_REMOUNT, NULL) != 0)
		return -1;
	return f->propagation == 0 ? 0 : mount("", target, "", f->propagation, NULL);
}

static sp_code mount_one(const char *root, const shim_mount_msg *m, sp_arena *a, sp_err *err)
{
	shim_mount_flags f = {0};
	char target[64];
	SP_TRY(shim_mount_parse(m, a, &f, err));
	sp_str dir = {NULL, 0}, data = f.data;
	if (sp_str_eq(m->type, SP_STR("overlay")) && data.len >= PAGE - 512)
		SP_TRY(shim_overlay_shorten(data, a, &dir, &data, err));
	if (data.len >= PAGE)
		return sp_fail(err, SP_ETOOLARGE, "mount options are too long");
	int fd = open_target(root, m->target, a);
	if (fd < 0)
		return sp_fail_sys(err, errno, "mount target " SP_FMT, SP_ARG(m->target));
	(void)snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
	int rc = dir.len > 0 ? chdir(z(a, dir)) : 0;
	if (rc == 0)
		rc = do_mount(z(a, m->source), target, z(a, m->type), &f, data.len == 0 ? NULL : z(a, data));
	int why = errno;
	if (dir.len > 0 && chdir("/") != 0)
		why = errno;
	(void)close(fd);
	return rc == 0 ? SP_OK
		       : sp_fail_sys(err, why,
				     "failed to mount rootfs component: mount source: \"" SP_FMT
				     "\", fstype: " SP_FMT,
				     SP_ARG(m->source), SP_ARG(m->type));
}

sp_code shim_rootfs_mount(const char *bundle, const shim_mount_msg *mounts, size_t n, sp_err *err)
{
	sp_arena a;
	char root[4096];
	if (n == 0)
		return SP_OK;
	int len = snprintf(root, sizeof root, "%s/rootfs", bundle);
	if (len < 0 || (size_t)len >= sizeof root)
		return sp_fail(err, SP_ETOOLARGE, "bundle path is too long");
	sp_arena_init(&a, ARENA_BYTES);
	sp_code code = SP_OK;
	for (size_t i = 0; i < n && code == SP_OK; i++)
		code = mount_one(root, &mounts[i], &a, err);
	sp_arena_done(&a);
	if (code != SP_OK)
		(void)shim_rootfs_unmount(bundle, NULL);
	return code;
}

sp_code shim_rootfs_unmount(const char *bundle, sp_err *err)
{
	char root[4096];
	int len = snprintf(root, sizeof root, "%s/rootfs", bundle);
	if (len < 0 || (size_t)len >= sizeof root)
		return sp_fail(err, SP_ETOOLARGE, "bundle path is too long");
	for (unsigned i = 0; i < UNMOUNTS_MAX; i++) {
		if (umount2(root, UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno == EBUSY && umount2(root, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
			continue;
		/* not a mount point, or not there */
		if (errno == EINVAL || errno == ENOENT)
			return SP_OK;
		return sp_fail_sys(err, errno, "unmount %s", root);
	}
	return sp_fail(err, SP_EIO, "%s is mounted more than %u times", root, UNMOUNTS_MAX);
}
