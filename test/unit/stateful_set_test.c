/* SPDX-License-Identifier: Apache-2.0 */
/* What a StatefulSet decides, without a server: ordinals, order, updates, claims; and the texts of revisions.
 */
#include <stdio.h>

#include "controllers/stateful_set_int.h"
#include "lib/t.h"

#define MOST 8

static yyjson_val *parse(const char *text)
{
	yyjson_val *v = NULL;
	return sp_json_parse(T_ARENA, sp_str_c(text), &v, T_ERR) == SP_OK ? v : NULL;
}

/* ---- revisions ---- */

SP_TEST(ctl_revision, text_and_hash)
{
	yyjson_val *t = parse("{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"<i>\"}]},\"metadata\":"
			      "{\"labels\":{\"b\":\"2\",\"a\":\"1\"}}}");
	sp_str data;
	char hash[CTL_HASH_BYTES];
	T_TRUE(t != NULL);
	T_OK(ctl_revision_data(T_ARENA, t, &data, T_ERR));
	T_EQ_STR(data,
		 SP_STR("{\"spec\":{\"template\":{\"$patch\":\"replace\",\"metadata\":{\"labels\":{\"a\":"
			"\"1\","
			"\"b\":\"2\"}},\"spec\":{\"containers\":[{\"image\":\"\\u003ci\\u003e\",\"name\":"
			"\"c\"}]}}}}"));
	size_t n = ctl_revision_hash(hash, T_ARENA, data, 0);
	sp_str first = sp_arena_try_dup(T_ARENA, (sp_str){hash, n});
	n = ctl_revision_hash(hash, T_ARENA, data, 1);
	T_TRUE(!sp_str_eq(first, (sp_str){hash, n}));
}

