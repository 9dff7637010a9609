/* SPDX-License-Identifier: Apache-2.0 */
/* Devices for containers that get all of them. */
#include "host/devices.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/t.h"

static const sp_host_path_found *named(const sp_host_devices *d, const char *path)
{
	for (size_t i = 0; i < d->devices.n; i++) {
		if (sp_str_eq(d->devices.at[i].path, sp_str_c(path)))
			return &d->devices.at[i];
	}
	return NULL;
}

SP_TEST(host_devices, of_this_machine)
{
	sp_host_devices d;
	T_OK(host_devices_find("/dev", "/dev", T_ARENA, &d, T_ERR));
	const sp_host_path_found *null = named(&d, "/dev/null");
	T_TRUE(null != NULL);
	T_EQ_STR(null->type, SP_STR("c"));
	T_EQ_U64(null->major, 1);
	T_EQ_U64(null->minor, 3);
	T_EQ_U64(null->mode, 0666);
	for (size_t i = 0; i < d.devices.n; i++)
		T_TRUE(!sp_str_starts(d.devices.at[i].path, SP_STR("/dev/pts")) &&
		       !sp_str_starts(d.devices.at[i].path, SP_STR("/dev/shm")));
	T_TRUE(named(&d, "/dev/ptmx") == NULL && named(&d, "/dev/console") == NULL);
}

SP_TEST(host_devices, below_directories_and_not_through_links)
{
	char dir[] = "/tmp/sampan-devices-XXXXXX", command[96];
	sp_host_devices d;
	T_TRUE(mkdtemp(dir) != NULL);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	T_TRUE(mkdirat(fd, "snd", 0755) == 0 && mkdirat(fd, "pts", 0755) == 0);
	bool may = mknodat(fd, "snd/seq", S_IFCHR | 0600, makedev(1, 3)) == 0 &&
		   mknodat(fd, "pts/0", S_IFCHR | 0600, makedev(1, 3)) == 0;
	T_TRUE(symlinkat("/dev", fd, "link") == 0 && mkfifoat(fd, "fifo", 0600) == 0);
	T_OK(host_devices_find(dir, "/dev", T_ARENA, &d, T_ERR));
	T_EQ_U64(d.devices.n, may ? 1 : 0); /* who may not make nodes has none */
	T_TRUE(!may || named(&d, "/dev/snd/seq") != NULL);
	(void)close(fd);
	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	T_TRUE(system(command) == 0);
}

SP_TEST(host_devices, a_directory_that_is_not_there)
{
	sp_host_devices d;
	T_TRUE(host_devices_find("/nonexistent", "/dev", T_ARENA, &d, T_ERR) != SP_OK);
}
