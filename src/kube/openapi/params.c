/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters of operations. */
#include "kube/openapi/openapi_int.h"

typedef struct param {
	sp_str name, type, description;
	bool in_path;
} param;

#define TEXT SP_STR_INIT("string")
#define TRUTH SP_STR_INIT("boolean")
#define NUMBER SP_STR_INIT("integer")
static const param params[OA_P_COUNT_] = {
	[OA_P_ALLOW_BOOKMARKS] = {SP_STR_INIT("allowWatchBookmarks"), TRUTH,
				  SP_STR_INIT("Whether a watch may send events of type BOOKMARK."), false},
	[OA_P_CONTINUE] = {SP_STR_INIT("continue"), TEXT,
			   SP_STR_INIT(
				   "The token of an earlier answer; the list goes on behind its last item."),
			   false},
	[OA_P_DRY_RUN] = {SP_STR_INIT("dryRun"), TEXT,
			  SP_STR_INIT("All: check the request, but store nothing."), false},
	[OA_P_FIELD_MANAGER] = {SP_STR_INIT("fieldManager"), TEXT,
				SP_STR_INIT("Who owns the fields that the request sets."), false},
	[OA_P_FIELD_SELECTOR] = {SP_STR_INIT("fieldSelector"), TEXT,
				 SP_STR_INIT("Only objects whose fields have these values."), false},
	[OA_P_FIELD_VALIDATION] = {SP_STR_INIT("fieldValidation"), TEXT,
				   SP_STR_INIT(
					   "What unknown and repeated fields cause: Ignore, Warn or Strict."),
				   false},
	[OA_P_FORCE] = {SP_STR_INIT("force"), TRUTH,
			SP_STR_INIT("Apply: take fields over from other managers."), false},
	[OA_P_GRACE] = {SP_STR_INIT("gracePeriodSeconds"), NUMBER,
			SP_STR_INIT("Seconds until the object is gone; 0 removes it at once."), false},
	[OA_P_IGNORE_STORE] = {SP_STR_INIT("ignoreStoreReadErrorWithClusterBreakingPotential"), TRUTH,
			       SP_STR_INIT("Remove an object that can no longer be read, without any check."),
			       false},
	[OA_P_LABEL_SELECTOR] = {SP_STR_INIT("labelSelector"), TEXT,
				 SP_STR_INIT("Only objects whose labels match."), false},
	[OA_P_LIMIT] = {SP_STR_INIT("limit"), NUMBER, SP_STR_INIT("The most items in one answer."), false},
	[OA_P_ORPHAN] = {SP_STR_INIT("orphanDependents"), TRUTH,
			 SP_STR_INIT("Deprecated: propagationPolicy Orphan or Background."), false},
	[OA_P_PRETTY] = {SP_STR_INIT("pretty"), TEXT, SP_STR_INIT("true: indent the answer."), false},
	[OA_P_PROPAGATION] = {SP_STR_INIT("propagationPolicy"), TEXT,
			      SP_STR_INIT("What becomes of dependents: Orphan, Background or Foreground."),
			      false},
	[OA_P_RESOURCE_VERSION] = {SP_STR_INIT("resourceVersion"), TEXT,
				   SP_STR_INIT("How recent the answer has to be."), false},
	[OA_P_RESOURCE_VERSION_MATCH] = {SP_STR_INIT("resourceVersionMatch"), TEXT,
					 SP_STR_INIT("How resourceVersion is meant: Exact or NotOlderThan."),
					 false},
	[OA_P_SEND_INITIAL] = {SP_STR_INIT("sendInitialEvents"), TRUTH,
			       SP_STR_INIT("A watch begins with events for what is there."), false},
	[OA_P_SHARD_SELECTOR] = {SP_STR_INIT("shardSelector"), TEXT,
				 SP_STR_INIT("Only objects of these ranges of a hash."), false},
	[OA_P_TIMEOUT] = {SP_STR_INIT("timeoutSeconds"), NUMBER,
			  SP_STR_INIT("When the call ends at the latest."), false},
	[OA_P_WATCH] = {SP_STR_INIT("watch"), TRUTH, SP_STR_INIT("Send changes as they happen."), false},
	[OA_P_NAMESPACE] = {SP_STR_INIT("namespace"), TEXT, SP_STR_INIT("Namespace of the objects."), true},
};

static void write_param(oa *w, const param *p)
{
	sp_jout *j = &w->j;
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("description"), p->description);
	sp_jout_member_str(j, SP_STR("in"), p->in_path ? SP_STR("path") : SP_STR("query"));
	sp_jout_member_str(j, SP_STR("name"), p->name);
	if (p->in_path)
		sp_jout_member_bool(j, SP_STR("required"), true);
	if (w->v3)
		sp_jout_member_open(j, SP_STR("schema"), '{');
	sp_jout_member_str(j, SP_STR("type"), p->type);
	sp_jout_member_bool(j, SP_STR("uniqueItems"), true);
	if (w->v3)
		sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

void oa_write_params(oa *w, uint32_t mask)
{
	for (size_t i = 0; i < OA_P_COUNT_; i++) {
		if ((mask & (1u << i)) == 0)
			continue;
		if (w->v3) {
			write_param(w, &params[i]);
			continue;
		}
		/* Version 2 has them once, at the top. */
		sp_jout_open(&w->j, '{');
		sp_jout_key(&w->j, SP_STR("$ref"));
		(void)sp_buf_printf(w->j.out, "\"#/parameters/" SP_FMT "\"", SP_ARG(params[i].name));
		w->j.comma = true;
		sp_jout_close(&w->j, '}');
	}
}

void oa_write_shared_params(oa *w)
{
	for (size_t i = 0; i < OA_P_COUNT_; i++) {
		sp_jout_key(&w->j, params[i].name);
		write_param(w, &params[i]);
	}
}

void oa_write_path_param(oa *w, sp_str name, sp_str description)
{
	param p = {.name = name, .type = TEXT, .description = description, .in_path = true};
	write_param(w, &p);
}

void oa_write_option_params(oa *w, const sp_schema *options)
{
	static const sp_str types[SP_K_COUNT_] = {
		[SP_K_STRING] = TEXT, [SP_K_BOOL] = TRUTH, [SP_K_I32] = NUMBER, [SP_K_I64] = NUMBER};
	for (uint16_t i = 0; options != NULL && i < options->n_fields; i++) {
		const sp_field *f = &options->fields[i];
		const sp_schema *s = f->schema->kind == SP_K_LIST ? f->schema->items : f->schema;
		if (types[s->kind].len == 0 || sp_str_eq(f->name, SP_STR("kind")) ||
		    sp_str_eq(f->name, SP_STR("apiVersion")))
			continue;
		param p = {.name = f->name, .type = types[s->kind], .description = f->description};
		write_param(w, &p);
	}
}
