/* SPDX-License-Identifier: Apache-2.0 */
/* Host ports and masquerading of the pod network. */
#include <errno.h>
#include <fcntl.h>

#include "host/host_int.h"
#include "host/nft/nft.h"

static sp_code set_on(const char *path, sp_err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", path);
	int failed = write(fd, "1", 1) == 1 ? 0 : errno;
	(void)close(fd);
	return failed == 0 ? SP_OK : sp_fail_sys(err, failed, "write %s", path);
}

sp_code host_ports(host_request *r, const void *message, sp_err *err)
{
	const sp_host_ports *m = message;
	char path[128];
	if (m->ruleset.len == 0)
		return sp_fail(err, SP_EINVAL, "an empty ruleset");
	SP_TRY(host_check_if(m->bridge, err));
	/* Pods reach the world, and the world host ports, through this node. */
	SP_TRY(set_on("/proc/sys/net/ipv4/ip_forward", err));
	SP_TRY(host_nft_run(m->ruleset, err));
	(void)snprintf(path, sizeof path, "/proc/sys/net/ipv4/conf/" SP_FMT "/route_localnet",
		       SP_ARG(m->bridge));
	SP_TRY(set_on(path, err)); /* after the rules that guard it */
	host_answer(r, NULL);
	return SP_OK;
}
