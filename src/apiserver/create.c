/* SPDX-License-Identifier: Apache-2.0 */
/* POST of a new object. */
#include "apiserver/answer.h"
#include "apiserver/write.h"
#include "kube/meta.h"

bool api_write_namespace(api_write *w)
{
	sp_str ns = w->res->kind->namespaced ? w->r->info.ns : SP_STR("");
	if (sp_meta_set_namespace(&w->ctx, w->obj, ns))
		return true;
	sp_status s = sp_status_bad_request(SP_STR(SP_META_NAMESPACE_MISMATCH));
	api_write_refuse(w, &s);
	return false;
}

void api_write_create(api_write *w)
{
	w->ok_code = 201;
	api_write_prepare_create(w, api_write_commit);
}

/* New objects have no revision; what is no number at all counts as none.
 * U: apiserver pkg/registry/generic/registry/store.go */
static bool check_revision(api_write *w)
{
	uint64_t revision = 0;
	sp_str why, rv = sp_kv_str(sp_meta(w->obj), "resourceVersion");
	if (rv.len == 0 || api_revision_parse(&w->arena, rv, &revision, &why) != SP_OK || revision == 0)
		return true;
	const sp_status s = {.code = 500,
			     .message = SP_STR("resourceVersion should not be set on objects to be created")};
	api_write_refuse(w, &s);
	return false;
}

static void run(api_write *w)
{
	if (!api_write_decode(w, w->body) || !api_write_namespace(w) || !check_revision(w))
		return;
	sp_meta_wipe_deletion(w->obj);
	api_write_create(w);
}

static void on_body(api_request *r, sp_str body)
{
	api_write *w = r->state;
	w->body = body;
	w->redo = run;
	run(w);
}

void api_create(api_request *r)
{
	if (api_answer_of(r) != NULL)
		api_answer(r);
	else if (api_write_new(r, "CreateOptions", false) != NULL)
		api_read_body(r, on_body);
}
