/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "node/huge.h"

uint64_t node_cpu_weight(int64_t shares)
{
	int64_t s = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
	return (uint64_t)(1 + (s - 2) * 9999 / 262142);
}

typedef struct place {
	char text[PATH_MAX];
} place;

static sp_code join(place *p, sp_str root, const char *hierarchy, sp_str path, sp_err *err)
{
	int n = snprintf(p->text, sizeof p->text, SP_FMT "%s%s" SP_FMT, SP_ARG(root),
			 *hierarchy == '\0' ? "" : "/", hierarchy, SP_ARG(path));
	if (n < 0 || (size_t)n >= sizeof p->text || sp_str_find(path, SP_STR("..")) >= 0)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no cgroup", SP_ARG(path));
	return SP_OK;
}

static bool exists(sp_str root, const char *name)
{
	place p;
	return join(&p, root, name, SP_STR(""), NULL) == SP_OK && access(p.text, F_OK) == 0;
}

/* A value into a control file. One that is not there is no error: a hierarchy without that controller. */
static sp_code put(const place *dir, const char *file, const char *value, sp_err *err)
{
	char name[PATH_MAX + 64];
	(void)snprintf(name, sizeof name, "%s/%s", dir->text, file);
	int fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "open %s", name);
	ssize_t n = write(fd, value, strlen(value));
	int failed = n < 0 ? errno : 0;
	(void)close(fd);
	return failed != 0 ? sp_fail_sys(err, failed, "write '%s' to %s", value, name) : SP_OK;
}

static sp_code put_number(const place *dir, const char *file, int64_t value, sp_err *err)
{
	char text[32];
	(void)snprintf(text, sizeof text, "%lld", (long long)value);
	return put(dir, file, text, err);
}

/* Makes the directory and those above it, down from `skip` bytes; with v2 every parent passes its controllers
 * on. */
static sp_code make(place *p, size_t skip, bool v2, sp_err *err)
{
	for (char *at = p->text + skip;; at++) {
		at = strchr(at, '/');
		if (at == p->text + skip)
			continue;
		if (at != NULL)
			*at = '\0';
		int failed = mkdir(p->text, 0755) != 0 && errno != EEXIST ? errno : 0;
		if (failed != 0)
			return sp_fail_sys(err, failed, "mkdir %s", p->text);
		if (at == NULL)
			return SP_OK;
		if (v2) {
			(void)!put(p, "cgroup.subtree_control", "+hugetlb", NULL); /* where there is one */
			SP_TRY(put(p, "cgroup.subtree_control", "+cpu +memory +pids", err));
		}
		*at = '/';
	}
}

/* Limits of huge pages, of what is reserved too where the kernel counts that (since 5.7). */
static sp_code put_huge(const place *dir, const sp_pod_cgroup *l, const char *const files[2], sp_err *err)
{
	for (size_t i = 0; i < l->n_huge; i++) {
		char size[NODE_HUGE_NAME_BYTES], file[NODE_HUGE_NAME_BYTES + 64];
		node_huge_cgroup_name(l->huge[i].page_bytes, size);
		for (size_t k = 0; k < 2; k++) {
			(void)snprintf(file, sizeof file, "hugetlb.%s.%s", size, files[k]);
			SP_TRY(put_number(dir, file, l->huge[i].limit_bytes, err));
		}
	}
	return SP_OK;
}

static sp_code set_v2(sp_str root, sp_str path, const sp_pod_cgroup *l, sp_err *err)
{
	place p;
	char text[64];
	SP_TRY(join(&p, root, "", path, err));
	SP_TRY(make(&p, root.len, true, err));
	if (l->cpu_shares > 0)
		SP_TRY(put_number(&p, "cpu.weight", (int64_t)node_cpu_weight(l->cpu_shares), err));
	if (l->cpu_quota_us > 0) {
		(void)snprintf(text, sizeof text, "%lld %lld", (long long)l->cpu_quota_us,
			       (long long)l->cpu_period_us);
		SP_TRY(put(&p, "cpu.max", text, err));
	}
	if (l->memory_bytes > 0)
		SP_TRY(put_number(&p, "memory.max", l->memory_bytes, err));
	return put_huge(&p, l, (const char *const[]){"max", "rsvd.max"}, err);
}

static sp_code set_v1(sp_str root, sp_str path, const sp_pod_cgroup *l, sp_err *err)
{
	place p;
	if (exists(root, "cpu")) {
		SP_TRY(join(&p, root, "cpu", path, err));
		SP_TRY(make(&p, root.len + 4, false, err));
		if (l->cpu_shares > 0)
			SP_TRY(put_number(&p, "cpu.shares", l->cpu_shares, err));
		if (l->cpu_quota_us > 0) {
			SP_TRY(put_number(&p, "cpu.cfs_period_us", l->cpu_period_us, err));
			SP_TRY(put_number(&p, "cpu.cfs_quota_us", l->cpu_quota_us, err));
		}
	}
	if (l->n_huge > 0 && exists(root, "hugetlb")) {
		SP_TRY(join(&p, root, "hugetlb", path, err));
		SP_TRY(make(&p, root.len + 8, false, err));
		SP_TRY(put_huge(&p, l, (const char *const[]){"limit_in_bytes", "rsvd.limit_in_bytes"}, err));
	}
	if (!exists(root, "memory"))
		return SP_OK;
	SP_TRY(join(&p, root, "memory", path, err));
	SP_TRY(make(&p, root.len + 7, false, err));
	return l->memory_bytes > 0 ? put_number(&p, "memory.limit_in_bytes", l->memory_bytes, err) : SP_OK;
}

sp_code node_cgroup_set(sp_str root, sp_str path, const sp_pod_cgroup *limits, sp_err *err)
{
	return exists(root, "cgroup.controllers") ? set_v2(root, path, limits, err)
						  : set_v1(root, path, limits, err);
}

/* ---- removal ---- */

/* Directories below, then itself: their files go with them. */
static sp_code remove_dir(const char *name, unsigned depth, sp_err *err)
{
	const struct dirent *e;
	sp_code code = SP_OK;
	DIR *d = depth > 8 ? NULL : opendir(name);
	if (d == NULL)
		return errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "open %s", name);
	while (code == SP_OK && (e = readdir(d)) != NULL) {
		char below[PATH_MAX];
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		int n = snprintf(below, sizeof below, "%s/%s", name, e->d_name);
		if (n > 0 && (size_t)n < sizeof below)
			code = remove_dir(below, depth + 1, err);
	}
	(void)closedir(d);
	if (code != SP_OK || rmdir(name) == 0 || errno == ENOENT)
		return code;
	return errno == EBUSY ? sp_fail(err, SP_EUNAVAILABLE, "%s is still in use", name)
			      : sp_fail_sys(err, errno, "rmdir %s", name);
}

sp_code node_cgroup_remove(sp_str root, sp_str path, sp_err *err)
{
	place p;
	const struct dirent *e;
	sp_code code = SP_OK;
	SP_TRY(join(&p, root, "", path, err));
	if (exists(root, "cgroup.controllers"))
		return remove_dir(p.text, 0, err);
	SP_TRY(join(&p, root, "", SP_STR(""), err));
	DIR *d = opendir(p.text);
	if (d == NULL)
		return errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "open %s", p.text);
	while (code == SP_OK && (e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		code = join(&p, root, e->d_name, path, err);
		if (code == SP_OK)
			code = remove_dir(p.text, 0, err);
	}
	(void)closedir(d);
	return code;
}
