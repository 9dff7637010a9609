/* SPDX-License-Identifier: Apache-2.0 */
/* Host paths of mounts and devices: resolved, made when missing, and what mount they are on. */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "host/host_int.h"
#include "io/file.h"

#define MOUNTINFO_BYTES ((size_t)4 << 20)

static sp_code make_dirs(char *path, sp_err *err)
{
	for (char *at = path + 1;; at++) {
		if (*at != '/' && *at != '\0')
			continue;
		char kept = *at;
		*at = '\0';
		sp_code code = host_mkdir(path, 0755, err);
		*at = kept;
		if (code != SP_OK || kept == '\0')
			return code;
	}
}

/* The fields of a mountinfo line: "36 35 98:0 /root /mount/point opts optional… - type source super". */
static void read_line(sp_str line, const char *path, size_t *best, sp_host_path_found *ret)
{
	sp_str word, target = {NULL, 0};
	for (int i = 0; i < 6; i++) {
		if (!sp_str_cut(&line, ' ', &word))
			return;
		if (i == 4)
			target = word;
	}
	sp_str p = sp_str_c(path);
	bool below = sp_str_eq(target, SP_STR("/")) || sp_str_eq(p, target) ||
		     (sp_str_starts(p, target) && p.ptr[target.len] == '/');
	if (!below || target.len < *best)
		return;
	*best = target.len; /* a later mount on the same point hides the earlier one */
	ret->shared = ret->master = false;
	while (sp_str_cut(&line, ' ', &word) && !sp_str_eq(word, SP_STR("-"))) {
		ret->shared = ret->shared || sp_str_starts(word, SP_STR("shared:"));
		ret->master = ret->master || sp_str_starts(word, SP_STR("master:"));
	}
}

/* Octal escapes (blanks in paths) are not decoded: such a mount counts as its parent. */
static sp_code find_mount(const host *h, const char *path, sp_host_path_found *ret, sp_err *err)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, MOUNTINFO_BYTES);
	SP_TRY(sp_file_read_all(h->world, SP_STR("/proc/self/mountinfo"), &text, err));
	sp_str rest = sp_buf_view(&text), line;
	size_t best = 0;
	while (sp_str_cut(&rest, '\n', &line))
		read_line(line, path, &best, ret);
	return SP_OK;
}

/* Whoever asks gets profiles, not the secrets of others: those are no JSON. */
static sp_code read_profile(host_request *r, const char *path, const struct stat *st, sp_str *ret,
			    sp_err *err)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, SP_HOST_PROFILE_BYTES);
	if (!S_ISREG(st->st_mode))
		return sp_fail(err, SP_EINVAL, "%s is no file", path);
	SP_TRY(sp_file_read_all(r->h->world, sp_str_c(path), &text, err));
	*ret = sp_arena_try_dup(&r->arena, sp_str_trim(sp_buf_view(&text)));
	if (!sp_str_starts(*ret, SP_STR("{")))
		return sp_fail(err, SP_EINVAL, "%s is no profile", path);
	return SP_OK;
}

sp_code host_path(host_request *r, const void *message, sp_err *err)
{
	const sp_host_path *m = message;
	char path[PATH_MAX], real[PATH_MAX];
	struct stat st;
	if (m->path.len == 0 || m->path.len >= sizeof path || m->path.ptr[0] != '/' ||
	    memchr(m->path.ptr, '\0', m->path.len) != NULL)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no absolute path", SP_ARG(m->path));
	memcpy(path, m->path.ptr, m->path.len);
	path[m->path.len] = '\0';
	if (m->make && stat(path, &st) != 0 && errno == ENOENT)
		SP_TRY(make_dirs(path, err));
	if (realpath(path, real) == NULL || stat(real, &st) != 0)
		return sp_fail_sys(err, errno, "path %s", path);
	sp_host_path_found found = {
		.path = sp_str_c(real), .mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid};
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
		found.type = S_ISCHR(st.st_mode) ? SP_STR("c") : SP_STR("b");
		found.major = major(st.st_rdev);
		found.minor = minor(st.st_rdev);
	}
	if (m->read)
		SP_TRY(read_profile(r, real, &st, &found.content, err));
	SP_TRY(find_mount(r->h, real, &found, err));
	host_answer(r, &found);
	return SP_OK;
}
