/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/unpack/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define DEPTH_MAX ((size_t)1 << 20)
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static DIR *open_dir(int at, const char *name)
{
	int fd = openat(at, name, DIR_FLAGS);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL && fd >= 0) {
		int errnum = errno;
		(void)close(fd);
		errno = errnum;
	}
	return d;
}

/* ---- removing ---- */

typedef struct remover {
	int top; /* where directories that are not empty are moved to, so that none is deep */
	uint64_t n_moved, inodes;
} remover;

/* Out of the way: to the top, under a name nobody has there. */
static sp_code hoist(remover *r, int dir, const char *name, sp_err *err)
{
	char to[40];
	for (;;) {
		(void)snprintf(to, sizeof to, ".removed-%llu", (unsigned long long)r->n_moved++);
		if (renameat2(dir, name, r->top, to, RENAME_NOREPLACE) == 0)
			return SP_OK;
		if (errno != EEXIST)
			return sp_fail_sys(err, errno, "move the directory '%s'", name);
	}
}

/* Anything but a directory with something in it goes; *ret_full tells of one. */
static sp_code remove_one(remover *r, int dir, const char *name, bool *ret_full, sp_err *err)
{
	*ret_full = false;
	int rc = unlinkat(dir, name, 0);
	if (rc != 0 && (errno == EISDIR || errno == EPERM))
		rc = unlinkat(dir, name, AT_REMOVEDIR);
	if (rc == 0 || errno == ENOENT) {
		r->inodes += rc == 0;
		return SP_OK;
	}
	*ret_full = errno == ENOTEMPTY || errno == EEXIST;
	return *ret_full ? SP_OK : sp_fail_sys(err, errno, "remove '%s'", name);
}

/* Empties one directory, whose own directories end up at the top. */
static sp_code empty(remover *r, int at, const char *name, sp_err *err)
{
	DIR *d = open_dir(at, name);
	struct dirent *e;
	sp_code code = SP_OK;
	if (d == NULL)
		return sp_fail_sys(err, errno, "open the directory '%s'", name);
	for (;;) {
		bool full;
		errno = 0;
		if (code != SP_OK || (e = readdir(d)) == NULL)
			break;
		if (is_dot(e->d_name))
			continue;
		code = remove_one(r, dirfd(d), e->d_name, &full, err);
		if (code == SP_OK && full)
			code = hoist(r, dirfd(d), e->d_name, err);
	}
	if (code == SP_OK && errno != 0)
		code = sp_fail_sys(err, errno, "read the directory '%s'", name);
	(void)closedir(d);
	return code;
}

/* Rounds over the top until nothing is there: each empties the directories it finds, which adds those below
 * them. */
static sp_code remove_below(remover *r, sp_err *err)
{
	for (bool again = true; again;) {
		DIR *d = open_dir(r->top, ".");
		struct dirent *e;
		sp_code code = SP_OK;
		if (d == NULL)
			return sp_fail_sys(err, errno, "open a directory");
		again = false;
		while (code == SP_OK && (e = readdir(d)) != NULL) {
			bool full;
			if (is_dot(e->d_name))
				continue;
			again = true;
			code = remove_one(r, r->top, e->d_name, &full, err);
			if (code == SP_OK && full)
				code = empty(r, r->top, e->d_name, err);
		}
		(void)closedir(d);
		SP_TRY(code);
	}
	return SP_OK;
}

sp_code unpack_tree_remove(int dir, const char *name, uint64_t *ret_inodes, sp_err *err)
{
	remover r = {.top = -1};
	bool full;
	sp_code code = remove_one(&r, dir, name, &full, err);
	if (code == SP_OK && full) {
		r.top = openat(dir, name, DIR_FLAGS);
		code = r.top < 0 ? sp_fail_sys(err, errno, "open the directory '%s'", name)
				 : remove_below(&r, err);
		if (code == SP_OK)
			code = remove_one(&r, dir, name, &full, err);
		if (r.top >= 0)
			(void)close(r.top);
	}
	if (ret_inodes != NULL && code == SP_OK)
		*ret_inodes = r.inodes;
	return code;
}

/* ---- measuring ---- */

typedef struct measurer {
	unpack_tree_size size;
	long *places; /* where to go on in each directory on the way */
	size_t depth, cap;
} measurer;

static sp_code push(measurer *m, long place, sp_err *err)
{
	if (m->depth == DEPTH_MAX)
		return sp_fail(err, SP_ETOOLARGE, "directories of more than %zu levels", DEPTH_MAX);
	if (m->depth == m->cap) {
		size_t cap = m->cap == 0 ? 64 : m->cap * 2;
		long *wider = sp_try_realloc(m->places, m->cap * sizeof *wider, cap * sizeof *wider);
		if (wider == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for %zu levels", cap);
		m->places = wider;
		m->cap = cap;
	}
	SP_ASSERT(m->places != NULL); /* there is room */
	m->places[m->depth++] = place;
	return SP_OK;
}

/* Goes over to another directory, and to a place in it. */
static sp_code change(DIR **d, const char *name, long place, sp_err *err)
{
	DIR *next = open_dir(dirfd(*d), name);
	if (next == NULL)
		return sp_fail_sys(err, errno, "open the directory '%s'", name);
	(void)closedir(*d);
	*d = next;
	if (place >= 0)
		seekdir(next, place);
	return SP_OK;
}

/* The next name; NULL at the end of a directory. */
static sp_code measure_one(measurer *m, DIR **d, bool *ret_done, sp_err *err)
{
	struct stat st;
	errno = 0;
	struct dirent *e = readdir(*d);
	if (e == NULL && errno != 0)
		return sp_fail_sys(err, errno, "read a directory");
	if (e == NULL) {
		*ret_done = m->depth == 0 || m->places == NULL;
		return *ret_done ? SP_OK : change(d, "..", m->places[--m->depth], err);
	}
	if (is_dot(e->d_name))
		return SP_OK;
	if (fstatat(dirfd(*d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "look at '%s'", e->d_name);
	m->size.inodes++;
	m->size.bytes +=
		(uint64_t)st.st_blocks * 512 / (S_ISDIR(st.st_mode) ? 1 : SP_MAX(st.st_nlink, (nlink_t)1));
	if (!S_ISDIR(st.st_mode))
		return SP_OK;
	char name[NAME_MAX + 1];
	memcpy(name, e->d_name, strlen(e->d_name) + 1);
	SP_TRY(push(m, telldir(*d), err));
	sp_code code = change(d, name, -1, err);
	if (code == SP_ENOTFOUND) { /* removed meanwhile */
		m->depth--;
		return SP_OK;
	}
	return code;
}

sp_code unpack_tree_measure(int dir, unpack_tree_size *ret, sp_err *err)
{
	measurer m = {.depth = 0};
	DIR *d = open_dir(dir, ".");
	sp_code code = SP_OK;
	if (d == NULL)
		return sp_fail_sys(err, errno, "open a directory");
	for (bool done = false; code == SP_OK && !done;)
		code = measure_one(&m, &d, &done, err);
	(void)closedir(d);
	sp_free(m.places);
	if (code == SP_OK)
		*ret = m.size;
	return code;
}
