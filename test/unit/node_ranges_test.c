/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/node_ranges.h"
#include "lib/t.h"

static void range_done(void *r)
{
	node_range_done(r);
}

static bool init(node_range *r, const char *cidr, uint32_t v4, uint32_t v6)
{
	T_DEFER(range_done, r);
	return node_range_init(r, sp_str_c(cidr), v4, v6, T_ERR) == SP_OK;
}

static sp_str take(node_range *r)
{
	sp_cidr c;
	char text[SP_IP_TEXT_BYTES];
	if (!node_range_take(r, &c))
		return SP_STR("none");
	return sp_arena_try_dup(T_ARENA, (sp_str){text, sp_cidr_print(text, &c)});
}

static void mark(node_range *r, const char *cidr, bool taken)
{
	sp_cidr c;
	if (sp_cidr_parse(sp_str_c(cidr), &c))
		node_range_mark(r, &c, taken);
}

SP_TEST(node_ranges, parts_go_round)
{
	node_range *r = sp_new(T_ARENA, node_range, 1);
	T_TRUE(init(r, "10.244.1.7/22", 24, 64));
	T_EQ_C(take(r), "10.244.0.0/24");
	T_EQ_C(take(r), "10.244.1.0/24");
	mark(r, "10.244.0.0/24", false);
	mark(r, "10.244.2.128/25", true); /* a piece of a part takes it */
	T_EQ_C(take(r), "10.244.3.0/24");
	T_EQ_C(take(r), "10.244.0.0/24");
	T_EQ_C(take(r), "none");
	mark(r, "10.244.2.0/23", false);
	T_EQ_C(take(r), "10.244.2.0/24");
	mark(r, "10.0.0.0/8", false); /* more than the range */
	mark(r, "10.245.0.0/24", true);
	mark(r, "fd00::/16", true);
	T_EQ_C(take(r), "10.244.3.0/24");
	T_EQ_C(take(r), "10.244.0.0/24");
}

SP_TEST(node_ranges, six)
{
	node_range *r = sp_new(T_ARENA, node_range, 1);
	T_TRUE(init(r, "fd00:1::/62", 24, 64));
	T_EQ_C(take(r), "fd00:1::/64");
	T_EQ_C(take(r), "fd00:1:0:1::/64");
	mark(r, "fd00:1:0:2::/64", true);
	T_EQ_C(take(r), "fd00:1:0:3::/64");
	T_EQ_C(take(r), "none");
}

SP_TEST(node_ranges, what_cannot_be_cut)
{
	static const struct {
		const char *cidr;
		uint32_t v4, v6;
	} rows[] = {{"10.0.0.0/25", 24, 64}, {"10.0.0.0/8", 25, 64}, {"10.0.0.0/24", 33, 64},
		    {"fd00::/48", 24, 65},   {"x", 24, 64},          {"10.0.0.0", 24, 64}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_range *r = sp_new(T_ARENA, node_range, 1);
		t_row("%zu", i);
		T_TRUE(!init(r, rows[i].cidr, rows[i].v4, rows[i].v6));
	}
}
