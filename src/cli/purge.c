/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/purge.h"

#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/leftovers.h"
#include "contracts/local_path.h"
#include "kube/kinds/values.h"

static bool is_dir(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(sp_arena *a, sp_str dir, const char *name)
{
	struct stat st;
	sp_str path = sp_arena_printf(a, SP_FMT "/%s", SP_ARG(dir), name);
	return path.ptr != NULL && lstat(path.ptr, &st) == 0 && S_ISREG(st.st_mode);
}

/* What a server or an agent makes first, and keeps to the last. */
static bool is_data(sp_arena *a, sp_str dir)
{
	sp_str own = sp_arena_try_dup(a, dir); /* ends with NUL */
	return own.ptr != NULL && is_dir(own.ptr) && is_file(a, dir, "pki/node.kubeconfig") &&
	       (is_file(a, dir, "pki/ca.crt") || is_file(a, dir, "pki/node.pem"));
}

/* Whether all that is in a directory has such names; one that is not there has. */
static bool holds_only(const char *dir, bool (*fits)(sp_str name))
{
	const struct dirent *e;
	bool all = true;
	DIR *d = opendir(dir);
	while (d != NULL && all && (e = readdir(d)) != NULL) {
		sp_str name = sp_str_c(e->d_name);
		all = sp_str_eq(name, SP_STR(".")) || sp_str_eq(name, SP_STR("..")) || fits(name);
	}
	if (d != NULL)
		(void)closedir(d);
	return all;
}

static bool is_of_run(sp_str name)
{
	static const char *const known[] = {"supervisor.sock", "cri.sock", "runtime", "keys"};
	return SP_STR_IN(name, known);
}

static sp_code walk(sp_str dir, int (*fn)(const FTSENT *e, void *arg), void *arg, sp_err *err)
{
	char *paths[] = {(char *)(uintptr_t)dir.ptr, NULL};
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	int errnum = tree == NULL ? errno : 0;
	const FTSENT *e;
	while (errnum == 0 && (e = fts_read(tree)) != NULL)
		errnum = fn(e, arg);
	if (tree != NULL)
		(void)fts_close(tree);
	return errnum == 0 ? SP_OK : sp_fail_sys(err, errnum, "'" SP_FMT "'", SP_ARG(dir));
}

typedef struct sum {
	uint64_t bytes, n;
} sum;

static int count(const FTSENT *e, void *arg)
{
	sum *s = arg;
	if (e->fts_info == FTS_F || e->fts_info == FTS_SL || e->fts_info == FTS_DEFAULT) {
		s->bytes += (uint64_t)e->fts_statp->st_blocks * 512;
		s->n++;
	}
	return 0;
}

static sp_code add(cli_purge *p, sp_arena *a, sp_str dir, sp_err *err)
{
	sum s = {0};
	sp_str own = sp_arena_try_dup(a, dir); /* ends with NUL */
	if (own.ptr == NULL || !is_dir(own.ptr))
		return SP_OK;
	SP_TRY(walk(own, count, &s, err));
	p->dirs[p->n] = own;
	p->bytes[p->n] = s.bytes;
	p->n_files[p->n++] = s.n;
	return SP_OK;
}

sp_code cli_purge_find(sp_arena *a, sp_str data_dir, sp_str run_dir, sp_str volumes_dir, cli_purge *ret,
		       sp_err *err)
{
	cli_purge p = {.n = 0};
	const sp_str all[] = {data_dir, run_dir, volumes_dir};
	for (size_t i = 0; i < SP_LEN(all); i++) {
		if (!sp_str_starts(all[i], SP_STR("/")) || all[i].len < 2)
			return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no directory to remove",
				       SP_ARG(all[i]));
	}
	const struct {
		bool ok;
		sp_str dir;
		const char *what;
	} checks[] = {
		{is_data(a, data_dir), data_dir, "data"},
		{holds_only(sp_arena_try_dup(a, run_dir).ptr, is_of_run), run_dir, "sockets and mounts"},
		{holds_only(sp_arena_try_dup(a, volumes_dir).ptr, sp_local_path_is_volume), volumes_dir,
		 "volumes"},
	};
	for (size_t i = 0; i < SP_LEN(checks); i++) {
		if (!checks[i].ok)
			return sp_fail(err, SP_EINVAL,
				       "'" SP_FMT "' does not look like %s of sampan: nothing is removed",
				       SP_ARG(checks[i].dir), checks[i].what);
	}
	SP_TRY(add(&p, a, data_dir, err));
	SP_TRY(add(&p, a, run_dir, err));
	if (!cli_is_below(volumes_dir, data_dir))
		SP_TRY(add(&p, a, volumes_dir, err));
	*ret = p;
	return SP_OK;
}

bool cli_purge_ask(const cli_purge *p)
{
	char answer[16];
	printf("This stops everything, and removes for good:\n\n");
	for (size_t i = 0; i < p->n; i++)
		printf("  %-40.*s %8" PRIu64 " files %10.1f MiB\n", SP_ARG(p->dirs[i]), p->n_files[i],
		       (double)p->bytes[i] / (1 << 20));
	printf("\nThe database, keys, certificates, images and volumes are in there. Programs, /etc/sampan "
	       "and the\n"
	       "users stay.\n");
	(void)fflush(stdout);
	if (isatty(STDIN_FILENO) == 0)
		return false;
	printf("Remove all of this? [y/N] ");
	(void)fflush(stdout);
	return fgets(answer, sizeof answer, stdin) != NULL &&
	       (strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0);
}

static int remove_one(const FTSENT *e, void *arg)
{
	const dev_t *device = arg;
	switch (e->fts_info) {
	case FTS_D: /* before what is in it */
		return e->fts_statp->st_dev == *device ? 0 : EXDEV;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return e->fts_errno;
	case FTS_DP:
		return rmdir(e->fts_accpath) == 0 ? 0 : errno;
	default:
		return unlink(e->fts_accpath) == 0 ? 0 : errno;
	}
}

sp_code cli_purge_remove(const cli_purge *p, sp_err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		struct stat st;
		if (lstat(p->dirs[i].ptr, &st) != 0) /* the runtime's end took it */
			continue;
		SP_TRY(walk(p->dirs[i], remove_one, &st.st_dev, err));
	}
	return SP_OK;
}
