/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/names.h"

#include "lib/t.h"

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16
#define A256 A64 A64 A64 A64

typedef sp_name_faults (*check_fn)(sp_str s);

typedef struct row {
	check_fn check;
	const char *text;
	size_t n;          /* complaints */
	const char *first; /* how the first one starts, prefix included */
} row;

static const row rows[] = {
	{sp_name_dns1123_label, "a", 0, ""},
	{sp_name_dns1123_label, "0-a", 0, ""},
	{sp_name_dns1123_label, "", 1, "a lowercase RFC 1123 label must consist"},
	{sp_name_dns1123_label, "-a", 1, "a lowercase RFC 1123 label must consist"},
	{sp_name_dns1123_label, "a-", 1, "a lowercase RFC 1123 label must consist"},
	{sp_name_dns1123_label, "A", 1, "a lowercase RFC 1123 label must consist"},
	{sp_name_dns1123_label, "a.b", 1, "must not contain dots"},
	{sp_name_dns1123_label, A64, 1, "must be no more than 63 characters"},
	{sp_name_dns1123_label, A64 "_", 2, "must be no more than 63 characters"},
	{sp_name_dns1123_subdomain, "a.b-c.0", 0, ""},
	{sp_name_dns1123_subdomain, A64, 0, ""},
	{sp_name_dns1123_subdomain, "a..b", 1, "a lowercase RFC 1123 subdomain must consist"},
	{sp_name_dns1123_subdomain, "a.b.", 1, "a lowercase RFC 1123 subdomain must consist"},
	{sp_name_dns1123_subdomain, A256, 1, "must be no more than 253 characters"},
	{sp_name_dns1035_label, "a-0", 0, ""},
	{sp_name_dns1035_label, "0-a", 1, "a DNS-1035 label must consist"},
	{sp_name_dns1035_label, "", 1, "a DNS-1035 label must consist"},
	{sp_name_qualified, "Example.Name_0", 0, ""},
	{sp_name_qualified, "example.com/Name", 0, ""},
	{sp_name_qualified, "", 2, "name part must be non-empty"},
	{sp_name_qualified, "/a", 1, "prefix part must be non-empty"},
	{sp_name_qualified, "A/a", 1, "prefix part a lowercase RFC 1123 subdomain"},
	{sp_name_qualified, "a/b/c", 1, "a valid label key must consist"},
	{sp_name_qualified, "a/" A64, 1, "name part must be no more than 63 bytes"},
	{sp_name_qualified, A256 "_/" A64 "_", 4, "prefix part must be no more than 253 characters"},
	{sp_name_label_value, "", 0, ""},
	{sp_name_label_value, "My_value.1", 0, ""},
	{sp_name_label_value, "a b", 1, "a valid label must be an empty string"},
	{sp_name_label_value, A64, 1, "must be no more than 63 bytes"},
	{sp_name_path_segment, "system:Node", 0, ""},
	{sp_name_path_segment, ".", 1, "may not be '.'"},
	{sp_name_path_segment, "..", 1, "may not be '..'"},
	{sp_name_path_segment, "a/%", 2, "may not contain '/'"},
};

SP_TEST(names, formats)
{
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const row *r = &rows[i];
		t_row("%zu '%s'", i, r->text);
		sp_name_faults f = r->check(sp_str_c(r->text));
		T_EQ_U64(f.n, r->n);
		if (f.n == 0)
			continue;
		sp_str text = sp_arena_printf(T_ARENA, SP_FMT SP_FMT, SP_ARG(f.items[0].prefix),
					      SP_ARG(f.items[0].text));
		T_TRUE(text.ptr != NULL);
		T_EQ_C(sp_str_sub(text, 0, strlen(r->first)), r->first);
	}
}

SP_TEST(names, prefixes_may_end_in_a_dash)
{
	T_EQ_U64(sp_name_prefix(sp_name_dns1123_label, SP_STR("web-")).n, 0);
	T_EQ_U64(sp_name_prefix(sp_name_dns1123_label, SP_STR("-")).n, 1);
	T_EQ_U64(sp_name_prefix(sp_name_dns1123_label, SP_STR("-web-")).n, 1);
	T_EQ_U64(sp_name_prefix(sp_name_dns1035_label, SP_STR("0-")).n, 0);
	T_EQ_U64(sp_name_prefix(sp_name_dns1035_label, SP_STR("0a-")).n, 1);
	T_EQ_U64(sp_name_prefix(sp_name_dns1123_subdomain, SP_STR("a.")).n, 1);
}
