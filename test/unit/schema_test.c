/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that tools/schemac makes: order, uniqueness, and what discovery of kube-apiserver 1.36.2 says.
 */
#include "kube/schema.h"

#include "lib/t.h"

static bool is_index_list(const uint16_t *index, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool found = false;
		for (size_t j = 0; j < n; j++)
			found = found || index[j] == i;
		if (!found)
			return false;
	}
	return true;
}

SP_TEST(schema, types_are_sorted_and_complete)
{
	T_TRUE(sp_n_schema_types > 500);
	for (size_t i = 0; i < sp_n_schema_types; i++) {
		const sp_schema *s = sp_schema_types[i];
		t_row(SP_FMT, SP_ARG(s->name));
		T_EQ_I64(s->kind, SP_K_OBJECT);
		T_TRUE(i == 0 || sp_str_cmp(sp_schema_types[i - 1]->name, s->name) < 0);
		T_TRUE(sp_schema_by_name(s->name) == s);
	}
	T_TRUE(sp_schema_by_name(SP_STR("io.k8s.api.core.v1.Nothing")) == NULL);
	T_TRUE(sp_schema_by_name(SP_STR("")) == NULL);
}

SP_TEST(schema, fields_are_ordered_and_found)
{
	for (size_t i = 0; i < sp_n_schema_types; i++) {
		const sp_schema *s = sp_schema_types[i];
		T_TRUE(is_index_list(s->by_name, s->n_fields));
		T_TRUE(is_index_list(s->by_number, s->n_fields));
		for (size_t j = 0; j < s->n_fields; j++) {
			const sp_field *f = &s->fields[j];
			t_row(SP_FMT "." SP_FMT, SP_ARG(s->name), SP_ARG(f->name));
			T_TRUE(f->schema != NULL);
			if ((f->flags & SP_F_INLINE) == 0)
				T_TRUE(sp_schema_field(s, f->name, NULL) == f);
			if (f->number != 0)
				T_TRUE(sp_schema_field_by_number(s, f->number) == f);
			if (j == 0)
				continue;
			T_TRUE(sp_str_cmp(s->fields[s->by_name[j - 1]].name, s->fields[s->by_name[j]].name) <
			       0);
			uint32_t a = s->fields[s->by_number[j - 1]].number,
				 b = s->fields[s->by_number[j]].number;
			T_TRUE(a < b || (a == 0 && b == 0));
		}
	}
}

SP_TEST(schema, kinds_are_sorted_and_found)
{
	T_TRUE(sp_n_kinds > 80);
	for (size_t i = 0; i < sp_n_kinds; i++) {
		const sp_kind *k = sp_kinds[i];
		t_row(SP_FMT "/" SP_FMT " " SP_FMT, SP_ARG(k->group), SP_ARG(k->version), SP_ARG(k->kind));
		T_TRUE(sp_kind_by_kind(k->group, k->version, k->kind) == k);
		T_TRUE(k->schema->kind == SP_K_OBJECT);
		T_EQ_C(k->schema->fields[0].name, "kind");
		T_EQ_C(k->schema->fields[1].name, "apiVersion");
		T_EQ_U64(k->schema->fields[1].number, 0);
		if (k->plural.len != 0)
			T_TRUE(sp_kind_by_plural(k->group, k->version, k->plural) == k);
		if (i == 0)
			continue;
		const sp_kind *l = sp_kinds[i - 1];
		int c = sp_str_cmp(l->group, k->group);
		c = c != 0 ? c : sp_str_cmp(l->version, k->version);
		c = c != 0 ? c : sp_str_cmp(l->kind, k->kind);
		T_TRUE(c < 0);
	}
	T_TRUE(sp_kind_by_kind(SP_STR(""), SP_STR("v1"), SP_STR("Pods")) == NULL);
	T_TRUE(sp_kind_by_plural(SP_STR(""), SP_STR("v1"), SP_STR("")) == NULL);
	T_TRUE(sp_kind_by_plural(SP_STR("apps"), SP_STR("v1"), SP_STR("pods")) == NULL);
	T_TRUE(sp_kind_by_plural(SP_STR("zzz"), SP_STR("v1"), SP_STR("pods")) == NULL);
}
