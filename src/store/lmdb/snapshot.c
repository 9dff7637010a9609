/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/lmdb/core.h"

typedef struct path_buf {
	char text[CORE_PATH_BYTES];
} path_buf;

static sp_code path_make(path_buf *p, sp_str path, const char *suffix, sp_err *err)
{
	int n = snprintf(p->text, sizeof p->text, SP_FMT "%s", SP_ARG(path), suffix);
	if (path.len == 0 || path.ptr[0] != '/' || n < 0 || (size_t)n >= sizeof p->text ||
	    memchr(path.ptr, 0, path.len) != NULL)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is not an absolute path of at most 1,000 bytes",
			       SP_ARG(path));
	return SP_OK;
}

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define AUTO_FD SP_CLEANUP(close_fd) int

/* The directory that holds `path`. */
static sp_code sync_parent(const char *path, sp_err *err)
{
	path_buf dir;
	const char *slash = strrchr(path, '/');
	(void)snprintf(dir.text, sizeof dir.text, "%.*s", (int)SP_MAX(slash - path, (ptrdiff_t)1), path);
	AUTO_FD fd = open(dir.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return sp_fail_sys(err, errno, "cannot sync %s", dir.text);
	return SP_OK;
}

/* ---- save ---- */

static sp_code copy_env(core *c, const char *path, sp_err *err)
{
	AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return sp_fail_sys(err, errno, "cannot make %s", path);
	int rc = mdb_env_copyfd2(c->env, fd, MDB_CP_COMPACT);
	if (rc == 0 && fsync(fd) != 0)
		rc = errno;
	return rc == 0 ? SP_OK : core_fail(rc, "cannot write the snapshot", err);
}

static sp_code snapshot_core(core *c, sp_str path, sp_err *err)
{
	path_buf to, tmp;
	SP_TRY(path_make(&to, path, "", err));
	SP_TRY(path_make(&tmp, path, ".tmp", err));
	sp_code code = copy_env(c, tmp.text, err);
	if (code == SP_OK && renameat2(AT_FDCWD, tmp.text, AT_FDCWD, to.text, RENAME_NOREPLACE) != 0)
		code = sp_fail_sys(err, errno, "cannot make %s", to.text);
	if (code != SP_OK) {
		(void)unlink(tmp.text); /* the error before it is the one to tell */
		return code;
	}
	return sync_parent(to.text, err);
}

sp_code sp_store_lmdb_snapshot(sp_store *s, sp_str path, sp_err *err)
{
	return snapshot_core(store_lmdb_core(s), path, err);
}

sp_code sp_store_lmdb_snapshot_dir(sp_str dir, sp_str path, sp_err *err)
{
	core *c;
	sp_store_lmdb_opts opts = {.dir = dir};
	SP_TRY(core_open(&opts, &c, err));
	sp_code code = snapshot_core(c, path, err);
	core_close(c);
	return code;
}

/* ---- list ---- */

static sp_code read_state(const char *path, bool is_snapshot, core_state *ret, sp_err *err)
{
	core c = {.lock_fd = -1};
	SP_TRY(core_open_file(&c, path, 0, is_snapshot ? MDB_RDONLY | MDB_NOLOCK : 0, err));
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(c.env, NULL, MDB_RDONLY, &txn);
	sp_code code = rc == 0 ? core_open_dbs(&c, txn, false, ret, err)
			       : core_fail(rc, "cannot read the snapshot", err);
	if (txn != NULL)
		mdb_txn_abort(txn);
	mdb_env_close(c.env);
	return code;
}

typedef struct listing {
	sp_arena *arena;
	sp_store_snapshot *items;
	size_t n, cap;
} listing;

static sp_code add_item(listing *l, sp_str name, const core_state *state, const struct stat *st, sp_err *err)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 8 : l->cap * 2;
		sp_store_snapshot *items =
			sp_arena_try_grow(l->arena, l->items, l->cap * sizeof *items, cap * sizeof *items);
		if (items == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a list of snapshots");
		l->items = items;
		l->cap = cap;
	}
	name = sp_arena_try_dup(l->arena, name);
	if (name.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a list of snapshots");
	size_t i = l->n++;
	for (; i > 0 && sp_str_cmp(l->items[i - 1].name, name) > 0; i--)
		l->items[i] = l->items[i - 1];
	l->items[i] = (sp_store_snapshot){.name = name,
					  .revision = state->revision,
					  .n_objects = state->n_objects,
					  .file_bytes = (uint64_t)st->st_size,
					  .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 +
						      st->st_mtim.tv_nsec};
	return SP_OK;
}

static sp_code add_file(listing *l, sp_str dir, const char *name, sp_err *err)
{
	char path[CORE_PATH_BYTES];
	struct stat st;
	core_state state = {0};
	SP_TRY(core_path(path, dir, name, err));
	/* Whatever is no snapshot is no business of ours. */
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || read_state(path, true, &state, NULL) != SP_OK)
		return SP_OK;
	return add_item(l, sp_str_c(name), &state, &st, err);
}

