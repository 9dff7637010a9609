/* SPDX-License-Identifier: Apache-2.0 */
#include "node/features.h"

#include "base/alloc.h"

void node_features_done(node_features *f)
{
	for (size_t i = 0; i < f->n_handlers; i++)
		sp_free((void *)(uintptr_t)f->handlers[i].name.ptr);
	*f = (node_features){.n_handlers = 0};
}

static sp_str copy(sp_str s)
{
	char *text = sp_alloc(s.len + 1);
	if (s.len > 0)
		memcpy(text, s.ptr, s.len);
	return (sp_str){text, s.len};
}

void node_features_take(node_features *f, const sp_cri_status_response *r)
{
	node_features_done(f);
	f->is_known = true;
	f->has_any = r->features != NULL;
	f->strict_groups = r->features != NULL && r->features->supplemental_groups_policy;
	for (size_t i = 0; i < r->runtime_handlers.n && f->n_handlers < NODE_HANDLERS_MAX; i++) {
		const sp_cri_runtime_handler *h = &r->runtime_handlers.at[i];
		f->handlers[f->n_handlers++] = (node_handler){
			.name = copy(h->name),
			.recursive_read_only = h->features != NULL && h->features->recursive_read_only_mounts,
			.user_namespaces = h->features != NULL && h->features->user_namespaces};
	}
}

void node_features_write(const node_features *f, sp_jout *j)
{
	if (f->n_handlers > 0)
		sp_jout_member_open(j, SP_STR("runtimeHandlers"), '[');
	for (size_t i = 0; i < f->n_handlers; i++) {
		const node_handler *h = &f->handlers[i];
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("name"), h->name);
		sp_jout_member_open(j, SP_STR("features"), '{');
		sp_jout_member_bool(j, SP_STR("recursiveReadOnlyMounts"), h->recursive_read_only);
		sp_jout_member_bool(j, SP_STR("userNamespaces"), h->user_namespaces);
		sp_jout_close(j, '}');
		sp_jout_close(j, '}');
	}
	if (f->n_handlers > 0)
		sp_jout_close(j, ']');
	if (!f->has_any)
		return;
	sp_jout_member_open(j, SP_STR("features"), '{');
	sp_jout_member_bool(j, SP_STR("supplementalGroupsPolicy"), f->strict_groups);
	sp_jout_close(j, '}');
}

sp_code node_features_check_users(const node_features *f, sp_str handler, sp_err *err)
{
	size_t i = 0;
	char what[300] = "runtime", unknown[300] = "";
	while (i < f->n_handlers && !sp_str_eq(f->handlers[i].name, handler))
		i++;
	if (i < f->n_handlers && f->handlers[i].user_namespaces)
		return SP_OK;
	if (handler.len != 0)
		(void)snprintf(what, sizeof what, "RuntimeClass handler \"" SP_FMT "\"", SP_ARG(handler));
	if (i == f->n_handlers && i > 0) /* an old runtime tells of none */
		(void)snprintf(unknown, sizeof unknown, ": the handler \"" SP_FMT "\" is not known",
			       SP_ARG(handler));
	return sp_fail(err, SP_EINVAL,
		       "can't set `spec.hostUsers: false`, %s does not support user namespaces%s", what,
		       unknown);
}
