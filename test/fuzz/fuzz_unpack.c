/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work of sampan-unpack, without the chroot that holds it in production: whatever a layer says, nothing
 * beside its directory changes. The first byte: whether there is a layer below, and whether the sums of heads
 * are put right, which mutations never get past otherwise.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/unpack/apply.h"
#include "runtime/unpack/source.h"
#include "runtime/unpack/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char path[64];
	int base, below, input;
} place;

/* base/{root,below,outside}: the layer, one below it, and what nobody may touch. */
static void make_place(void)
{
	struct stat st;
	(void)snprintf(place.path, sizeof place.path, "%s/sampan-fuzz-XXXXXX",
		       stat("/dev/shm", &st) == 0 ? "/dev/shm" : "/tmp");
	SP_ASSERT(mkdtemp(place.path) != NULL);
	place.base = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SP_ASSERT(place.base >= 0);
	SP_ASSERT(mkdirat(place.base, "below", 0755) == 0);
	SP_ASSERT(mkdirat(place.base, "below/a", 0750) == 0);
	SP_ASSERT(symlinkat("../outside", place.base, "below/out") == 0);
	SP_ASSERT(symlinkat("a", place.base, "below/l") == 0);
	SP_ASSERT(mkdirat(place.base, "outside", 0755) == 0);
	int fd = openat(place.base, "below/a/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	SP_ASSERT(fd >= 0 && write(fd, "x", 1) == 1);
	(void)close(fd);
	place.below = openat(place.base, "below", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	place.input = memfd_create("layer", MFD_CLOEXEC);
	SP_ASSERT(place.below >= 0 && place.input >= 0);
}

static void remove_place(void)
{
	const char *const names[] = {"root", "below", "outside"};
	for (size_t i = 0; i < SP_LEN(names); i++)
		(void)unpack_tree_remove(place.base, names[i], NULL, NULL);
	(void)rmdir(place.path);
}

static size_t count(const char *name)
{
	unpack_tree_size size = {0, 0};
	int fd = openat(place.base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SP_ASSERT(fd >= 0 && unpack_tree_measure(fd, &size, NULL) == SP_OK);
	(void)close(fd);
	return (size_t)size.inodes;
}

static void check_place(void)
{
	struct stat st;
	SP_ASSERT(count("outside") == 0 && count("below") == 4);
	SP_ASSERT(fstatat(place.base, "below/a/f", &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size == 1 &&
		  st.st_nlink == 1);
	SP_ASSERT(fstatat(place.base, "outside", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		  (st.st_mode & 07777) == 0755);
	DIR *d = fdopendir(openat(place.base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	size_t n = 0;
	SP_ASSERT(d != NULL);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	SP_ASSERT(n == 4); /* the root is gone */
}

/* Into the input of the source. */
static void put_input(const uint8_t *bytes, size_t n, bool right_sums)
{
	static uint8_t copy[1 << 20];
	n = SP_MIN(n, sizeof copy);
	memcpy(copy, bytes, n);
	for (size_t at = 0; right_sums && at + SP_TAR_BLOCK <= n; at += SP_TAR_BLOCK) {
		uint8_t *head = copy + at;
		unsigned sum = 0;
		if (memcmp(head + 257, "ustar", 5) != 0)
			continue;
		memset(head + 148, ' ', 8);
		for (size_t i = 0; i < SP_TAR_BLOCK; i++)
			sum += head[i];
		(void)snprintf((char *)head + 148, 8, "%06o", sum);
	}
	SP_ASSERT(ftruncate(place.input, 0) == 0 && pwrite(place.input, copy, n, 0) == (ssize_t)n);
	SP_ASSERT(lseek(place.input, 0, SEEK_SET) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_tar tar;
	unpack_totals totals;
	if (place.base == 0) {
		(void)umask(0);
		make_place();
		(void)atexit(remove_place);
	}
	if (size == 0)
		return 0;
	const unpack_opts o = {.parents = &place.below,
			       .n_parents = data[0] & 1,
			       .bytes_max = 1 << 20,
			       .inodes_max = 100,
			       .user_xattr = (data[0] & 2) != 0,
			       .one_owner = true};
	put_input(data + 1, size - 1, (data[0] & 4) != 0);
	SP_ASSERT(mkdirat(place.base, "root", 0755) == 0);
	int root = openat(place.base, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unpack_source *source = unpack_source_new(place.input);
	SP_ASSERT(root >= 0 && source != NULL);
	sp_tar_init(&tar, unpack_source_fill, source);
	sp_code code = unpack_apply(root, &tar, &o, &totals, NULL);
	sp_tar_done(&tar);
	unpack_source_free(source);
	if (code == SP_OK) {
		unpack_tree_size real;
		SP_ASSERT(unpack_tree_measure(root, &real, NULL) == SP_OK && real.inodes <= totals.inodes);
	}
	(void)close(root);
	SP_ASSERT(unpack_tree_remove(place.base, "root", NULL, NULL) == SP_OK);
	check_place();
	return 0;
}
