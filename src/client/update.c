/* SPDX-License-Identifier: Apache-2.0 */
/* Merge patches for those who may update and not patch: applied here to what the server has. */
#include "client/client_int.h"
#include "kube/patch/merge_patch.h"

#define TREE_BYTES ((size_t)64 << 20)

/* "DeploymentList" names its items, which do not name themselves. */
static bool name_kind(yyjson_mut_doc *doc, yyjson_mut_val *list, yyjson_mut_val *item)
{
	sp_str kind = sp_jmut_str(sp_jmut_get(list, SP_STR("kind")));
	sp_str version = sp_jmut_str(sp_jmut_get(list, SP_STR("apiVersion")));
	if (sp_jmut_get(item, SP_STR("kind")) != NULL || !sp_str_ends(kind, SP_STR("List")))
		return true;
	kind = sp_str_sub(kind, 0, kind.len - strlen("List"));
	return sp_jmut_set_str(doc, item, SP_STR("kind"), kind) &&
	       sp_jmut_set_str(doc, item, SP_STR("apiVersion"), version);
}

static sp_code merge(sp_arena *a, sp_str list_json, sp_str patch, sp_buf *out, sp_err *err)
{
	sp_patch_error perr = {0};
	yyjson_mut_val *list = NULL, *now = NULL;
	yyjson_mut_doc *doc = sp_json_doc(a);
	if (doc == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an object");
	SP_TRY(sp_json_parse_mut(a, list_json, doc, &list, err));
	yyjson_mut_val *item = yyjson_mut_arr_get_first(sp_jmut_get(list, SP_STR("items")));
	if (item == NULL)
		return sp_fail(err, SP_ENOTFOUND, "it is not there any more");
	if (!name_kind(doc, list, item))
		return sp_fail(err, SP_ENOMEM, "no memory for an object");
	sp_code code = sp_merge_patch_apply(a, doc, item, patch, &now, &perr);
	if (code == SP_OK)
		code = sp_json_write_mut(out, now);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "a change can't be applied");
}

sp_code client_merge_update(sp_str list_json, sp_str patch, sp_bytes **ret, sp_err *err)
{
	sp_arena a;
	SP_AUTO_BUF out;
	sp_arena_init(&a, TREE_BYTES);
	sp_buf_init(&out, TREE_BYTES);
	sp_code code = merge(&a, list_json, patch, &out, err);
	sp_arena_done(&a);
	SP_TRY(code);
	*ret = sp_bytes_try_dup(sp_buf_view(&out));
	return *ret != NULL ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for an object");
}
