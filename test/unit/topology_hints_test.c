/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/topology_hints.h"

#include "base/buf.h"
#include "lib/t.h"

#define ENDPOINTS_MAX 32u

/* An endpoint is its zone, '-' for none; "a>b": that one is for b now; "a!": not ready. */
static bool read_endpoint(sp_str text, topology_endpoint *ret)
{
	sp_str zone = sp_str_sub(text, 0, 1);
	*ret = (topology_endpoint){.is_ready = !sp_str_ends(text, SP_STR("!")),
				   .zone = sp_str_eq(zone, SP_STR("-")) ? SP_STR("") : zone};
	if (text.len == 3)
		ret->hint = sp_str_sub(text, 2, 3);
	return text.len > 0 && text.len < 4;
}

/* Slices are parted by '|', "=" before one: nothing of it has changed. */
static sp_str run(const char *zones, const char *slices, topology_outcome *ret)
{
	topology_zone z[8];
	topology_slice s[8];
	topology_endpoint e[8][ENDPOINTS_MAX], *at[8][ENDPOINTS_MAX];
	size_t n_zones = 0, n_slices = 0, n_ready;
	sp_str rest = sp_str_c(zones), part, text;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	while (sp_str_next(&rest, ',', &part))
		z[n_zones++] =
			(topology_zone){.name = sp_str_sub(part, 0, 1),
					.ratio = (double)(part.ptr[1] - '0') / 10 +
						 (part.len > 2 ? (double)(part.ptr[2] - '0') / 100 : 0)};
	rest = sp_str_c(slices);
	while (sp_str_next(&rest, '|', &part)) {
		topology_slice *now = &s[n_slices];
		*now = (topology_slice){.endpoints = at[n_slices],
					.is_written = !sp_str_take(&part, SP_STR("="))};
		while (sp_str_next(&part, ',', &text)) {
			at[n_slices][now->n] = &e[n_slices][now->n];
			if (!read_endpoint(text, &e[n_slices][now->n++]))
				return SP_STR("bad row");
		}
		n_slices++;
	}
	*ret = topology_hints(z, n_zones, s, n_slices, &n_ready);
	for (size_t i = 0; i < n_slices; i++) {
		(void)sp_buf_str(&out, i == 0 ? SP_STR("") : SP_STR("|"));
		for (size_t k = 0; k < s[i].n; k++)
			(void)sp_buf_str(&out, e[i][k].hint.len == 0 ? SP_STR("-") : e[i][k].hint);
	}
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(topology_hints, rows)
{
	/* Those of upstream's test of AddHints, and what it leaves to the order of a map. */
	static const struct {
		const char *zones, *slices, *want;
		topology_outcome outcome;
	} rows[] = {
		{"", "a", "-", TOPOLOGY_NO_NODES},
		{"a9", "a,a", "--", TOPOLOGY_NO_NODES},
		{"a3,b4,c3", "a,b", "--", TOPOLOGY_FEW_ENDPOINTS},
		{"a45,b55", "a,b", "ab", TOPOLOGY_HINTED},
		{"a45,b55", "a,b,b!,b>b", "----", TOPOLOGY_OVERLOAD},
		{"a45,b55", "a,b,b!,b!", "ab--", TOPOLOGY_HINTED},
		/* Two endpoints for parts of 30 and 70: the least of the second is both. */
		{"a3,b7", "a,b", "--", TOPOLOGY_OVERLOAD},
		{"a3,b7", "a,b,b", "abb", TOPOLOGY_HINTED},
		{"a5,b5", "a,-", "--", TOPOLOGY_NO_ZONE},
		{"a5,b5", "a,-!,b", "a-b", TOPOLOGY_HINTED},
		/* What one has too many of goes to the other. */
		{"a5,b5", "a,a,a,a", "bbaa", TOPOLOGY_HINTED},
		{"a5,b5", "a,a,a,b", "baab", TOPOLOGY_HINTED},
		{"a35,b3,c35", "a,b,a|b,b,b,c,b,c", "aaa|cbbcbc", TOPOLOGY_HINTED},
		/* What stands stays; what is of no use is made again. */
		{"a5,b5", "=a>b,a>b,a>a,a>a", "bbaa", TOPOLOGY_HINTED},
		{"a5,b5", "=a>a,b>b|a,b", "ab|ab", TOPOLOGY_HINTED},
		{"a5,b5", "=a>b,a>b|a,b", "bb|aa", TOPOLOGY_HINTED},
		{"a5,b5", "=a>c,b>b", "ab", TOPOLOGY_HINTED},
		{"a5,b5", "=a,b>b", "ab", TOPOLOGY_HINTED},
		{"a5,b5", "=a>a,a>a,b>a,b>a", "aabb", TOPOLOGY_HINTED},
		{"a5,b5", "=a>a", "-", TOPOLOGY_FEW_ENDPOINTS},
		/* A zone that no node is counted of. */
		{"a5,b5", "a,b,c,c", "abcc", TOPOLOGY_HINTED},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		topology_outcome o = TOPOLOGY_HINTED;
		t_row("%zu", i);
		T_EQ_C(run(rows[i].zones, rows[i].slices, &o), rows[i].want);
		T_EQ_I64(o, rows[i].outcome);
	}
}
