/* SPDX-License-Identifier: Apache-2.0 */
/* Which pods end so that a critical one fits: upstream's own cases and orders. */
#include "lib/t.h"
#include "node/preempt.h"

/* "name" with limits or requests of cpu (thousandths) and memory; both 0: best effort. */
typedef struct one {
	const char *name;
	int cpu, memory, priority;
	bool guaranteed;
} one;

static node_pod *make_pod(const one *o)
{
	node_pod *p = NULL;
	sp_str amounts =
		o->cpu + o->memory == 0
			? SP_STR("")
			: sp_arena_printf(T_ARENA, "\"requests\":{\"cpu\":\"%dm\",\"memory\":\"%d\"}", o->cpu,
					  o->memory);
	sp_str limits = !o->guaranteed
				? SP_STR("")
				: sp_arena_printf(T_ARENA, ",\"limits\":{\"cpu\":\"%dm\",\"memory\":\"%d\"}",
						  o->cpu, o->memory);
	sp_str json = sp_arena_printf(T_ARENA,
				      "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"ns\",\"uid\":\"%s\"},"
				      "\"spec\":{\"priority\":%d,"
				      "\"containers\":[{\"name\":\"c\",\"resources\":{" SP_FMT SP_FMT "}}]}}",
				      o->name, o->name, o->priority, SP_ARG(amounts), SP_ARG(limits));
	if (node_pod_parse(json, &p, T_ERR) == SP_OK)
		T_DEFER(node_pod_free, p);
	return p;
}

#define CRITICAL 2000000000
static const one all[] = {
	{"best", 0, 0, 0, false},          {"small", 100, 100, 0, false},
	{"large", 500, 200, 0, false},     {"sure", 200, 100, 0, true},
	{"sure-large", 600, 400, 0, true}, {"other", 9000, 9000, CRITICAL, false},
	{"best-2", 0, 0, 0, false},
};

#define RES(name, n)                 \
	{                            \
		SP_STR_INIT(name), n \
	}

SP_TEST(node_preempt, choices)
{
	static const struct {
		node_shortage lacks[2];
		size_t n_lacks;
		const char *gone; /* "!…": what is said */
	} rows[] = {
		/* the nearest of the lesser kind that does */
		{{RES("cpu", 50)}, 1, "small"},
		{{RES("cpu", 100)}, 1, "small"},
		{{RES("cpu", 101)}, 1, "large"},
		{{RES("memory", 300)}, 1, "large small"},
		{{RES("cpu", 600)}, 1, "large small"},
		/* guaranteed ones go for what is missing then, and only for that */
		{{RES("cpu", 601)}, 1, "large sure"},
		{{RES("cpu", 1000)}, 1, "large sure-large"},
		{{RES("cpu", 400), RES("memory", 250)}, 2, "large small"},
		/* by their number */
		{{RES("pods", 1)}, 1, "best-2"},
		{{RES("pods", 3)}, 1, "best-2 best small"},
		{{RES("pods", 1), RES("cpu", 100)}, 2, "small"},
		{{RES("cpu", 1401)},
		 1,
		 "!preemption: error finding a set of pods to preempt: no set of running pods found to "
		 "reclaim resources: [(res: cpu, q: 1), ]"},
		{{RES("cpu", 1500), RES("example.com/x", 7)},
		 2,
		 "!preemption: error finding a set of pods to preempt: no set of running pods found to "
		 "reclaim resources: [(res: cpu, q: 100), (res: example.com/x, q: 7), ]"},
	};
	static const one wanted = {"critical", 1, 1, CRITICAL, false};
	const node_pod *critical = make_pod(&wanted), *pods[SP_LEN(all)];
	T_TRUE(critical != NULL);
	for (size_t i = 0; i < SP_LEN(all); i++) {
		pods[i] = make_pod(&all[i]);
		T_TRUE(pods[i] != NULL);
	}
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_preempted gone;
		sp_err err = {0};
		sp_str names = {NULL, 0};
		t_row("%zu", i);
		sp_code code = node_preempt_choose(critical, pods, SP_LEN(pods), rows[i].lacks,
						   rows[i].n_lacks, T_ARENA, &gone, &err);
		if (rows[i].gone[0] == '!') {
			T_EQ_I64(code, SP_EUNAVAILABLE);
			T_EQ_C(sp_str_c(err.msg), rows[i].gone + 1);
			continue;
		}
		T_OK(code);
		for (size_t k = 0; k < gone.n; k++)
			names = sp_arena_printf(T_ARENA, SP_FMT "%s" SP_FMT, SP_ARG(names), k == 0 ? "" : " ",
						SP_ARG(gone.at[k]->v.name));
		T_EQ_C(names, rows[i].gone);
	}
}

/* A critical pod gives way to one of a higher priority only. */
SP_TEST(node_preempt, among_critical_pods)
{
	static const one low = {"low", 500, 1, CRITICAL, false},
			 high = {"high", 1, 1, CRITICAL + 1000, false};
	static const node_shortage lacks[] = {RES("cpu", 100)};
	const node_pod *a = make_pod(&low), *b = make_pod(&high);
	node_preempted gone;
	T_TRUE(a != NULL && b != NULL);
	T_OK(node_preempt_choose(b, &a, 1, lacks, 1, T_ARENA, &gone, T_ERR));
	T_EQ_U64(gone.n, 1);
	T_EQ_I64(node_preempt_choose(a, &b, 1, lacks, 1, T_ARENA, &gone, T_ERR), SP_EUNAVAILABLE);
}
