/* SPDX-License-Identifier: Apache-2.0 */
/* A CRD schema and an object, parted by a line feed: compile, prune, default, validate; and FieldsV1 round
 * trips. */
#include "kube/apply/fieldset.h"
#include "kube/crd/crd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fields(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *v)
{
	sp_fieldset *s = NULL, *t = NULL;
	if (sp_fieldset_parse(a, v, &s, NULL) != SP_OK)
		return;
	yyjson_mut_val *out = sp_fieldset_json(doc, s);
	if (out == NULL)
		return;
	sp_code code = sp_fieldset_parse(a, out, &t, NULL);
	SP_ASSERT(code != SP_OK || sp_fieldset_equal(s, t));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 1 << 15)
		return 0;
	sp_str rest = {(const char *)data, size}, head;
	if (!sp_str_cut(&rest, '\n', &head))
		return 0;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	yyjson_mut_doc *doc = sp_json_doc(&a);
	yyjson_mut_val *openapi = NULL, *object = NULL;
	const sp_schema *s = NULL;
	sp_violations e;
	SP_ASSERT(doc != NULL);
	sp_violations_init(&e, &a);
	if (sp_json_parse_mut(&a, head, doc, &openapi, NULL) == SP_OK) {
		fields(&a, doc, openapi);
		if (sp_crd_compile(&a, openapi, SP_STR("spec"), NULL, false, &e, &s) == SP_OK && s != NULL &&
		    sp_json_parse_mut(&a, rest, doc, &object, NULL) == SP_OK && yyjson_mut_is_obj(object)) {
			sp_crd_prune(s, object, NULL, NULL);
			if (sp_crd_default(doc, s, object))
				(void)sp_crd_validate(&a, s, object, &e);
		}
		(void)sp_violations_text(&a, &e);
	}
	sp_arena_done(&a);
	return 0;
}
