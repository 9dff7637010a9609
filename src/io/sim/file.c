/* SPDX-License-Identifier: Apache-2.0 */
/* io/file.h on a simulated disk. Errors are those of the system's calls. */
#include <errno.h>

#include "base/alloc.h"
#include "io/sim/disk_int.h"

typedef struct sim_file {
	sp_file base;
	sim_disk *disk;
	sim_inode *inode;
	uint32_t flags;
	char path[]; /* for messages */
} sim_file;

static sim_file *of(sp_file *f)
{
	return SP_CONTAINER_OF(f, sim_file, base);
}

static sp_sim *sim_from(sp_world *w)
{
	return sim_of(w)->sim;
}

static sim_disk *disk_of(sp_world *w)
{
	return sim_of(w)->host->disk;
}

/* A path without slashes at its end. */
static sp_str trimmed(sp_str path)
{
	while (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	return path;
}

static sp_code check_alive(sp_world *w, sp_str path, sp_err *err)
{
	if (!sim_of(w)->alive)
		return sp_fail_sys(err, EIO, "'" SP_FMT "'", SP_ARG(path));
	return SP_OK;
}

/* An errno, or 0 when `path` may get a new name. */
static int check_parent(const sim_disk *d, sp_str path)
{
	const sim_inode *parent = sim_disk_find(d, sim_parent_of(path));
	return parent == NULL ? ENOENT : parent->type == SP_TYPE_DIR ? 0 : ENOTDIR;
}

/* An errno or 0. */
static int open_inode(sp_world *w, sp_str path, uint32_t flags, uint32_t mode, sim_inode **ret)
{
	sim_disk *d = disk_of(w);
	sim_inode *i = sim_disk_find(d, path);
	if (i == NULL) {
		int errnum = check_parent(d, path);
		if (errnum != 0 || (flags & SP_FILE_CREATE) == 0)
			return errnum != 0 ? errnum : ENOENT;
		*ret = sim_inode_new(d, SP_TYPE_FILE, mode, sp_wall_ns(w));
		sim_disk_rename(d, SP_STR(""), path, *ret);
		return 0;
	}
	if ((flags & SP_FILE_CREATE) != 0 && (flags & SP_FILE_EXCLUSIVE) != 0)
		return EEXIST;
	if (i->type == SP_TYPE_DIR && (flags & SP_FILE_WRITE) != 0)
		return EISDIR;
	if ((flags & SP_FILE_TRUNCATE) != 0 && i->live.size > 0)
		(void)sim_inode_resize(d, sim_from(w), i, 0); /* smaller always fits */
	*ret = sim_inode_ref(i);
	return 0;
}

static sp_code file_open(sp_world *w, sp_str path, uint32_t flags, uint32_t mode, sp_file **ret, sp_err *err)
{
	path = trimmed(path);
	SP_TRY(check_alive(w, path, err));
	sim_file *f = sp_try_alloc(sizeof *f + path.len + 1);
	if (f == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to open '" SP_FMT "'", SP_ARG(path));
	int errnum = open_inode(w, path, flags, mode, &f->inode);
	if (errnum != 0) {
		sp_free(f);
		return sp_fail_sys(err, errnum, "open '" SP_FMT "'", SP_ARG(path));
	}
	f->base.world = w;
	f->disk = disk_of(w);
	f->flags = flags;
	memcpy(f->path, path.ptr, path.len);
	*ret = &f->base;
	return SP_OK;
}

static void file_close(sp_file *base)
{
	sim_file *f = of(base);
	if (f->inode->locked_by == f)
		f->inode->locked_by = NULL;
	sim_inode_unref(f->disk, f->inode);
	sp_free(f);
}

static sp_code file_pread(sp_file *base, uint64_t offset, void *bytes, size_t n, size_t *ret_n, sp_err *err)
{
	const sim_file *f = of(base);
	const sim_content *c = &f->inode->live;
	SP_TRY(check_alive(base->world, sp_str_c(f->path), err));
	if ((f->flags & SP_FILE_READ) == 0)
		return sp_fail_sys(err, EBADF, "read '%s'", f->path);
	if (f->inode->type == SP_TYPE_DIR)
		return sp_fail_sys(err, EISDIR, "read '%s'", f->path);
	size_t got = offset >= c->size ? 0 : SP_MIN(n, c->size - (size_t)offset);
	if (got > 0)
		memcpy(bytes, c->bytes + offset, got);
	*ret_n = got;
	return SP_OK;
}

static sp_code check_writable(const sim_file *f, const char *what, sp_err *err)
{
	SP_TRY(check_alive(f->base.world, sp_str_c(f->path), err));
	if ((f->flags & SP_FILE_WRITE) == 0)
		return sp_fail_sys(err, EBADF, "%s '%s'", what, f->path);
	return SP_OK;
}

static sp_code file_pwrite(sp_file *base, uint64_t offset, const void *bytes, size_t n, sp_err *err)
{
	sim_file *f = of(base);
	sp_sim *s = sim_from(base->world);
	SP_TRY(check_writable(f, "write", err));
	bool broken = n > 0 && sim_chance(s, s->opts.faults.disk_write_ppm);
	size_t part = broken ? sp_sim_random_below(s, n) : n;
	f->inode->mtime_ns = sp_wall_ns(base->world);
	if (!sim_inode_write(f->disk, s, f->inode, offset, bytes, part))
		return sp_fail_sys(err, ENOSPC, "write '%s'", f->path);
	if (broken)
		return sp_fail_sys(err, EIO, "write '%s'", f->path);
	return SP_OK;
}

static sp_code file_append(sp_file *base, const void *bytes, size_t n, sp_err *err)
{
	return file_pwrite(base, of(base)->inode->live.size, bytes, n, err);
}

static sp_code file_sync(sp_file *base, bool data_only, sp_err *err)
{
	sim_file *f = of(base);
	sp_world *w = base->world;
	sp_sim *s = sim_from(w);
	sp_sim_host *h = sim_of(w)->host;
	(void)data_only; /* sizes always count as needed for reading back */
	SP_TRY(check_alive(w, sp_str_c(f->path), err));
	bool forced = h->n_fail_syncs > 0;
	h->n_fail_syncs -= forced;
	if (forced || sim_chance(s, s->opts.faults.disk_sync_ppm)) {
		sim_inode_sync(s, f->inode, false);
		return sp_fail_sys(err, EIO, "sync '%s'", f->path);
	}
	sim_inode_sync(s, f->inode, true);
	return SP_OK;
}

static sp_code file_truncate(sp_file *base, uint64_t size, sp_err *err)
{
	sim_file *f = of(base);
	SP_TRY(check_writable(f, "truncate", err));
	if (!sim_inode_resize(f->disk, sim_from(base->world), f->inode, size))
		return sp_fail_sys(err, EFBIG, "truncate '%s'", f->path);
	return SP_OK;
}

static sp_code file_lock(sp_file *base, sp_err *err)
{
	sim_file *f = of(base);
	SP_TRY(check_alive(base->world, sp_str_c(f->path), err));
	if (f->inode->locked_by != NULL && f->inode->locked_by != f)
		return sp_fail(err, SP_EUNAVAILABLE, "'%s' is locked by another process", f->path);
	f->inode->locked_by = f;
	return SP_OK;
}

static sp_stat stat_of(const sim_inode *i)
{
	return (sp_stat){
		.type = i->type,
		.mode = i->mode,
		.size = i->live.size,
		.device = 1,
		.inode = i->number,
		.mtime_ns = i->mtime_ns,
	};
}

static sp_code file_stat(sp_file *base, sp_stat *ret, sp_err *err)
{
	SP_TRY(check_alive(base->world, sp_str_c(of(base)->path), err));
	*ret = stat_of(of(base)->inode);
	return SP_OK;
}

/* ---- names ---- */

static sp_code path_stat(sp_world *w, sp_str path, sp_stat *ret, sp_err *err)
{
	path = trimmed(path);
	SP_TRY(check_alive(w, path, err));
	const sim_inode *i = sim_disk_find(disk_of(w), path);
	if (i == NULL)
		return sp_fail_sys(err, ENOENT, "stat '" SP_FMT "'", SP_ARG(path));
	*ret = stat_of(i);
	return SP_OK;
}

static bool is_empty(const sim_disk *d, sp_str path)
{
	for (size_t i = 0; i < d->live.n; i++) {
		sp_str other = sp_str_c(d->live.at[i].path);
		if (other.len > 1 && sp_str_eq(sim_parent_of(other), path))
			return false;
	}
	return true;
}

/* An errno or 0. */
static int check_rename(const sim_disk *d, sp_str from, sp_str to)
{
	const sim_inode *source = sim_disk_find(d, from), *target = sim_disk_find(d, to);
	if (source == NULL)
		return ENOENT;
	int errnum = check_parent(d, to);
	if (errnum != 0 || target == NULL)
		return errnum;
	if (target->type == SP_TYPE_DIR)
		return source->type != SP_TYPE_DIR ? EISDIR : is_empty(d, to) ? 0 : ENOTEMPTY;
	return source->type == SP_TYPE_DIR ? ENOTDIR : 0;
}

static sp_code path_rename(sp_world *w, sp_str from, sp_str to, sp_err *err)
{
	from = trimmed(from);
	to = trimmed(to);
	SP_TRY(check_alive(w, from, err));
	sim_disk *d = disk_of(w);
	bool into_itself = to.len > from.len && sp_str_starts(to, from) && to.ptr[from.len] == '/';
	int errnum = into_itself ? EINVAL : check_rename(d, from, to);
	if (errnum != 0)
		return sp_fail_sys(err, errnum, "rename '" SP_FMT "' to '" SP_FMT "'", SP_ARG(from),
				   SP_ARG(to));
	if (!sp_str_eq(from, to))
		sim_disk_rename(d, from, to, sim_disk_find(d, from));
	return SP_OK;
}

static sp_code path_unlink(sp_world *w, sp_str path, sp_err *err)
{
	path = trimmed(path);
	SP_TRY(check_alive(w, path, err));
	const sim_inode *i = sim_disk_find(disk_of(w), path);
	if (i == NULL || i->type == SP_TYPE_DIR)
		return sp_fail_sys(err, i == NULL ? ENOENT : EISDIR, "remove '" SP_FMT "'", SP_ARG(path));
	sim_disk_rename(disk_of(w), path, SP_STR(""), NULL);
	return SP_OK;
}

static sp_code path_own(sp_world *w, sp_str path, uint32_t uid, uint32_t gid, uint32_t mode, sp_err *err)
{
	(void)w, (void)uid, (void)gid, (void)mode;
	return sp_fail(err, SP_EUNSUPPORTED, "the simulator has no owners of '" SP_FMT "'", SP_ARG(path));
}

static sp_code dir_remove(sp_world *w, sp_str path, sp_err *err)
{
	path = trimmed(path);
	SP_TRY(check_alive(w, path, err));
	const sim_disk *d = disk_of(w);
	const sim_inode *i = sim_disk_find(d, path);
	int errnum = i == NULL                ? ENOENT
		     : i->type != SP_TYPE_DIR ? ENOTDIR
		     : path.len == 1          ? EBUSY
		     : !is_empty(d, path)     ? ENOTEMPTY
					      : 0;
	if (errnum != 0)
		return sp_fail_sys(err, errnum, "remove directory '" SP_FMT "'", SP_ARG(path));
	sim_disk_rename(disk_of(w), path, SP_STR(""), NULL);
	return SP_OK;
}

static sp_code dir_make(sp_world *w, sp_str path, uint32_t mode, sp_err *err)
{
	path = trimmed(path);
	SP_TRY(check_alive(w, path, err));
	sim_disk *d = disk_of(w);
	int errnum = sim_disk_find(d, path) != NULL ? EEXIST : check_parent(d, path);
	if (errnum != 0)
		return sp_fail_sys(err, errnum, "make directory '" SP_FMT "'", SP_ARG(path));
	sim_inode *i = sim_inode_new(d, SP_TYPE_DIR, mode, sp_wall_ns(w));
	sim_disk_rename(d, SP_STR(""), path, i);
	sim_inode_unref(d, i);
	return SP_OK;
}

static sp_code check_dir(sp_world *w, sp_str path, sp_err *err)
{
	SP_TRY(check_alive(w, path, err));
	const sim_inode *i = sim_disk_find(disk_of(w), path);
	if (i == NULL || i->type != SP_TYPE_DIR)
		return sp_fail_sys(err, i == NULL ? ENOENT : ENOTDIR, "open directory '" SP_FMT "'",
				   SP_ARG(path));
	return SP_OK;
}

static sp_code dir_sync(sp_world *w, sp_str path, sp_err *err)
{
	path = trimmed(path);
	SP_TRY(check_dir(w, path, err));
	sp_sim *s = sim_from(w);
	if (sim_chance(s, s->opts.faults.disk_sync_ppm))
		return sp_fail_sys(err, EIO, "sync directory '" SP_FMT "'", SP_ARG(path));
	sim_disk_sync_dir(disk_of(w), path);
	return SP_OK;
}

static sp_code dir_read(sp_world *w, sp_str path,
			sp_code (*each)(void *arg, sp_str name, sp_file_type type, sp_err *err), void *arg,
			sp_err *err)
{
	path = trimmed(path);
	SP_TRY(check_dir(w, path, err));
	const sim_disk *d = disk_of(w);
	for (size_t i = 0; i < d->live.n; i++) {
		sp_str other = sp_str_c(d->live.at[i].path);
		if (other.len == 1 || !sp_str_eq(sim_parent_of(other), path))
			continue;
		size_t name_at = path.len == 1 ? 1 : path.len + 1;
		SP_TRY(each(arg, sp_str_sub(other, name_at, other.len), d->live.at[i].inode->type, err));
	}
	return SP_OK;
}

const sp_file_ops sim_file_ops = {
	.open = file_open,
	.close = file_close,
	.pread = file_pread,
	.pwrite = file_pwrite,
	.append = file_append,
	.sync = file_sync,
	.truncate = file_truncate,
	.lock = file_lock,
	.stat = file_stat,
	.path_stat = path_stat,
	.rename = path_rename,
	.unlink = path_unlink,
	.own = path_own,
	.rmdir = dir_remove,
	.mkdir = dir_make,
	.dir_sync = dir_sync,
	.dir_read = dir_read,
};
