/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/num.h"
#include "store/lmdb/core.h"

enum { READERS_MAX = 16 };

sp_code core_path(char out[CORE_PATH_BYTES], sp_str dir, const char *name, sp_err *err)
{
	int n = snprintf(out, CORE_PATH_BYTES, SP_FMT "/%s", SP_ARG(dir), name);
	if (n < 0 || n >= CORE_PATH_BYTES || dir.len == 0 || dir.ptr[0] != '/' ||
	    memchr(dir.ptr, 0, dir.len) != NULL)
		return sp_fail(err, SP_EINVAL,
			       "data directory '" SP_FMT "' is not an absolute path of at most 1,000 bytes",
			       SP_ARG(dir));
	return SP_OK;
}

sp_code core_lock_dir(sp_str dir, int *ret_fd, sp_err *err)
{
	char path[CORE_PATH_BYTES];
	SP_TRY(core_path(path, dir, "sampan.lock", err));
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return sp_fail_sys(err, errno, "cannot open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int errnum = errno;
		close(fd);
		if (errnum == EWOULDBLOCK)
			return sp_fail(err, SP_EUNAVAILABLE,
				       "data directory '" SP_FMT
				       "' is in use by another process (is the server running?)",
				       SP_ARG(dir));
		return sp_fail_sys(err, errnum, "cannot lock %s", path);
	}
	*ret_fd = fd;
	return SP_OK;
}

static sp_code check_format(MDB_val v, sp_err *err)
{
	if (v.mv_size != 4)
		return sp_fail(err, SP_EIO, "the store's format version is damaged");
	uint32_t format = sp_be32_get(v.mv_data);
	/* When there is a format 2, what migrates 1 forward is called from here. */
	if (format > CORE_FORMAT)
		return sp_fail(
			err, SP_EUNSUPPORTED,
			"the store has format %u, written by a newer version; this one reads format %d: "
			"use the newer version or restore an older snapshot",
			format, CORE_FORMAT);
	if (format != CORE_FORMAT)
		return sp_fail(err, SP_EIO, "the store's format version %u does not exist", format);
	return SP_OK;
}

static int put_new(core *c, MDB_txn *txn, core_state *s)
{
	uint8_t format[4], state[CORE_STATE_BYTES];
	*s = (core_state){.revision = 1, .compacted = 1, .trimmed = 1};
	sp_be32_put(format, CORE_FORMAT);
	core_state_put(state, s);
	MDB_val kf = core_val("format", 6), vf = core_val(format, sizeof format);
	MDB_val ks = core_val("state", 5), vs = core_val(state, sizeof state);
	int rc = mdb_put(txn, c->meta, &kf, &vf, 0);
	return rc != 0 ? rc : mdb_put(txn, c->meta, &ks, &vs, 0);
}

sp_code core_open_dbs(core *c, MDB_txn *txn, bool may_make, core_state *ret, sp_err *err)
{
	MDB_val k = core_val("format", 6), v;
	MDB_envinfo info;
	(void)mdb_env_info(c->env, &info);              /* of an open environment: cannot fail */
	may_make = may_make && info.me_last_txnid == 0; /* what is missing from a written store is damage */
	int rc = mdb_dbi_open(txn, "meta", may_make ? MDB_CREATE : 0, &c->meta);
	if (rc == 0)
		rc = mdb_get(txn, c->meta, &k, &v);
	bool is_new = rc == MDB_NOTFOUND && may_make;
	if (!is_new) {
		if (rc != 0)
			return core_fail(rc, "cannot read the store's format", err);
		SP_TRY(check_format(v, err));
	}
	const struct {
		const char *name;
		unsigned flags;
		MDB_dbi *dbi;
	} dbs[] = {{"resources", 0, &c->resources},
		   {"keys", 0, &c->keys},
		   {"log", MDB_INTEGERKEY, &c->log},
		   {"index", 0, &c->index}};
	for (size_t i = 0; i < SP_LEN(dbs); i++) {
		rc = mdb_dbi_open(txn, dbs[i].name, dbs[i].flags | (is_new ? MDB_CREATE : 0), dbs[i].dbi);
		if (rc != 0)
			return core_fail(rc, "cannot open a table of the store", err);
	}
	if (is_new) {
		rc = put_new(c, txn, ret);
		return rc != 0 ? core_fail(rc, "cannot make the store", err) : SP_OK;
	}
	k = core_val("state", 5);
	rc = mdb_get(txn, c->meta, &k, &v);
	if (rc != 0)
		return core_fail(rc, "cannot read the store's state", err);
	return core_state_get(core_str(v), ret, err);
}

/*
 * Pages that a transaction took at the end and gave back in the same breath are never written, so a data file
 * may rightly be shorter than its last page number says. Made longer, a page that is really missing reads as
 * zeros, which LMDB refuses, instead of faulting. A snapshot has no such pages: one that is short lost its
 * end.
 */
