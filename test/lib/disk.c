/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SECTOR = 512 };

static struct disk {
	dev_t device;
	ino_t inode;
	t_disk_op *ops;
	size_t n, n_max;
	uint64_t limit;
	bool fail_sync;
} disk;

static bool is_ours(int fd)
{
	struct stat st;
	return disk.n_max > 0 && fstat(fd, &st) == 0 && st.st_ino == disk.inode && st.st_dev == disk.device;
}

static t_disk_op *add(t_disk_kind kind)
{
	SP_ASSERT(disk.n < disk.n_max);
	disk.ops[disk.n] = (t_disk_op){.kind = kind};
	return &disk.ops[disk.n++];
}

static void record(int fd, const void *bytes, size_t len, off_t offset)
{
	t_disk_op *op = add(T_DISK_WRITE);
	op->is_durable = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
	op->offset = (uint64_t)offset;
	op->len = len;
	op->bytes = malloc(len);
	SP_ASSERT(op->bytes != NULL);
	memcpy(op->bytes, bytes, len);
}

static bool no_space(size_t len, off_t offset)
{
	return disk.limit != 0 && (uint64_t)offset + len > disk.limit;
}

/* ---- the interposed calls ---- */

#define EXPORTED __attribute__((visibility("default")))
EXPORTED ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset);
EXPORTED ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset);
EXPORTED ssize_t writev(int fd, const struct iovec *iov, int n);
EXPORTED int fdatasync(int fd);
EXPORTED int fsync(int fd);
EXPORTED int fallocate(int fd, int mode, off_t offset, off_t len);

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	if (is_ours(fd)) {
		if (no_space(len, offset)) {
			errno = ENOSPC;
			return -1;
		}
		record(fd, bytes, len, offset);
	}
	return (ssize_t)syscall(SYS_pwrite64, fd, bytes, len, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
	return pwrite(fd, bytes, len, offset);
}

/* At the descriptor's place: LMDB seeks and then writes. */
ssize_t writev(int fd, const struct iovec *iov, int n)
{
	off_t at = is_ours(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
	for (int i = 0; i < n && is_ours(fd); i++) {
		if (no_space(iov[i].iov_len, at)) {
			errno = ENOSPC;
			return -1;
		}
		record(fd, iov[i].iov_base, iov[i].iov_len, at);
		at += (off_t)iov[i].iov_len;
	}
	return (ssize_t)syscall(SYS_writev, fd, iov, n);
}

static int sync_call(int fd, long number)
{
	if (is_ours(fd)) {
		if (disk.fail_sync) {
			errno = EIO;
			return -1;
		}
		(void)add(T_DISK_SYNC);
	}
	return (int)syscall(number, fd);
}

int fdatasync(int fd)
{
	return sync_call(fd, SYS_fdatasync);
}

int fsync(int fd)
{
	return sync_call(fd, SYS_fsync);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (is_ours(fd) && no_space((size_t)len, offset)) {
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

/* ---- the test's side ---- */

void t_disk_record(const char *path, size_t n_max)
{
	struct stat st;
	SP_ASSERT(disk.n_max == 0 && stat(path, &st) == 0);
	disk = (struct disk){.device = st.st_dev, .inode = st.st_ino, .n_max = n_max};
	disk.ops = calloc(n_max, sizeof *disk.ops);
	SP_ASSERT(disk.ops != NULL);
}

size_t t_disk_ops(const t_disk_op **ret)
{
	*ret = disk.ops;
	return disk.n;
}

void t_disk_stop(void)
{
	for (size_t i = 0; i < disk.n; i++)
		free(disk.ops[i].bytes);
	free(disk.ops);
	disk = (struct disk){.n_max = 0};
}

void t_disk_limit(uint64_t bytes)
{
	disk.limit = bytes;
}

void t_disk_fail_sync(bool on)
{
	disk.fail_sync = on;
}

static void write_part(int fd, const t_disk_op *op, bool whole, uint64_t (*random)(void))
{
	for (size_t at = 0; at < op->len;) {
		size_t n = SECTOR - (size_t)((op->offset + at) % SECTOR);
		n = SP_MIN(n, op->len - at);
		if (whole || random() % 2 == 0)
			SP_ASSERT(pwrite(fd, op->bytes + at, n, (off_t)(op->offset + at)) == (ssize_t)n);
		at += n;
	}
}

void t_disk_crash(const char *path, sp_str before, size_t at, uint64_t (*random)(void))
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	SP_ASSERT(fd >= 0 && write(fd, before.ptr, before.len) == (ssize_t)before.len);
	size_t synced = 0; /* operations before this one are on the disk */
	for (size_t i = 0; i < at; i++) {
		if (disk.ops[i].kind == T_DISK_SYNC)
			synced = i;
	}
	for (size_t i = 0; i <= at && i < disk.n; i++) {
		const t_disk_op *op = &disk.ops[i];
		if (op->kind == T_DISK_WRITE)
			write_part(fd, op, i < synced || (op->is_durable && i < at), random);
	}
	SP_ASSERT(close(fd) == 0);
}
