/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/fake_cri.h"

#include <stdio.h>

fake_use fake_usage;
fake_text fake_file;
char fake_removed[512];

static sp_code no_dir(sp_pod_files *f, sp_str path, uint32_t mode, sp_pod_file_owner owner, sp_err *err)
{
	(void)f, (void)path, (void)mode, (void)owner, (void)err;
	return SP_OK;
}
static sp_code no_write(sp_pod_files *f, sp_str path, sp_str content, uint32_t mode, sp_pod_file_owner owner,
			sp_err *err)
{
	(void)f, (void)path, (void)content, (void)mode, (void)owner, (void)err;
	return SP_OK;
}
static sp_code no_tail(sp_pod_files *f, sp_str path, size_t limit_bytes, sp_arena *a, sp_str *ret,
		       sp_err *err)
{
	(void)f, (void)limit_bytes, (void)a, (void)ret;
	return sp_fail(err, SP_ENOTFOUND, "no file " SP_FMT, SP_ARG(path));
}
static sp_code no_two(sp_pod_files *f, sp_str a, sp_str b, sp_err *err)
{
	(void)f, (void)a, (void)b, (void)err;
	return SP_OK;
}
static sp_code no_read_link(sp_pod_files *f, sp_str path, sp_arena *a, sp_str *ret, sp_err *err)
{
	(void)f, (void)a, (void)ret;
	return sp_fail(err, SP_ENOTFOUND, "no link " SP_FMT, SP_ARG(path));
}
static sp_code no_memory(sp_pod_files *f, sp_str path, const sp_pod_mount *m, sp_err *err)
{
	(void)f, (void)path, (void)m, (void)err;
	return SP_OK;
}
static sp_code no_tree(sp_pod_files *f, sp_str path, const sp_pod_tree_owner *owner, sp_err *err)
{
	(void)f, (void)path, (void)owner, (void)err;
	return SP_OK;
}
static sp_code read_in(sp_pod_files *f, sp_str base, sp_str rel, size_t limit_bytes, sp_arena *a, sp_str *ret,
		       sp_err *err)
{
	(void)f, (void)base, (void)limit_bytes, (void)a;
	if (fake_file.name == NULL || !sp_str_eq(rel, sp_str_c(fake_file.name)))
		return sp_fail(err, SP_ENOTFOUND, "no file " SP_FMT, SP_ARG(rel));
	*ret = sp_str_c(fake_file.text);
	return SP_OK;
}
static sp_code remove_tree(sp_pod_files *f, sp_str path, sp_err *err)
{
	size_t n = strlen(fake_removed);
	(void)f, (void)err;
	if (n + path.len + 2 <= sizeof fake_removed)
		(void)snprintf(fake_removed + n, sizeof fake_removed - n, SP_FMT " ", SP_ARG(path));
	return SP_OK;
}
static sp_code no_remove(sp_pod_files *f, sp_str path, sp_err *err)
{
	(void)f, (void)path, (void)err;
	return SP_OK;
}
static sp_code no_check(sp_pod_files *f, sp_str path, sp_host_path_type type, sp_err *err)
{
	(void)f, (void)path, (void)type, (void)err;
	return SP_OK;
}
static sp_code no_sub_path(sp_pod_files *f, sp_str base, sp_str rel, sp_str target, sp_err *err)
{
	(void)f, (void)base, (void)rel, (void)target, (void)err;
	return SP_OK;
}

static sp_code no_usage(sp_pod_files *f, sp_str path, sp_pod_usage *ret, sp_err *err)
{
	(void)f;
	if (fake_usage.path == NULL || sp_str_find(path, sp_str_c(fake_usage.path)) < 0)
		return sp_fail(err, SP_ENOTFOUND, "no directory " SP_FMT, SP_ARG(path));
	*ret = (sp_pod_usage){.bytes = fake_usage.bytes, .inodes = 1};
	return SP_OK;
}

static sp_code no_cgroup(sp_pod_files *f, sp_str path, const sp_pod_cgroup *limits, sp_err *err)
{
	(void)f, (void)path, (void)limits, (void)err;
	return SP_OK;
}

sp_pod_files *fake_pod_files(void)
{
	static sp_pod_files files = {.make_dir = no_dir,
				     .write = no_write,
				     .read_tail = no_tail,
				     .read_in = read_in,
				     .link = no_two,
				     .read_link = no_read_link,
				     .rename = no_two,
				     .mount_memory = no_memory,
				     .own_tree = no_tree,
				     .remove_tree = remove_tree,
				     .usage = no_usage,
				     .check = no_check,
				     .sub_path = no_sub_path,
				     .set_cgroup = no_cgroup,
				     .remove_cgroup = no_remove};
	return &files;
}
