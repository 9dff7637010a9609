/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before a process can be moved into a cgroup, Linux makes all processors notice that forks and exits have to
 * wait: a grace period, some 10 ms when nobody has moved one for 20. An OCI runtime spends a third of its
 * time there. A move of our own to where we are, begun when it is known that a container is about to be made,
 * has the grace period pass meanwhile. Linux: kernel/cgroup/cgroup.c cgroup_attach_lock, kernel/rcu/sync.c.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/alloc.h"
#include "host/cgroup.h"
#include "host/host_int.h"
#include "io/file.h"

#define OWN_BYTES 16384u

sp_str host_cgroup_file(sp_arena *a, sp_str line)
{
	sp_str number, names;
	if (!sp_str_cut(&line, ':', &number) || !sp_str_cut(&line, ':', &names) ||
	    !sp_str_starts(line, SP_STR("/")))
		return (sp_str){NULL, 0};
	(void)sp_str_take(&names, SP_STR("name="));
	sp_str top = SP_STR("/sys/fs/cgroup/"), rest = SP_STR("/cgroup.procs");
	return SP_CONCAT(a, top, names, line.len == 1 ? SP_STR("") : line, rest);
}

static bool poke(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n;
	do
		n = write(fd, "0", 1); /* who writes, and it is there already */
	while (n < 0 && errno == EINTR);
	(void)close(fd);
	return n == 1;
}

typedef struct wake {
	host_run run;
	sp_work work;
	sp_world *world;
} wake;

/* On a worker. Nothing depends on it but time. */
static void on_wake(sp_work *work)
{
	const wake *x = work->arg;
	sp_str text, line;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	if (sp_file_read_arena(x->world, SP_STR("/proc/self/cgroup"), &a, OWN_BYTES, &text, NULL) != SP_OK)
		return;
	for (bool done = false; !done && sp_str_cut(&text, '\n', &line);) {
		sp_str file = host_cgroup_file(&a, line);
		done = file.ptr != NULL && poke(file.ptr);
	}
}

static void on_awake(sp_work *work)
{
	wake *x = work->arg;
	x->run.h->is_waking = false;
	host_run_end(&x->run);
	sp_free(x);
}

static void stop(host_run *r)
{
	(void)r; /* it is over in a moment */
}

void host_cgroups_wake(host *h)
{
	if (h->is_waking || h->is_gone)
		return;
	wake *x = SP_NEW(wake);
	*x = (wake){.work = {.fn = on_wake, .done = on_awake, .arg = x}, .world = h->world};
	if (sp_work_start(h->world, &x->work, NULL) != SP_OK) {
		sp_free(x); /* busy: somebody moves processes anyway */
		return;
	}
	h->is_waking = true;
	host_run_begin(h, &x->run, stop);
}
