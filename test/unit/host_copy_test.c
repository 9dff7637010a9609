/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of what an image has at the path of a volume. */
#include "host/copy.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/t.h"

typedef struct dirs {
	char path[64];
	int top, from, to;
} dirs;

static void open_dirs(dirs *d)
{
	(void)snprintf(d->path, sizeof d->path, "/tmp/sampan-copy-XXXXXX");
	T_TRUE(mkdtemp(d->path) != NULL);
	d->top = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	T_TRUE(mkdirat(d->top, "from", 0700) == 0 && mkdirat(d->top, "to", 0700) == 0);
	d->from = openat(d->top, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d->to = openat(d->top, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	T_TRUE(d->from >= 0 && d->to >= 0);
}

static void close_dirs(dirs *d)
{
	char command[96];
	(void)close(d->from);
	(void)close(d->to);
	(void)close(d->top);
	(void)snprintf(command, sizeof command, "rm -rf %s", d->path);
	T_TRUE(system(command) == 0);
}

static void write_file(int dir, const char *name, const char *text, off_t at)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	T_TRUE(fd >= 0 && pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text));
	(void)close(fd);
}

static struct stat stat_of(int dir, const char *name)
{
	struct stat st;
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st : (struct stat){.st_mode = 0};
}

SP_TEST(host_copy, all_kinds_with_their_attributes)
{
	dirs d;
	char text[16] = "";
	const struct timespec times[] = {{.tv_sec = 1000}, {.tv_sec = 2000, .tv_nsec = 5}};
	open_dirs(&d);
	write_file(d.from, "file", "text", 0);
	T_TRUE(fchmodat(d.from, "file", 04711, 0) == 0 && utimensat(d.from, "file", times, 0) == 0);
	T_TRUE(symlinkat("/etc/passwd", d.from, "link") == 0 && mkfifoat(d.from, "fifo", 0600) == 0);
	T_TRUE(mkdirat(d.from, "dir", 0700) == 0 && linkat(d.from, "file", d.from, "dir/same", 0) == 0);
	T_TRUE(fchmodat(d.from, "dir", 01777, 0) == 0 && fchmod(d.from, 0751) == 0);
	T_OK(host_copy_tree(d.from, d.to, T_ERR));
	struct stat st = stat_of(d.to, "file");
	T_EQ_U64(st.st_mode, S_IFREG | 04711);
	T_EQ_U64((uint64_t)st.st_mtim.tv_sec, 2000);
	T_EQ_U64(st.st_nlink, 2);
	T_EQ_U64(stat_of(d.to, "dir/same").st_ino, st.st_ino);
	T_TRUE(st.st_ino != stat_of(d.from, "file").st_ino);
	T_EQ_U64(stat_of(d.to, "dir").st_mode, S_IFDIR | 01777);
	T_EQ_U64(stat_of(d.to, ".").st_mode & 07777, 0751);
	T_TRUE(S_ISFIFO(stat_of(d.to, "fifo").st_mode));
	T_EQ_U64((uint64_t)readlinkat(d.to, "link", text, sizeof text), strlen("/etc/passwd"));
	close_dirs(&d);
}

SP_TEST(host_copy, holes_stay_holes)
{
	dirs d;
	char byte = 0;
	open_dirs(&d);
	write_file(d.from, "sparse", "x", (off_t)64 << 20);
	T_OK(host_copy_tree(d.from, d.to, T_ERR));
	struct stat st = stat_of(d.to, "sparse");
	T_EQ_U64((uint64_t)st.st_size, ((uint64_t)64 << 20) + 1);
	T_TRUE(st.st_blocks < 2048);
	int fd = openat(d.to, "sparse", O_RDONLY | O_CLOEXEC);
	T_TRUE(pread(fd, &byte, 1, (off_t)64 << 20) == 1 && byte == 'x');
	(void)close(fd);
	close_dirs(&d);
}

SP_TEST(host_copy, depth_has_an_end)
{
	dirs d;
	open_dirs(&d);
	int at = dup(d.from);
	for (unsigned i = 0; i <= HOST_COPY_DEPTH_MAX; i++) {
		T_TRUE(mkdirat(at, "d", 0700) == 0);
		int below = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		(void)close(at);
		at = below;
	}
	(void)close(at);
	T_EQ_U64(host_copy_tree(d.from, d.to, T_ERR), SP_ETOOLARGE);
	close_dirs(&d);
}

SP_TEST(host_copy, what_is_in_the_way_is_an_error)
{
	dirs d;
	open_dirs(&d);
	write_file(d.from, "file", "text", 0);
	T_TRUE(symlinkat("elsewhere", d.to, "file") == 0);
	T_TRUE(host_copy_tree(d.from, d.to, T_ERR) != SP_OK);
	T_TRUE(faccessat(d.to, "elsewhere", F_OK, 0) != 0);
	close_dirs(&d);
}
