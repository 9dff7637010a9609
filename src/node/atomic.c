/* SPDX-License-Identifier: Apache-2.0 */
#include "node/atomic.h"

#define PATH_BYTES_MAX 4096u
#define NAME_BYTES_MAX 255u
#define SCRATCH_BYTES ((size_t)64 << 20)
#define DATA SP_STR("..data")

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ENOMEM, "no memory for a volume");
}

sp_code node_file_path_check(sp_str path, sp_err *err)
{
	sp_str rest = path, part;
	if (path.len == 0 || path.len > PATH_BYTES_MAX)
		return sp_fail(err, SP_EINVAL, "invalid path: must be 1 to %u bytes", PATH_BYTES_MAX);
	if (path.ptr[0] == '/')
		return sp_fail(err, SP_EINVAL, "invalid path: must be relative path: " SP_FMT, SP_ARG(path));
	if (sp_str_starts(path, SP_STR("..")))
		return sp_fail(err, SP_EINVAL, "invalid path: must not start with '..': " SP_FMT,
			       SP_ARG(path));
	while (sp_str_next(&rest, '/', &part)) {
		if (sp_str_eq(part, SP_STR("..")) || sp_str_eq(part, SP_STR(".")))
			return sp_fail(err, SP_EINVAL, "invalid path: must not contain '..': " SP_FMT,
				       SP_ARG(path));
		if (part.len > NAME_BYTES_MAX || part.len == 0 || sp_str_index(part, '\0') >= 0)
			return sp_fail(err, SP_EINVAL, "invalid path: a part of it is no file name");
	}
	return SP_OK;
}

typedef struct job {
	sp_world *world;
	sp_pod_files *files;
	sp_arena arena;
	sp_str dir, version, old; /* old: the name ..data points to, or empty */
	const node_file *want;
	size_t n;
	uint32_t gid;
} job;

static sp_str at(job *j, sp_str a, sp_str b)
{
	return SP_CONCAT(&j->arena, j->dir, SP_STR("/"), a, b.len == 0 ? SP_STR("") : SP_STR("/"), b);
}

static sp_str top_of(sp_str path)
{
	sp_str rest = path, top;
	return sp_str_cut(&rest, '/', &top) ? top : path;
}

/* ---- is it so already? ---- */

static bool same_file(job *j, const node_file *f)
{
	sp_stat st;
	sp_str have, path = at(j, j->old, f->path);
	return path.ptr != NULL && sp_path_stat(j->world, path, &st, NULL) == SP_OK &&
	       st.type == SP_TYPE_FILE && st.mode == f->mode &&
	       sp_file_read_arena(j->world, path, &j->arena, f->content.len + 1, &have, NULL) == SP_OK &&
	       sp_str_eq(have, f->content);
}

static bool is_wanted(const job *j, sp_str path)
{
	for (size_t i = 0; i < j->n; i++) {
		if (sp_str_eq(j->want[i].path, path))
			return true;
	}
	return false;
}

/* Whether the old version has files that are not wanted. */
static sp_code any_stale(job *j, sp_str rel, unsigned depth, bool *ret, sp_err *err)
{
	sp_dir_entry *e;
	size_t n;
	sp_str dir = at(j, j->old, rel);
	if (dir.ptr == NULL || depth > 32)
		return no_room(err);
	SP_TRY(sp_dir_list(j->world, dir, &j->arena, &e, &n, err));
	for (size_t i = 0; i < n && !*ret; i++) {
		sp_str path = rel.len == 0 ? e[i].name : SP_CONCAT(&j->arena, rel, SP_STR("/"), e[i].name);
		if (path.ptr == NULL)
			return no_room(err);
		if (e[i].type == SP_TYPE_DIR)
			SP_TRY(any_stale(j, path, depth + 1, ret, err));
		else
			*ret = !is_wanted(j, path);
	}
	return SP_OK;
}

static bool is_current(job *j)
{
	bool stale = false;
	if (j->old.len == 0 || any_stale(j, SP_STR(""), 0, &stale, NULL) != SP_OK || stale)
		return false;
	for (size_t i = 0; i < j->n; i++) {
		if (!same_file(j, &j->want[i]))
			return false;
	}
	return true;
}

