/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the CNI configurations for the other side: containerd makes their directory for root alone. */
#include <errno.h>
#include <sys/stat.h>

#include "host/host_int.h"
#include "io/file.h"

#define CONF_BYTES ((size_t)1 << 20)
#define ENTRIES_MAX 256u

static bool is_conf(sp_str name)
{
	static const sp_str ends[] = {SP_STR_INIT(".conf"), SP_STR_INIT(".conflist"), SP_STR_INIT(".json")};
	for (size_t i = 0; i < SP_LEN(ends); i++) {
		if (sp_str_ends(name, ends[i]))
			return true;
	}
	return false;
}

/* What is the same is left alone: somebody may be reading it. */
static sp_code copy_file(const host *h, sp_str from, sp_str to, sp_arena *a, sp_err *err)
{
	sp_str now, before;
	SP_TRY(sp_file_read_arena(h->world, from, a, CONF_BYTES, &now, err));
	if (sp_file_read_arena(h->world, to, a, CONF_BYTES, &before, NULL) == SP_OK && sp_str_eq(now, before))
		return SP_OK;
	return host_write_file(to.ptr, now, 0644, err); /* the directory is not for everybody */
}

static bool has(const sp_dir_entry *entries, size_t n, sp_str name)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(entries[i].name, name))
			return true;
	}
	return false;
}

static sp_code remove_others(const host *h, sp_str dir, const sp_dir_entry *wanted, size_t n, sp_arena *a,
			     sp_err *err)
{
	sp_dir_entry *there;
	size_t n_there;
	SP_TRY(sp_dir_list(h->world, dir, a, &there, &n_there, err));
	for (size_t i = 0; i < n_there; i++) {
		if (!has(wanted, n, there[i].name))
			SP_TRY(host_remove_tree(SP_CONCAT(a, dir, SP_STR("/"), there[i].name).ptr, err));
	}
	return SP_OK;
}

/* Files, and those of directories below (plugins of a network), no deeper. */
static sp_code copy_dir(const host *h, sp_str from, sp_str to, bool deeper, sp_arena *a, sp_err *err)
{
	sp_dir_entry *entries;
	size_t n;
	sp_code code = sp_dir_list(h->world, from, a, &entries, &n, err);
	if (code == SP_ENOTFOUND)
		return host_remove_tree(to.ptr, err);
	if (code != SP_OK)
		return code;
	if (n > ENTRIES_MAX)
		return sp_fail(err, SP_ETOOMANY, SP_FMT " has more than %u entries", SP_ARG(from),
			       ENTRIES_MAX);
	SP_TRY(host_mkdir(to.ptr, 0700, err));
	SP_TRY(host_give(h, to.ptr, true, 0750, err));
	for (size_t i = 0; i < n && code == SP_OK; i++) {
		sp_str source = SP_CONCAT(a, from, SP_STR("/"), entries[i].name),
		       target = SP_CONCAT(a, to, SP_STR("/"), entries[i].name);
		if (entries[i].type == SP_TYPE_DIR)
			code = deeper ? copy_dir(h, source, target, false, a, err) : SP_OK;
		else if (is_conf(entries[i].name))
			code = copy_file(h, source, target, a, err);
	}
	return code == SP_OK ? remove_others(h, to, entries, n, a, err) : code;
}

sp_code host_cni_confs(host_request *r, const void *message, sp_err *err)
{
	const host_opts *o = r->h->opts;
	sp_str to = SP_CONCAT(&r->arena, o->run_dir, SP_STR(SP_HOST_CNI_DIR));
	(void)message;
	SP_TRY(copy_dir(r->h, o->cni_conf_dir, to, true, &r->arena, err));
	host_answer(r, NULL);
	return SP_OK;
}