static sp_code check_size(core *c, const char *path, bool is_snapshot, sp_err *err)
{
	struct stat st;
	MDB_envinfo info;
	MDB_stat stat;
	(void)mdb_env_info(c->env, &info); /* of an open environment: cannot fail */
	(void)mdb_env_stat(c->env, &stat);
	c->page_bytes = stat.ms_psize;
	c->map_pages = info.me_mapsize / c->page_bytes;
	uint64_t size = (info.me_last_pgno + 1) * c->page_bytes;
	int rc = mdb_env_get_fd(c->env, &c->data_fd);
	if (rc != 0 || fstat(c->data_fd, &st) != 0)
		return sp_fail_sys(err, errno, "cannot look at %s", path);
	if ((uint64_t)st.st_size >= size)
		return SP_OK;
	if (is_snapshot)
		return sp_fail(err, SP_EIO, "%s has %lld bytes and should have %llu: its end is missing",
			       path, (long long)st.st_size, (unsigned long long)size);
	return ftruncate(c->data_fd, (off_t)size) == 0 ? SP_OK
						       : sp_fail_sys(err, errno, "cannot extend %s", path);
}

sp_code core_open_file(core *c, const char *path, uint64_t bytes_max, unsigned flags, sp_err *err)
{
	int rc = mdb_env_create(&c->env);
	if (rc != 0)
		return core_fail(rc, path, err);
	rc = mdb_env_set_maxdbs(c->env, 8);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(c->env, READERS_MAX);
	if (rc == 0 && bytes_max != 0) /* 0 = as the file says */
		rc = mdb_env_set_mapsize(c->env, bytes_max);
	/* Without WRITEMAP: the map is read-only, so a stray pointer cannot touch the data. */
	if (rc == 0)
		rc = mdb_env_open(c->env, path, flags | MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD, 0600);
	sp_code code =
		rc == 0 ? check_size(c, path, (flags & MDB_RDONLY) != 0, err) : core_fail(rc, path, err);
	if (code != SP_OK) {
		mdb_env_close(c->env);
		c->env = NULL;
	}
	return code;
}

static sp_code open_env(core *c, uint64_t bytes_max, sp_err *err)
{
	char path[CORE_PATH_BYTES];
	SP_TRY(core_path(path, sp_str_c(c->dir), "data.mdb", err));
	return core_open_file(c, path, bytes_max, 0, err);
}

static sp_code open_tables(core *c, sp_err *err)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(c->env, NULL, 0, &txn);
	if (rc != 0)
		return core_fail(rc, "cannot open the store", err);
	sp_code code = core_open_dbs(c, txn, true, &c->state, err);
	if (code != SP_OK) {
		mdb_txn_abort(txn);
		return code;
	}
	rc = mdb_txn_commit(txn);
	if (rc == 0)
		rc = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &c->reader);
	if (rc != 0)
		return core_fail(rc, "cannot open the store", err);
	mdb_txn_reset(c->reader);
	return SP_OK;
}

/* The names of a new directory and of the files in it. */
static sp_code sync_names(const char *dir, sp_err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "cannot open %s", dir);
	sp_code code = fsync(fd) == 0 ? SP_OK : sp_fail_sys(err, errno, "cannot sync %s", dir);
	close(fd);
	return code;
}

static sp_code sync_parent(sp_str dir, sp_err *err)
{
	char path[CORE_PATH_BYTES];
	SP_TRY(core_path(path, dir, "..", err));
	return sync_names(path, err);
}

sp_code core_open(const sp_store_lmdb_opts *opts, core **ret, sp_err *err)
{
	core *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a store");
	c->lock_fd = c->data_fd = -1;
	c->transformer = opts->transformer;
	c->has_transformer = opts->transformer.to_storage != NULL;
	char probe[CORE_PATH_BYTES];
	sp_code code = core_path(probe, opts->dir, "sampan.lock", err);
	if (code == SP_OK) {
		memcpy(c->dir, opts->dir.ptr, opts->dir.len);
		if (mkdir(c->dir, 0700) == 0)
			code = sync_parent(opts->dir, err);
		else if (errno != EEXIST)
			code = sp_fail_sys(err, errno, "cannot make %s", c->dir);
	}
	if (code == SP_OK)
		code = core_lock_dir(opts->dir, &c->lock_fd, err);
	if (code == SP_OK)
		code = open_env(c, opts->bytes_max == 0 ? UINT64_C(16) << 30 : opts->bytes_max, err);
	if (code == SP_OK)
		code = open_tables(c, err);
	if (code == SP_OK)
		code = sync_names(c->dir, err);
	if (code != SP_OK) {
		core_close(c);
		return code;
	}
	*ret = c;
	return SP_OK;
}

void core_close(core *c)
{
	if (c == NULL)
		return;
	if (c->reader != NULL)
		mdb_txn_abort(c->reader);
	if (c->env != NULL)
		mdb_env_close(c->env);
	if (c->lock_fd >= 0)
		close(c->lock_fd);
	sp_free(c);
}
