/* SPDX-License-Identifier: Apache-2.0 */
#include "node/log_links.h"

#define SUFFIX ".log"
#define NAME_MAX_BYTES 255u /* of ext4, and most others */
#define PODS "/pods"

sp_str node_log_links_root(sp_arena *a, sp_str log_root)
{
	if (!sp_str_ends(log_root, SP_STR(PODS)))
		return (sp_str){NULL, 0};
	return SP_CONCAT(a, sp_str_sub(log_root, 0, log_root.len - (sizeof PODS - 1)), SP_STR("/containers"));
}

sp_str node_log_link(sp_arena *a, sp_str links_root, sp_str ns, sp_str pod, sp_str container, sp_str id)
{
	sp_str name = SP_CONCAT(a, pod, SP_STR("_"), ns, SP_STR("_"), container, SP_STR("-"), id);
	if (name.ptr == NULL)
		return name;
	name.len = SP_MIN(name.len, NAME_MAX_BYTES - (sizeof SUFFIX - 1));
	return SP_CONCAT(a, links_root, SP_STR("/"), name, SP_STR(SUFFIX));
}

/* ---- removal ---- */

typedef struct sweep {
	sp_world *world;
	sp_pod_files *files;
	sp_str root, prefix;
	sp_str target; /* empty: those that lead nowhere */
	sp_arena *arena;
} sweep;

static bool is_meant(const sweep *s, sp_str target)
{
	sp_stat stat;
	if (s->target.len == 0)
		return sp_path_stat(s->world, target, &stat, NULL) == SP_ENOTFOUND;
	return sp_str_starts(target, s->target) &&
	       (target.len == s->target.len || target.ptr[s->target.len] == '/');
}

static sp_code look(const sweep *s, const sp_dir_entry *e, sp_err *err)
{
	sp_str path, target;
	if (e->type != SP_TYPE_LINK || !sp_str_starts(e->name, s->prefix) ||
	    !sp_str_ends(e->name, SP_STR(SUFFIX)))
		return SP_OK;
	path = SP_CONCAT(s->arena, s->root, SP_STR("/"), e->name);
	if (path.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for links of logs");
	sp_code code = s->files->read_link(s->files, path, s->arena, &target, err);
	if (code != SP_OK || !is_meant(s, target))
		return code == SP_ENOTFOUND ? SP_OK : code;
	code = sp_path_unlink(s->world, path, err);
	return code == SP_ENOTFOUND ? SP_OK : code;
}

static sp_code run(const sweep *s, sp_err *err)
{
	sp_dir_entry *at;
	size_t n;
	sp_code code = sp_dir_list(s->world, s->root, s->arena, &at, &n, err);
	if (code != SP_OK)
		return code == SP_ENOTFOUND ? SP_OK : code;
	for (size_t i = 0; i < n; i++)
		SP_TRY(look(s, &at[i], err));
	return SP_OK;
}

sp_code node_log_links_remove(sp_world *w, sp_pod_files *f, sp_str links_root, sp_str ns, sp_str pod,
			      sp_str target, sp_arena *a, sp_err *err)
{
	const sweep s = {.world = w,
			 .files = f,
			 .root = links_root,
			 .prefix = SP_CONCAT(a, pod, SP_STR("_"), ns, SP_STR("_")),
			 .target = target,
			 .arena = a};
	if (s.prefix.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for links of logs");
	return links_root.len == 0 || target.len == 0 ? SP_OK : run(&s, err);
}

sp_code node_log_links_sweep(sp_world *w, sp_pod_files *f, sp_str links_root, sp_arena *a, sp_err *err)
{
	const sweep s = {.world = w, .files = f, .root = links_root, .arena = a};
	return links_root.len == 0 ? SP_OK : run(&s, err);
}
