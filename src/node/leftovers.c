/* SPDX-License-Identifier: Apache-2.0 */
#include "node/leftovers.h"

/* "NS_NAME_UID", whose parts have no '_'. False: it is another pod's, or none. */
static bool take_names(sp_str dir, node_leftover *l)
{
	sp_str ns, name, rest = dir;
	if (!sp_str_cut(&rest, '_', &ns) || !sp_str_cut(&rest, '_', &name) || !sp_str_eq(rest, l->uid))
		return false;
	l->ns = ns;
	l->name = name;
	return true;
}

sp_code node_leftovers_read(sp_world *w, sp_str root, sp_str log_root, sp_arena *a, node_leftovers *ret,
			    sp_err *err)
{
	sp_dir_entry *pods, *logs;
	size_t n_pods, n_logs;
	sp_str dir = SP_CONCAT(a, root, SP_STR("/pods"));
	*ret = (node_leftovers){0};
	if (dir.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for directories of pods");
	if (sp_dir_list(w, dir, a, &pods, &n_pods, NULL) != SP_OK)
		return SP_OK;
	if (sp_dir_list(w, log_root, a, &logs, &n_logs, NULL) != SP_OK)
		n_logs = 0;
	ret->at = sp_try_new(a, node_leftover, n_pods + 1);
	if (ret->at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for directories of pods");
	for (size_t i = 0; i < n_pods; i++) {
		node_leftover *l = &ret->at[ret->n++];
		l->uid = pods[i].name;
		for (size_t k = 0; k < n_logs && !take_names(logs[k].name, l);)
			k++;
	}
	return SP_OK;
}