SP_TEST(ctl_revision, the_same_template)
{
	static const struct {
		const char *template_, *data;
		bool same;
	} rows[] = {
		{"{\"a\":1,\"b\":[{\"c\":2}]}", "{\"b\":[{\"c\":2}],\"$patch\":\"replace\",\"a\":1}", true},
		{"{\"a\":1}", "{\"a\":1,\"x\":null}", true},
		{"{\"a\":1,\"y\":null}", "{\"a\":1}", true},
		{"{\"a\":1}", "{\"a\":2}", false},
		{"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
		{"{\"a\":1,\"b\":2}", "{\"a\":1}", false},
		{"{\"a\":[1,2]}", "{\"a\":[1]}", false},
		{"{\"a\":[1]}", "{\"a\":[1,2]}", false},
		{"{\"a\":{}}", "{\"a\":[]}", false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		char text[200];
		(void)snprintf(text, sizeof text, "{\"spec\":{\"template\":%s}}", rows[i].data);
		const ctl_revision r = {.data = parse(text)};
		T_TRUE(r.data != NULL);
		T_EQ_U64(ctl_revision_is_of(&r, parse(rows[i].template_)), rows[i].same);
	}
	T_TRUE(!ctl_revision_is_of(&(ctl_revision){.data = NULL}, parse("{}")));
}

SP_TEST(ctl_revision, order)
{
	ctl_revision all[] = {{.name = SP_STR("c"), .created = SP_STR("2"), .number = 2},
			      {.name = SP_STR("b"), .created = SP_STR("1"), .number = 2, .is_equal = true},
			      {.name = SP_STR("a"), .created = SP_STR("2"), .number = 2},
			      {.name = SP_STR("d"), .created = SP_STR("9"), .number = 1, .is_equal = true}};
	ctl_revisions_sort(all, SP_LEN(all));
	T_EQ_STR(all[0].name, SP_STR("d"));
	T_EQ_STR(all[1].name, SP_STR("b"));
	T_EQ_STR(all[2].name, SP_STR("a"));
	T_TRUE(ctl_revisions_equal(all, SP_LEN(all)) == &all[1]);
	T_TRUE(ctl_revisions_equal(all + 2, 2) == NULL);
}

/* ---- ordinals ---- */

SP_TEST(stateful_set, ordinals)
{
	static const struct {
		const char *set, *pod;
		int64_t want;
	} rows[] = {{"web", "web-0", 0},   {"web", "web-12", 12},         {"web", "web-", -1},
		    {"web", "web-x", -1},  {"web", "web-1x", -1},         {"web", "webs-1", -1},
		    {"web", "web--1", -1}, {"a-b", "a-b-3", 3},           {"a", "a-b-3", -1},
		    {"web", "web", -1},    {"web", "web-99999999999", -1}};
	for (size_t i = 0; i < SP_LEN(rows); i++)
		T_EQ_I64(sts_ordinal(sp_str_c(rows[i].set), sp_str_c(rows[i].pod)), rows[i].want);
}

/* ---- what is done ---- */

/*
 * Pods as text, one letter each: '.' none, 'r' ready, 'n' running but not ready, 'p' pending, 'f' failed, 't'
 * ready and going; capitals are of the update revision. Answers one letter a pod: '-' nothing, 'c' create,
 * 'd' delete.
 */
typedef struct rig {
	ctl_pod pods[MOST];
	sts_slot slots[MOST];
	size_t n;
} rig;

static void read_rig(rig *g, const char *text)
{
	static const sp_object object = {.n_refs = 1};
	*g = (rig){.n = strlen(text)};
	for (size_t i = 0; i < g->n; i++) {
		char c = text[i], low = (char)(c | 0x20);
		ctl_pod *p = &g->pods[i];
		*p = (ctl_pod){.object = &object,
			       .phase = low == 'p'   ? SP_STR("Pending")
					: low == 'f' ? SP_STR("Failed")
						     : SP_STR("Running"),
			       .is_ready = low == 'r' || low == 't',
			       .ready_s = 100,
			       .deleted = low == 't' ? SP_STR("x") : SP_STR("")};
		g->slots[i] = (sts_slot){.ordinal = (int64_t)i,
					 .pod = c == '.' ? NULL : p,
					 .revision = c == '.' || c < 'a' ? SP_STR("new") : SP_STR("old"),
					 .owners_fit = true,
					 .has_identity = true};
	}
}

static sp_str told(const rig *g)
{
	char out[MOST];
	for (size_t i = 0; i < g->n; i++)
		out[i] = "-cdx"[g->slots[i].act];
	return sp_arena_try_dup(T_ARENA, (sp_str){out, g->n});
}

SP_TEST(stateful_set, order_of_steps)
{
	static const struct {
		const char *replicas, *condemned; /* condemned from the highest down */
		sts_rules rules;
		const char *want, *want_condemned;
	} rows[] = {
		{"...", "", {0}, "c--", ""},
		{"R..", "", {0}, "-c-", ""},
		{"N..", "", {0}, "---", ""},
		{"P..", "", {0}, "---", ""},
		{"T..", "", {0}, "---", ""},
		{"F..", "", {0}, "d--", ""},
		{"RFR", "", {0}, "-d-", ""},
		{"...", "", {.is_parallel = true}, "ccc", ""},
		{"F.N", "", {.is_parallel = true}, "dc-", ""},
		{"...", "R", {.is_going = true}, "---", "-"},
		/* fewer: from the top, when all below are well */
		{"R", "RR", {0}, "-", "d-"},
		{"N", "RR", {0}, "-", "--"},
		{"R", "TR", {0}, "-", "--"},
		{"R", "RN", {0}, "-", "d-"}, /* the one that is sick is lower */
		{"R", "NR", {0}, "-", "d-"}, /* the sick one itself may go */
		{"R", "NN", {0}, "-", "--"},
		{"R", "RR", {.is_parallel = true}, "-", "dd"},
		{"R", "TR", {.is_parallel = true}, "-", "-d"},
		/* an update: from the top, one at a time */
		{"rrr", "", {0}, "--d", ""},
		{"rrR", "", {0}, "-d-", ""},
		{"rrN", "", {0}, "---", ""},
		{"rrN", "", {.is_parallel = true}, "---", ""},
		{"rnR", "", {.is_parallel = true}, "-d-", ""}, /* what is broken is replaced */
		{"rnR", "", {0}, "---", ""},
		{"rrr", "", {.partition = 2}, "--d", ""},
		{"rrR", "", {.partition = 2}, "---", ""},
		{"rrr", "", {.on_delete = true}, "---", ""},
		{"rrr", "R", {0}, "---", "d"},
		{"rrrr", "", {.max_unavailable = 2}, "--dd", ""},
		{"rrrr", "", {.max_unavailable = 2, .partition = 3}, "---d", ""},
		{"rrrN", "", {.max_unavailable = 2, .is_parallel = true}, "--d-", ""},
		{"rrNN", "", {.max_unavailable = 2, .is_parallel = true}, "----", ""},
		/* not long enough ready */
		{"R..", "", {.min_ready_s = 10, .now_s = 105}, "---", ""},
		{"R..", "", {.min_ready_s = 10, .now_s = 120}, "-c-", ""},
		{"rrR", "", {.min_ready_s = 10, .now_s = 105, .is_parallel = true}, "---", ""},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		rig g, h;
		sts_counts c;
		sts_rules r = rows[i].rules;
		read_rig(&g, rows[i].replicas);
		read_rig(&h, rows[i].condemned);
		r.current = SP_STR("old");
		r.update = SP_STR("new");
		r.replicas = (int64_t)g.n;
		sts_decide(&r, g.slots, g.n, h.slots, h.n, &c);
		T_EQ_STR(told(&g), sp_str_c(rows[i].want));
		T_EQ_STR(told(&h), sp_str_c(rows[i].want_condemned));
	}
}

SP_TEST(stateful_set, counts)
{
	rig g, h;
	sts_counts c;
	sts_rules r = {.current = SP_STR("old"),
		       .update = SP_STR("new"),
		       .replicas = 4,
		       .min_ready_s = 10,
		       .now_s = 105};
	read_rig(&g, "rnT.");
	read_rig(&h, "R");
	sts_decide(&r, g.slots, g.n, h.slots, h.n, &c);
	T_EQ_I64(c.n, 4);
	T_EQ_I64(c.n_ready, 3);
	T_EQ_I64(c.n_available, 0);
	T_EQ_I64(c.n_current, 2);
	T_EQ_I64(c.n_updated, 1);
	T_EQ_STR(c.current, SP_STR("old"));
	T_EQ_I64(c.wait_s, 6);
	read_rig(&g, "RR"); /* the update is over */
	r.replicas = 2;
	sts_decide(&r, g.slots, g.n, h.slots, 0, &c);
	T_EQ_STR(c.current, SP_STR("new"));
	T_EQ_I64(c.n_current, 2);
}

SP_TEST(stateful_set, stale_claims_and_identity)
{
	rig g;
	sts_counts c;
	sts_rules r = {.current = SP_STR("new"), .update = SP_STR("new"), .replicas = 2};
	read_rig(&g, "R.");
	g.slots[0].has_identity = false;
	g.slots[0].owners_fit = false;
	g.slots[1].is_stale = true;
	sts_decide(&r, g.slots, g.n, NULL, 0, &c);
	T_EQ_STR(told(&g), SP_STR("x-"));
	T_TRUE(g.slots[0].owners && !g.slots[0].claims && !g.slots[1].claims);
	read_rig(&g, "P.");
	sts_decide(&r, g.slots, g.n, NULL, 0, &c);
	T_TRUE(g.slots[0].claims && g.slots[0].owners);
}

SP_TEST(stateful_set, which_revision_a_new_pod_gets)
{
	sts_view v = {.strategy = SP_STR("RollingUpdate"), .n_current = 2};
	T_TRUE(sts_is_made_from_current(&v, 1) && !sts_is_made_from_current(&v, 2));
	v.rolling = parse("{}");
	v.partition = 1;
	T_TRUE(sts_is_made_from_current(&v, 0) && !sts_is_made_from_current(&v, 1));
	v.has_start = true;
	v.start = 5;
	T_TRUE(sts_is_made_from_current(&v, 5) && !sts_is_made_from_current(&v, 6));
	v = (sts_view){.strategy = SP_STR("OnDelete"), .n_current = 2};
	T_TRUE(!sts_is_made_from_current(&v, 0));
}

/* ---- claims ---- */

#define SET "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"name\":\"web\",\"uid\":\"S\""
#define OWNER(head) head ",\"controller\":true,\"blockOwnerDeletion\":true}"
#define POD "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"web-0\",\"uid\":\"P\""
#define OLD_POD "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"web-0\",\"uid\":\"Q\""
#define OTHER "{\"apiVersion\":\"v1\",\"kind\":\"X\",\"name\":\"x\",\"uid\":\"X\""

static sp_vlist list(const char *text)
{
	yyjson_val *v = parse(text);
	return (sp_vlist){yyjson_arr_get_first(v), yyjson_arr_size(v)};
}

SP_TEST(stateful_set, owners_of_claims)
{
	static const struct {
		const char *now;
		bool when_deleted, when_scaled, down, fits;
		const char *want; /* when it does not fit */
	} rows[] = {
		{"[]", false, false, false, true, ""},
		{"[" OWNER(SET) "]", false, false, false, false, "[]"},
		{"[]", true, false, false, false, "[" OWNER(SET) "]"},
		{"[" OWNER(SET) "]", true, false, true, true, ""},
		{"[]", false, true, false, true, ""},
		{"[]", false, true, true, false, "[" OWNER(POD) "]"},
		{"[" OWNER(POD) "]", false, true, false, false, "[]"},
		{"[" OWNER(SET) "]", true, true, true, false, "[" OWNER(POD) "]"},
		{"[" OWNER(POD) "]", true, true, false, false, "[" OWNER(SET) "]"},
		{"[" OWNER(POD) "]", true, true, true, true, ""},
		{"[" SET "}]", true, false, false, false, "[" OWNER(SET) "]"}, /* a controller it must be */
		{"[" OTHER "}]", true, false, false, false, "[" OTHER "}," OWNER(SET) "]"},
		{"[" OWNER(OTHER) "]", true, false, false, true, ""},
		{"[" OWNER(OTHER) "," SET "}]", true, false, false, false, "[" OWNER(OTHER) "]"},
		{"[" OWNER(OLD_POD) "]", true, true, true, true, ""}, /* of a pod that is gone */
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, 4096);
		const sts_claim_rule r = {.when_deleted = rows[i].when_deleted,
					  .when_scaled = rows[i].when_scaled,
					  .is_scaled_down = rows[i].down,
					  .set_name = SP_STR("web"),
					  .set_uid = SP_STR("S"),
					  .pod_name = SP_STR("web-0"),
					  .pod_uid = SP_STR("P")};
		sp_vlist now = list(rows[i].now);
		T_EQ_U64(sts_claim_owners_fit(now, &r), rows[i].fits);
		if (rows[i].fits)
			continue;
		T_OK(sts_claim_owners(&out, now, &r));
		T_EQ_STR(sp_buf_view(&out), sp_str_c(rows[i].want));
	}
	T_TRUE(sts_claim_is_stale(list("[" OWNER(OLD_POD) "]"), SP_STR("web-0"), SP_STR("P")));
	T_TRUE(sts_claim_is_stale(list("[" OWNER(POD) "]"), SP_STR("web-0"), SP_STR("")));
	T_TRUE(!sts_claim_is_stale(list("[" OWNER(POD) "]"), SP_STR("web-0"), SP_STR("P")));
	T_TRUE(!sts_claim_is_stale(list("[" OWNER(POD) "]"), SP_STR("web-1"), SP_STR("")));
}
