/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/crd/crd.h"

/* A copy where it differs, for schemas are constant. U: apiextensions-apiserver
 * pkg/controller/openapi/builder. */
static sp_code published(sp_arena *a, const sp_schema *s, bool root, const sp_schema **ret)
{
	bool shows_all = root || (s->flags & SP_S_EMBEDDED_RESOURCE) != 0;
	*ret = s;
	if ((s->flags & SP_S_CRD) == 0)
		return SP_OK;
	sp_schema *copy = sp_try_new(a, sp_schema, 1);
	sp_field *fields = sp_try_new(a, sp_field, s->n_fields + 1u);
	if (copy == NULL || fields == NULL)
		return SP_ENOMEM;
	*copy = *s;
	if (shows_all)
		copy->flags &= (uint8_t)~SP_S_CRD;
	for (uint16_t i = 0; i < s->n_fields; i++) {
		fields[i] = s->fields[i];
		SP_TRY(published(a, s->fields[i].schema, false, &fields[i].schema));
	}
	if (s->items != NULL)
		SP_TRY(published(a, s->items, false, &copy->items));
	copy->fields = fields;
	*ret = copy;
	return SP_OK;
}

sp_code sp_crd_published(sp_arena *a, const sp_schema *schema, const sp_schema **ret)
{
	return published(a, schema, true, ret);
}
