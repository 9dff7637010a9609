/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patches and apply. First byte: which; then a document and a patch, parted by a line feed. What is accepted
 * must be writable, and applying the same configuration twice must change nothing.
 */
#include "base/num.h"
#include "kube/apply/apply.h"
#include "kube/patch/json_patch.h"
#include "kube/patch/merge_patch.h"
#include "kube/patch/strategic.h"
#include "lib/kube_small.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_out(yyjson_mut_val *v)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, (size_t)32 << 20);
	SP_ASSERT(v != NULL);
	sp_code code = sp_json_write_mut(&text, v);
	SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
}

static void run_apply(sp_arena *a, yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *live,
		      yyjson_mut_val *patch)
{
	sp_apply_request q = {.arena = a,
			      .doc = doc,
			      .schema = schema,
			      .api_version = SP_STR("v1"),
			      .kind = SP_STR("Small"),
			      .manager = SP_STR("fuzz"),
			      .now = SP_STR("2026-01-01T00:00:00Z")};
	yyjson_mut_val *one = NULL, *two = NULL;
	sp_patch_error perr = {0};
	if (!yyjson_mut_is_obj(live) || !yyjson_mut_is_obj(patch))
		return;
	yyjson_mut_val *written = yyjson_mut_val_mut_copy(doc, patch);
	SP_ASSERT(written != NULL);
	if (sp_apply_track(&q, live, written) == SP_OK)
		write_out(written);
	if (sp_apply(&q, live, patch, true, &one, &perr) != SP_OK)
		return;
	write_out(one);
	sp_code code = sp_apply(&q, one, patch, false, &two, &perr);
	SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
	if (code == SP_OK)
		write_out(two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 1 << 16)
		return 0;
	sp_str rest = {(const char *)data + 1, size - 1}, head;
	if (!sp_str_cut(&rest, '\n', &head))
		return 0;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	yyjson_mut_doc *doc = sp_json_doc(&a);
	yyjson_mut_val *object = NULL, *patch = NULL, *ret = NULL;
	sp_patch_error perr = {0};
	SP_ASSERT(doc != NULL);
	if (sp_json_parse_mut(&a, head, doc, &object, NULL) != SP_OK || !yyjson_mut_is_obj(object))
		goto out;
	sp_code code = SP_EINVAL;
	switch (data[0] % 5) {
	case 0:
		code = sp_json_patch_apply(&a, doc, object, rest, &ret, &perr);
		break;
	case 1:
		code = sp_merge_patch_apply(&a, doc, object, rest, &ret, &perr);
		break;
	case 2:
		code = sp_strategic_apply(&a, doc, &t_small_kind, object, rest, &ret, &perr);
		break;
	default:
		if (sp_json_parse_mut(&a, rest, doc, &patch, NULL) == SP_OK)
			run_apply(&a, doc, data[0] % 5 == 3 ? &t_small_kind : NULL, object, patch);
		goto out;
	}
	if (code == SP_OK)
		write_out(ret);
	else
		SP_ASSERT(perr.status >= 400);
out:
	sp_arena_done(&a);
	return 0;
}
