/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/num.h"
#include "shim/files.h"

static bool path_in(char *out, size_t n, const char *dir, const char *name)
{
	int len = snprintf(out, n, "%s/%s", dir, name);
	return len > 0 && (size_t)len < n;
}

static uint64_t count_kills(const char *dir)
{
	char path[SHIM_CGROUP_PATH_BYTES];
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	uint64_t v = 0;
	if (!path_in(path, sizeof path, dir, "memory.events") ||
	    shim_read_file(AT_FDCWD, path, &text, NULL) != SP_OK)
		return 0;
	sp_str rest = sp_buf_view(&text), line;
	while (sp_str_cut(&rest, '\n', &line)) {
		if (sp_str_take(&line, SP_STR("oom_kill ")) &&
		    sp_parse_u64(line, 0, UINT64_MAX, &v, NULL) == SP_OK)
			return v;
	}
	return 0;
}

static void check_v1(shim_oom *o)
{
	uint64_t n;
	char path[SHIM_CGROUP_PATH_BYTES];
	if (read(o->watch.fd, &n, sizeof n) != sizeof n)
		return;
	/* The removal of the group rings, too. */
	if (!path_in(path, sizeof path, o->dir, "memory.oom_control") || !shim_file_exists(path)) {
		shim_oom_stop(o);
		return;
	}
	o->fn(o->arg);
}

static void check_v2(shim_oom *o)
{
	char events[1024];
	while (read(o->watch.fd, events, sizeof events) > 0) {
		/* which file it was is known */
	}
	uint64_t n = count_kills(o->dir);
	if (n > o->n_kills) {
		o->n_kills = n;
		o->fn(o->arg);
	}
	if (!shim_file_exists(o->dir))
		shim_oom_stop(o);
}

void shim_oom_check(shim_oom *o)
{
	if (o->loop == NULL || o->watch.fd < 0)
		return;
	if (o->v2)
		check_v2(o);
	else
		check_v1(o);
}

static void on_event(shim_watch *w, uint32_t events)
{
	(void)events;
	shim_oom_check(w->arg);
}

static sp_code start_v1(shim_oom *o, sp_err *err)
{
	char control[SHIM_CGROUP_PATH_BYTES], oom[SHIM_CGROUP_PATH_BYTES], text[64];
	if (!path_in(control, sizeof control, o->dir, "cgroup.event_control") ||
	    !path_in(oom, sizeof oom, o->dir, "memory.oom_control"))
		return sp_fail(err, SP_ETOOLARGE, "cgroup path is too long");
	int fd = open(oom, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", oom);
	o->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->watch.fd < 0) {
		(void)close(fd);
		return sp_fail_sys(err, errno, "eventfd");
	}
	int n = snprintf(text, sizeof text, "%d %d", o->watch.fd, fd);
	sp_code code = shim_poke_file(control, (sp_str){text, (size_t)n}, err);
	(void)close(fd);
	return code;
}

static sp_code start_v2(shim_oom *o, sp_err *err)
{
	char path[SHIM_CGROUP_PATH_BYTES];
	if (!path_in(path, sizeof path, o->dir, "memory.events"))
		return sp_fail(err, SP_ETOOLARGE, "cgroup path is too long");
	o->watch.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (o->watch.fd < 0)
		return sp_fail_sys(err, errno, "inotify");
	if (inotify_add_watch(o->watch.fd, path, IN_MODIFY) < 0)
		return sp_fail_sys(err, errno, "watch %s", path);
	o->n_kills = count_kills(o->dir);
	return SP_OK;
}

sp_code shim_oom_start(shim_oom *o, shim_loop *l, const shim_cgroup_fs *fs, sp_str cgroup_text,
		       void (*fn)(void *arg), void *arg, sp_err *err)
{
	*o = (shim_oom){.loop = l, .v2 = fs->v2, .fn = fn, .arg = arg};
	o->watch = (shim_watch){.fd = -1, .fn = on_event, .arg = o};
	if (!shim_cgroup_dir(fs, cgroup_text, "memory", o->dir))
		return sp_fail(err, SP_ENOTFOUND, "no memory cgroup");
	sp_code code = fs->v2 ? start_v2(o, err) : start_v1(o, err);
	if (code == SP_OK)
		code = shim_watch_set(l, &o->watch, EPOLLIN, err);
	if (code != SP_OK)
		shim_watch_close(l, &o->watch);
	return code;
}

void shim_oom_stop(shim_oom *o)
{
	if (o->loop != NULL)
		shim_watch_close(o->loop, &o->watch);
}