/* ---- the new version ---- */

static sp_code write_version(job *j, sp_err *err)
{
	sp_pod_file_owner of_dir = {.uid = SP_POD_FILES_SAME, .gid = j->gid};
	sp_str dir = at(j, j->version, SP_STR(""));
	if (dir.ptr == NULL)
		return no_room(err);
	SP_TRY(j->files->make_dir(j->files, dir, 0755, of_dir, err));
	for (size_t i = 0; i < j->n; i++) {
		const node_file *f = &j->want[i];
		sp_str path = at(j, j->version, f->path);
		if (path.ptr == NULL)
			return no_room(err);
		SP_TRY(j->files->write(j->files, path, f->content, f->mode,
				       (sp_pod_file_owner){.uid = f->uid, .gid = j->gid}, err));
	}
	return SP_OK;
}

static sp_code link_names(job *j, sp_err *err)
{
	for (size_t i = 0; i < j->n; i++) {
		sp_stat st;
		sp_str top = top_of(j->want[i].path), path = at(j, top, SP_STR(""));
		sp_str target = SP_CONCAT(&j->arena, DATA, SP_STR("/"), top);
		if (path.ptr == NULL || target.ptr == NULL)
			return no_room(err);
		if (sp_path_stat(j->world, path, &st, NULL) != SP_OK)
			SP_TRY(j->files->link(j->files, target, path, err));
	}
	return SP_OK;
}

static bool is_top(const job *j, sp_str name)
{
	for (size_t i = 0; i < j->n; i++) {
		if (sp_str_eq(top_of(j->want[i].path), name))
			return true;
	}
	return false;
}

/* Names that are not wanted any more, and versions that nobody looks at. */
static sp_code sweep(job *j, sp_err *err)
{
	sp_dir_entry *e;
	size_t n;
	SP_TRY(sp_dir_list(j->world, j->dir, &j->arena, &e, &n, err));
	for (size_t i = 0; i < n; i++) {
		sp_str path = at(j, e[i].name, SP_STR(""));
		bool hidden = sp_str_starts(e[i].name, SP_STR(".."));
		bool keep = hidden ? sp_str_eq(e[i].name, DATA) || sp_str_eq(e[i].name, j->version)
				   : is_top(j, e[i].name);
		if (path.ptr == NULL)
			return no_room(err);
		if (!keep)
			SP_TRY(j->files->remove_tree(j->files, path, err));
	}
	return SP_OK;
}

static sp_code run(job *j, bool *ret_changed, sp_err *err)
{
	sp_str data = at(j, DATA, SP_STR(""));
	for (size_t i = 0; i < j->n; i++)
		SP_TRY(node_file_path_check(j->want[i].path, err));
	if (data.ptr == NULL)
		return no_room(err);
	if (j->files->read_link(j->files, data, &j->arena, &j->old, NULL) != SP_OK)
		j->old = (sp_str){NULL, 0};
	if (is_current(j))
		return SP_OK;
	SP_TRY(write_version(j, err));
	SP_TRY(link_names(j, err));
	SP_TRY(j->files->link(j->files, j->version, data, err));
	*ret_changed = true;
	return sweep(j, err);
}

sp_code node_atomic_write(sp_world *w, sp_pod_files *f, sp_str dir, sp_str version, const node_file *files,
			  size_t n, uint32_t gid, bool *ret_changed, sp_err *err)
{
	job j = {.world = w, .files = f, .dir = dir, .version = version, .want = files, .n = n, .gid = gid};
	bool changed = false;
	sp_arena_init(&j.arena, SCRATCH_BYTES);
	sp_code code = n > NODE_FILES_MAX ? sp_fail(err, SP_ETOOLARGE, "a volume has too many files")
					  : run(&j, &changed, err);
	sp_arena_done(&j.arena);
	if (code == SP_OK && ret_changed != NULL)
		*ret_changed = changed;
	return code;
}
