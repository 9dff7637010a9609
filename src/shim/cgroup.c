/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/num.h"
#include "shim/files.h"
#include "shim/loop.h"

#define DEPTH_MAX 32u
#define KILL_NS (UINT64_C(2000) * SHIM_MS)

shim_cgroup_fs shim_cgroup_detect(const char *root)
{
	struct statfs s;
	return (shim_cgroup_fs){root, statfs(root, &s) == 0 && s.f_type == CGROUP2_SUPER_MAGIC};
}

/* ---- joining ---- */

static bool path_is_clean(sp_str path)
{
	sp_str rest = path, part;
	while (sp_str_cut(&rest, '/', &part)) {
		if (sp_str_eq(part, SP_STR("..")))
			return false;
	}
	return path.len > 0 && !sp_str_eq(rest, SP_STR(".."));
}

static sp_code join_one(const char *hierarchy, sp_str path, int pid, bool *joined, sp_err *err)
{
	char file[SHIM_CGROUP_PATH_BYTES], text[16];
	int n = snprintf(file, sizeof file, "%s/" SP_FMT "/cgroup.procs", hierarchy, SP_ARG(path));
	if (n < 0 || (size_t)n >= sizeof file)
		return sp_fail(err, SP_EINVAL, "cgroup path is too long");
	if (!shim_file_exists(file))
		return SP_OK;
	int len = snprintf(text, sizeof text, "%d", pid);
	SP_TRY(shim_poke_file(file, (sp_str){text, (size_t)len}, err));
	*joined = true;
	return SP_OK;
}

static sp_code join_all(const char *root, sp_str path, int pid, bool *joined, sp_err *err)
{
	DIR *d = opendir(root);
	if (d == NULL)
		return sp_fail_sys(err, errno, "open %s", root);
	sp_code code = SP_OK;
	const struct dirent *e;
	while (code == SP_OK && (e = readdir(d)) != NULL) {
		char hierarchy[SHIM_CGROUP_PATH_BYTES];
		if (e->d_name[0] == '.')
			continue;
		int n = snprintf(hierarchy, sizeof hierarchy, "%s/%s", root, e->d_name);
		if (n > 0 && (size_t)n < sizeof hierarchy)
			code = join_one(hierarchy, path, pid, joined, err);
	}
	(void)closedir(d);
	return code;
}

sp_code shim_cgroup_join(const shim_cgroup_fs *fs, sp_str path, int pid, sp_err *err)
{
	bool joined = false;
	if (!path_is_clean(path))
		return sp_fail(err, SP_EINVAL, "bad cgroup path '" SP_FMT "'", SP_ARG(path));
	if (fs->v2)
		SP_TRY(join_one(fs->root, path, pid, &joined, err));
	else
		SP_TRY(join_all(fs->root, path, pid, &joined, err));
	if (!joined)
		return sp_fail(err, SP_ENOTFOUND, "cgroup '" SP_FMT "' does not exist", SP_ARG(path));
	return SP_OK;
}

/* ---- directories ---- */

/* "cpu,cpuacct" has "cpu". */
static bool list_has(sp_str list, sp_str name)
{
	sp_str part;
	while (sp_str_cut(&list, ',', &part)) {
		if (sp_str_eq(part, name))
			return true;
	}
	return sp_str_eq(list, name);
}

bool shim_cgroup_dir(const shim_cgroup_fs *fs, sp_str text, const char *controller,
		     char ret[SHIM_CGROUP_PATH_BYTES])
{
	sp_str line;
	while (text.len > 0) {
		if (!sp_str_cut(&text, '\n', &line)) {
			line = text;
			text = (sp_str){NULL, 0};
		}
		sp_str number, names;
		if (!sp_str_cut(&line, ':', &number) || !sp_str_cut(&line, ':', &names))
			continue;
		if (fs->v2 ? names.len > 0 : !list_has(names, sp_str_c(controller)))
			continue;
		if (!sp_str_starts(line, SP_STR("/")) || !path_is_clean(line))
			return false;
		int n = fs->v2 ? snprintf(ret, SHIM_CGROUP_PATH_BYTES, "%s" SP_FMT, fs->root, SP_ARG(line))
			       : snprintf(ret, SHIM_CGROUP_PATH_BYTES, "%s/%s" SP_FMT, fs->root, controller,
					  SP_ARG(line));
		return n > 0 && (size_t)n < SHIM_CGROUP_PATH_BYTES;
	}
	return false;
}

/* ---- processes ---- */

