/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of one schema node, by name and by protobuf number. */
#include "kube/schema.h"

static const sp_field *direct(const sp_schema *object, sp_str name)
{
	size_t lo = 0, hi = object->n_fields;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const sp_field *f = &object->fields[object->by_name[mid]];
		int c = sp_str_cmp(f->name, name);
		if (c == 0)
			return f;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const sp_field *sp_schema_field(const sp_schema *object, sp_str name, const sp_field **ret_via)
{
	const sp_field *f = direct(object, name);
	if (ret_via != NULL)
		*ret_via = NULL;
	if (f != NULL && (f->flags & SP_F_INLINE) == 0)
		return f;
	for (size_t i = 0; i < object->n_fields; i++) {
		const sp_field *via = &object->fields[i];
		if ((via->flags & SP_F_INLINE) == 0 || via->schema->kind != SP_K_OBJECT)
			continue;
		const sp_field *inner = sp_schema_field(via->schema, name, NULL);
		if (inner == NULL)
			continue;
		if (ret_via != NULL)
			*ret_via = via;
		return inner;
	}
	return NULL;
}

const sp_field *sp_schema_field_by_number(const sp_schema *object, uint32_t number)
{
	size_t lo = 0, hi = object->by_number == NULL ? 0 : object->n_fields;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const sp_field *f = &object->fields[object->by_number[mid]];
		if (f->number == number)
			return f;
		if (f->number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}