sp_code sp_store_lmdb_snapshot_list(sp_str dir, sp_arena *a, sp_store_snapshot **ret, size_t *ret_n,
				    sp_err *err)
{
	path_buf path;
	listing l = {.arena = a};
	SP_TRY(path_make(&path, dir, "", err));
	DIR *d = opendir(path.text);
	if (d == NULL)
		return sp_fail_sys(err, errno, "cannot open %s", path.text);
	sp_code code = SP_OK;
	const struct dirent *entry;
	while (code == SP_OK && (entry = readdir(d)) != NULL)
		code = add_file(&l, dir, entry->d_name, err);
	(void)closedir(d);
	SP_TRY(code);
	*ret = l.items;
	*ret_n = l.n;
	return SP_OK;
}

/* ---- restore ---- */

static sp_code copy_file(const char *from, const char *to, sp_err *err)
{
	AUTO_FD in = open(from, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return sp_fail_sys(err, errno, "cannot open %s", from);
	AUTO_FD out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		return sp_fail_sys(err, errno, "cannot make %s", to);
	for (;;) {
		ssize_t n = copy_file_range(in, NULL, out, NULL, (size_t)64 << 20, 0);
		if (n == 0)
			return SP_OK; /* synced by the transaction that follows */
		if (n < 0 && errno != EINTR)
			return sp_fail_sys(err, errno, "cannot copy %s to %s", from, to);
	}
}

/* Raises the revision of the copy and marks its history compacted. */
static sp_code raise_revision(const char *path, uint64_t above, sp_err *err)
{
	core c = {.lock_fd = -1};
	core_state state = {0};
	SP_TRY(core_open_file(&c, path, 0, 0, err));
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(c.env, NULL, 0, &txn);
	sp_code code = rc == 0 ? core_open_dbs(&c, txn, false, &state, err)
			       : core_fail(rc, "cannot open the copy of the snapshot", err);
	if (code == SP_OK) {
		state.revision = SP_MAX(state.revision, above) + SP_STORE_RESTORE_JUMP;
		state.compacted = state.revision;
		uint8_t bytes[CORE_STATE_BYTES];
		core_state_put(bytes, &state);
		MDB_val k = core_val("state", 5), v = core_val(bytes, sizeof bytes);
		rc = mdb_put(txn, c.meta, &k, &v, 0);
		if (rc == 0)
			rc = mdb_txn_commit(SP_TAKE(txn));
		if (rc != 0)
			code = core_fail(rc, "cannot write the revision", err);
	}
	if (txn != NULL)
		mdb_txn_abort(txn);
	mdb_env_close(c.env);
	if (code != SP_OK)
		return code;
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		return sp_fail_sys(err, errno, "cannot sync %s", path);
	return SP_OK;
}

static sp_code restore_locked(sp_str path, sp_str dir, sp_err *err)
{
	path_buf from;
	char data[CORE_PATH_BYTES], tmp[CORE_PATH_BYTES], tmp_lock[CORE_PATH_BYTES];
	core_state state = {0}, old = {0};
	SP_TRY(path_make(&from, path, "", err));
	SP_TRY(core_path(data, dir, "data.mdb", err));
	SP_TRY(core_path(tmp, dir, "restore.tmp", err));
	SP_TRY(core_path(tmp_lock, dir, "restore.tmp-lock", err));
	if (read_state(from.text, true, &state, err) != SP_OK)
		return sp_wrap(err, "'%s' is not a snapshot that can be restored", from.text);
	struct stat st;
	if (stat(data, &st) == 0)
		SP_TRY(read_state(data, false, &old, err));
	(void)unlink(tmp); /* of a restore that a crash cut short */
	SP_TRY(copy_file(from.text, tmp, err));
	SP_TRY(raise_revision(tmp, old.revision, err));
	(void)unlink(tmp_lock); /* only a table of readers */
	if (rename(tmp, data) != 0)
		return sp_fail_sys(err, errno, "cannot rename %s", tmp);
	return sync_parent(data, err);
}

sp_code sp_store_lmdb_restore(sp_str path, sp_str dir, sp_err *err)
{
	path_buf d;
	AUTO_FD lock = -1;
	SP_TRY(path_make(&d, dir, "", err));
	if (mkdir(d.text, 0700) != 0 && errno != EEXIST)
		return sp_fail_sys(err, errno, "cannot make %s", d.text);
	SP_TRY(sync_parent(d.text, err));
	SP_TRY(core_lock_dir(dir, &lock, err));
	return restore_locked(path, dir, err);
}