static void pids_in(const char *dir, void (*fn)(void *arg, uint32_t pid), void *arg)
{
	char file[SHIM_CGROUP_PATH_BYTES];
	SP_AUTO_BUF text;
	sp_buf_init(&text, (size_t)1 << 20);
	int n = snprintf(file, sizeof file, "%s/cgroup.procs", dir);
	if (n < 0 || (size_t)n >= sizeof file || shim_read_file(AT_FDCWD, file, &text, NULL) != SP_OK)
		return;
	sp_str rest = sp_buf_view(&text), line;
	while (sp_str_cut(&rest, '\n', &line)) {
		uint64_t pid;
		if (sp_parse_u64(line, 1, INT32_MAX, &pid, NULL) == SP_OK)
			fn(arg, (uint32_t)pid);
	}
}

static void pids_below(const char *dir, unsigned depth, void (*fn)(void *arg, uint32_t pid), void *arg)
{
	pids_in(dir, fn, arg);
	DIR *d = depth < DEPTH_MAX ? opendir(dir) : NULL;
	if (d == NULL)
		return;
	const struct dirent *e;
	while ((e = readdir(d)) != NULL) {
		char below[SHIM_CGROUP_PATH_BYTES];
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		int n = snprintf(below, sizeof below, "%s/%s", dir, e->d_name);
		if (n > 0 && (size_t)n < sizeof below)
			pids_below(below, depth + 1, fn, arg);
	}
	(void)closedir(d);
}

void shim_cgroup_pids(const char *dir, void (*fn)(void *arg, uint32_t pid), void *arg)
{
	pids_below(dir, 0, fn, arg);
}

/* ---- removing ---- */

typedef struct killing {
	uint64_t until_ns;
	unsigned found;
} killing;

static void kill_one(void *arg, uint32_t pid)
{
	(void)arg;
	(void)kill((int)pid, SIGKILL);
}

/* A process leaves its group before its pidfd says that it ended. */
static void end_one(void *arg, uint32_t pid)
{
	killing *k = arg;
	uint64_t now = shim_now_ns();
	struct pollfd p = {.fd = pidfd_open((int)pid, 0), .events = POLLIN};
	if (p.fd < 0)
		return; /* gone */
	if (poll(&p, 1, 0) == 0) {
		k->found++;
		(void)pidfd_send_signal(p.fd, SIGKILL, NULL, 0);
		if (now < k->until_ns)
			(void)poll(&p, 1, (int)((k->until_ns - now) / SHIM_MS));
	}
	(void)close(p.fd);
}

/*
 * All at once, so that they start as few others as can be; then one by one, until nobody is found alive. One
 * that the kernel does not let go is given up in the end.
 */
static void end_all(const char *dir)
{
	killing k = {.until_ns = shim_now_ns() + KILL_NS};
	do {
		k.found = 0;
		pids_below(dir, 0, kill_one, NULL);
		pids_below(dir, 0, end_one, &k);
	} while (k.found > 0 && shim_now_ns() < k.until_ns);
}

static void remove_below(const char *dir, unsigned depth)
{
	DIR *d = depth < DEPTH_MAX ? opendir(dir) : NULL;
	const struct dirent *e;
	while (d != NULL && (e = readdir(d)) != NULL) {
		char below[SHIM_CGROUP_PATH_BYTES];
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		int n = snprintf(below, sizeof below, "%s/%s", dir, e->d_name);
		if (n > 0 && (size_t)n < sizeof below)
			remove_below(below, depth + 1);
	}
	if (d != NULL)
		(void)closedir(d);
	(void)rmdir(dir);
}

static void remove_one(const char *hierarchy, sp_str path)
{
	char dir[SHIM_CGROUP_PATH_BYTES];
	int n = snprintf(dir, sizeof dir, "%s" SP_FMT, hierarchy, SP_ARG(path));
	if (n < 0 || (size_t)n >= sizeof dir || !shim_file_exists(dir))
		return;
	end_all(dir);
	remove_below(dir, 0);
}

void shim_cgroup_remove(const shim_cgroup_fs *fs, sp_str path)
{
	while (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	if (path.len < 2 || path.ptr[0] != '/' || path.ptr[1] == '/' || !path_is_clean(path))
		return;
	if (fs->v2) {
		remove_one(fs->root, path);
		return;
	}
	DIR *d = opendir(fs->root);
	const struct dirent *e;
	while (d != NULL && (e = readdir(d)) != NULL) {
		char hierarchy[SHIM_CGROUP_PATH_BYTES];
		int n = snprintf(hierarchy, sizeof hierarchy, "%s/%s", fs->root, e->d_name);
		if (e->d_name[0] != '.' && n > 0 && (size_t)n < sizeof hierarchy)
			remove_one(hierarchy, path);
	}
	if (d != NULL)
		(void)closedir(d);
}
