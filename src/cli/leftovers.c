/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/leftovers.h"

#include <errno.h>
#include <sys/mount.h>

#include "base/num.h"
#include "io/file.h"

#define MOUNTS_BYTES_MAX ((size_t)16 << 20)
#define MOUNTS_MAX 65536u
#define DEPTH_MAX 16
#define CGROUPS "/sys/fs/cgroup"

/* The kernel writes blanks and backslashes of paths as \\040 and the like. */
static sp_str plain_path(sp_arena *a, sp_str text)
{
	char *out = sp_arena_try_alloc(a, text.len + 1);
	size_t n = 0;
	if (out == NULL)
		return (sp_str){NULL, 0};
	for (size_t i = 0; i < text.len; i++) {
		bool escaped = text.ptr[i] == '\\' && text.len - i > 3;
		if (!escaped) {
			out[n++] = text.ptr[i];
			continue;
		}
		out[n++] = (char)((text.ptr[i + 1] - '0') << 6 | (text.ptr[i + 2] - '0') << 3 |
				  (text.ptr[i + 3] - '0'));
		i += 3;
	}
	out[n] = '\0';
	return (sp_str){out, n};
}

/* The fifth word of a line of mountinfo. */
static sp_str mount_point(sp_arena *a, sp_str line)
{
	sp_str word = {NULL, 0};
	for (int i = 0; i < 5; i++) {
		if (!sp_str_cut(&line, ' ', &word))
			return (sp_str){NULL, 0};
	}
	return plain_path(a, word);
}

bool cli_is_below(sp_str path, sp_str dir)
{
	return sp_str_starts(path, dir) && (path.len == dir.len || path.ptr[dir.len] == '/');
}

sp_code cli_unmount_below(sp_world *w, sp_arena *a, sp_str dir, sp_err *err)
{
	sp_str text, line;
	size_t n = 0;
	SP_TRY(sp_file_read_arena(w, SP_STR("/proc/self/mountinfo"), a, MOUNTS_BYTES_MAX, &text, err));
	sp_str *points = sp_new(a, sp_str, MOUNTS_MAX);
	while (sp_str_cut(&text, '\n', &line) && n < MOUNTS_MAX) {
		sp_str point = mount_point(a, line);
		if (point.len > 0 && cli_is_below(point, dir))
			points[n++] = point;
	}
	for (size_t i = n; i-- > 0;) { /* later ones lie on earlier ones */
		if (umount2(points[i].ptr, MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
		    errno != ENOENT)
			return sp_fail_sys(err, errno, "unmount '%s'", points[i].ptr);
	}
	return SP_OK;
}

static void remove_tree(sp_world *w, sp_arena *a, sp_str path, int depth)
{
	sp_dir_entry *entries = NULL;
	size_t n = 0;
	if (depth > DEPTH_MAX || sp_dir_list(w, path, a, &entries, &n, NULL) != SP_OK)
		return;
	for (size_t i = 0; i < n; i++) {
		if (entries[i].type == SP_TYPE_DIR)
			remove_tree(w, a, SP_CONCAT(a, path, SP_STR("/"), entries[i].name), depth + 1);
	}
	(void)!sp_dir_remove(w, path, NULL); /* somebody is in it: it stays */
}

sp_code cli_remove_cgroups(sp_world *w, sp_arena *a, sp_str name, sp_err *err)
{
	sp_dir_entry *entries = NULL;
	size_t n = 0;
	remove_tree(w, a, SP_CONCAT(a, SP_STR(CGROUPS "/"), name), 0); /* version 2 */
	SP_TRY(sp_dir_list(w, SP_STR(CGROUPS), a, &entries, &n, err));
	for (size_t i = 0; i < n; i++) { /* hierarchies of version 1 */
		if (entries[i].type == SP_TYPE_DIR)
			remove_tree(w, a,
				    SP_CONCAT(a, SP_STR(CGROUPS "/"), entries[i].name, SP_STR("/"), name), 0);
	}
	return SP_OK;
}
