/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in kinds and types by name. The tables are made by tools/schemac and sorted by it. */
#include "kube/schema.h"

static int compare_gv(const sp_kind *k, sp_str group, sp_str version)
{
	int c = sp_str_cmp(k->group, group);
	return c != 0 ? c : sp_str_cmp(k->version, version);
}

/* Index of the first kind of a group and version, or sp_n_kinds. */
static size_t first_of(sp_str group, sp_str version)
{
	size_t lo = 0, hi = sp_n_kinds;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (compare_gv(sp_kinds[mid], group, version) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const sp_kind *sp_kind_by_kind(sp_str group, sp_str version, sp_str kind)
{
	size_t lo = 0, hi = sp_n_kinds;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = compare_gv(sp_kinds[mid], group, version);
		if (c == 0)
			c = sp_str_cmp(sp_kinds[mid]->kind, kind);
		if (c == 0)
			return sp_kinds[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const sp_kind *sp_kind_by_plural(sp_str group, sp_str version, sp_str plural)
{
	if (plural.len == 0)
		return NULL;
	/* A group and version has at most some twenty kinds. */
	for (size_t i = first_of(group, version); i < sp_n_kinds; i++) {
		if (compare_gv(sp_kinds[i], group, version) != 0)
			break;
		if (sp_str_eq(sp_kinds[i]->plural, plural))
			return sp_kinds[i];
	}
	return NULL;
}

const sp_schema *sp_schema_by_name(sp_str name)
{
	size_t lo = 0, hi = sp_n_schema_types;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = sp_str_cmp(sp_schema_types[mid]->name, name);
		if (c == 0)
			return sp_schema_types[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}
