/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/num.h"
#include "shim/files.h"
#include "shim/loop.h"

#define CMDLINE_BYTES ((size_t)64 << 10)
#define END_NS (2 * SHIM_S)

/* The words of its command line. One that has let its memory go can make nothing any more. */
static bool works_on(const char *proc, uint32_t pid, sp_str log)
{
	char path[512];
	SP_AUTO_BUF words;
	sp_buf_init(&words, CMDLINE_BYTES);
	int n = snprintf(path, sizeof path, "%s/%u/cmdline", proc, (unsigned)pid);
	if (n < 0 || (size_t)n >= sizeof path || shim_read_file(AT_FDCWD, path, &words, NULL) != SP_OK)
		return false;
	sp_str rest = sp_buf_view(&words), word, before = {NULL, 0};
	while (sp_str_cut(&rest, '\0', &word)) {
		if (sp_str_eq(word, log) && sp_str_eq(before, SP_STR("--log")))
			return true;
		before = word;
	}
	return false;
}

static void end_one(const char *proc, uint32_t pid, sp_str log, uint64_t until_ns)
{
	struct pollfd p = {.fd = pidfd_open((int)pid, 0), .events = POLLIN};
	if (p.fd < 0)
		return;
	/* Looked at before, the number may have been somebody else's. */
	if (works_on(proc, pid, log)) {
		uint64_t now = shim_now_ns();
		(void)pidfd_send_signal(p.fd, SIGKILL, NULL, 0);
		if (now < until_ns)
			(void)poll(&p, 1, (int)((until_ns - now) / SHIM_MS));
	}
	(void)close(p.fd);
}

void shim_end_runtimes(const char *proc, const char *bundle)
{
	char log[4096];
	uint64_t pid, until_ns = shim_now_ns() + END_NS;
	int n = snprintf(log, sizeof log, "%s/log.json", bundle);
	DIR *d = n > 0 && (size_t)n < sizeof log ? opendir(proc) : NULL;
	const struct dirent *e;
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (sp_parse_u64(sp_str_c(e->d_name), 1, INT32_MAX, &pid, NULL) == SP_OK &&
		    pid != (uint64_t)getpid())
			end_one(proc, (uint32_t)pid, sp_str_c(log), until_ns);
	}
	if (d != NULL)
		(void)closedir(d);
}
