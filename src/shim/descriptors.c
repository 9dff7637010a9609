/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many descriptors and sockets the processes of a container have open: figures that no cgroup counts and
 * that take root to see. U: google/cadvisor container/libcontainer/handler.go, "processStatsFromProcs".
 */
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "shim/task_int.h"

static bool is_socket(int dir, const char *name)
{
	static const char prefix[] = "socket:";
	char link[sizeof prefix];
	ssize_t n = readlinkat(dir, name, link, sizeof link);
	return n >= (ssize_t)sizeof prefix - 1 && memcmp(link, prefix, sizeof prefix - 1) == 0;
}

/* A process that has gone by now has none. */
static void count(void *arg, uint32_t pid)
{
	shim_descriptors_resp *sum = arg;
	char path[32];
	(void)snprintf(path, sizeof path, "/proc/%u/fd", (unsigned)pid);
	DIR *d = opendir(path);
	if (d == NULL)
		return;
	const struct dirent *e;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		sum->descriptors++;
		if (is_socket(dirfd(d), e->d_name))
			sum->sockets++;
	}
	(void)closedir(d);
}

void shim_do_descriptors(shim_op *op)
{
	const shim_id_req *req = op->req;
	const shim_task *task = shim_op_task(op, req->id);
	char dir[SHIM_CGROUP_PATH_BYTES];
	shim_descriptors_resp sum = {0, 0};
	if (task == NULL)
		return;
	if (shim_task_cgroup(task, dir))
		shim_cgroup_pids(dir, count, &sum);
	shim_op_finish(op, &shim_descriptors_resp_message, &sum);
}
