/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes that an image's configuration names: a directory each, beside the upper directory of the
 * container's root filesystem, so that it goes with that, and counts where the container's own files do. U:
 * containerd internal/cri/opts/container.go, WithVolumes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/alloc.h"
#include "host/copy.h"
#include "host/host_int.h"

#define VOLUME_MODE 0755u

typedef struct filling {
	host_run run;
	host_request *r;
	sp_work work;
	int from, to;
	host_path_buf path;
	sp_code code;
	sp_err err;
} filling;

/* ---- the directory ---- */

/* SNAPSHOTS/<number of the rootfs>/volumes/<number>, new and empty. */
static sp_code make_dir(host_request *r, const sp_host_image_volume *m, host_path_buf *ret, sp_err *err)
{
	const sp_host_rootfs_mount *v = m->view;
	ptrdiff_t slash = sp_str_rindex(v->upper, '/');
	SP_TRY(host_check_snapshot(v->upper, err));
	if (v->snapshots_dir.len == 0 || v->snapshots_dir.ptr[0] != '/' || slash <= 0)
		return sp_fail(err, SP_EINVAL, "no directory of snapshots");
	sp_str dir = SP_CONCAT(&r->arena, v->snapshots_dir, SP_STR("/"),
			       sp_str_sub(v->upper, 0, (size_t)slash), SP_STR("/volumes"));
	int n = snprintf(ret->text, sizeof ret->text, SP_FMT "/%u", SP_ARG(dir), m->number);
	if (dir.len == 0 || n < 0 || (size_t)n >= sizeof ret->text)
		return sp_fail(err, SP_ETOOLARGE, "path too long");
	SP_TRY(host_mkdir(dir.ptr, 0711, err));
	SP_TRY(host_remove_tree(ret->text, err)); /* of a request that was carried out before */
	return host_mkdir(ret->text, VOLUME_MODE, err);
}

static sp_code open_dir(const sp_host_rootfs_mount *v, const char *path, int *ret, sp_err *err)
{
	*ret = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0)
		return sp_fail_sys(err, errno, "open %s", path);
	if (fchown(*ret, v->uid, v->gid) == 0 && fchmod(*ret, VOLUME_MODE) == 0)
		return SP_OK;
	sp_code code = sp_fail_sys(err, errno, "owner of %s", path);
	(void)close(*ret);
	*ret = -1;
	return code;
}

/* What the image has there, without leaving it; -1: nothing. */
static sp_code open_inside(host_request *r, const sp_host_image_volume *m, int *ret, sp_err *err)
{
	struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	host_path_buf rootfs;
	sp_str path = sp_arena_try_dup(&r->arena, m->path);
	if (path.ptr == NULL || path.len == 0 || memchr(path.ptr, '\0', path.len) != NULL)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no path", SP_ARG(m->path));
	SP_TRY(host_path_of(r->h, "containers", m->view->id, "/rootfs", &rootfs, err));
	int root = open(rootfs.text, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return sp_fail_sys(err, errno, "open %s", rootfs.text);
	*ret = (int)syscall(SYS_openat2, root, path.ptr, &how, sizeof how);
	int failed = *ret < 0 ? errno : 0;
	(void)close(root);
	return failed == 0 || failed == ENOENT ? SP_OK : sp_fail_sys(err, failed, "volume %s", path.ptr);
}

/* ---- what the image has there ---- */

static void answer(host_request *r, const host_path_buf *path)
{
	const sp_host_image_mounted a = {.path = sp_str_c(path->text)};
	host_answer(r, &a);
}

/* On a worker: it may be much. */
static void fill(sp_work *work)
{
	filling *f = work->arg;
	f->code = host_copy_tree(f->from, f->to, &f->err);
}

static void on_filled(sp_work *work)
{
	filling *f = work->arg;
	(void)close(f->from);
	(void)close(f->to);
	if (f->code == SP_OK)
		answer(f->r, &f->path);
	else
		host_refuse(f->r, &f->err);
	host_run_end(&f->run);
	sp_free(f);
}

/* It is finished, whether anybody is left to hear of it or not. */
static void stop_filling(host_run *r)
{
	(void)r;
}

static sp_code begin(host_request *r, const host_path_buf *path, int from, int to, sp_err *err)
{
	filling *f = SP_NEW(filling);
	*f = (filling){.r = r, .from = from, .to = to, .path = *path};
	f->work = (sp_work){.fn = fill, .done = on_filled, .arg = f};
	sp_code code = sp_work_start(r->h->world, &f->work, err);
	if (code == SP_OK)
		host_run_begin(r->h, &f->run, stop_filling);
	else
		sp_free(f);
	return code;
}

sp_code host_image_volume(host_request *r, const void *message, sp_err *err)
{
	const sp_host_image_volume *m = message;
	host_path_buf path;
	int from = -1, to = -1;
	if (m->view == NULL || m->number >= SP_HOST_IMAGE_MOUNTS_MAX)
		return sp_fail(err, SP_EINVAL, "no volume to make");
	SP_TRY(make_dir(r, m, &path, err));
	SP_TRY(open_inside(r, m, &from, err));
	sp_code code = open_dir(m->view, path.text, &to, err);
	if (code == SP_OK && from >= 0) {
		code = begin(r, &path, from, to, err);
		if (code == SP_OK)
			return SP_OK;
	}
	if (from >= 0)
		(void)close(from);
	if (to >= 0)
		(void)close(to);
	if (code == SP_OK)
		answer(r, &path);
	return code;
}
