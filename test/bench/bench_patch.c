/* SPDX-License-Identifier: Apache-2.0 */
/* Strategic merge and apply merge of an object of a Deployment's size; parsing is measured apart and taken
 * off. */
#include <stdio.h>
#include <time.h>

#include "kube/apply/apply.h"
#include "kube/patch/strategic.h"
#include "lib/kube_small.h"

#define ROUNDS 4000

static double now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Three containers of eight variables and four ports, labels and annotations: about 100 leaves. */
static void make_object(sp_buf *out, bool whole)
{
	(void)sp_buf_str(out, SP_STR("{\"apiVersion\":\"v1\",\"kind\":\"Small\",\"metadata\":{\"name\":\"d\","
				     "\"labels\":{"));
	for (int i = 0; i < 8; i++)
		(void)sp_buf_printf(out, "%s\"app.example.com/label%d\":\"value\"", i == 0 ? "" : ",", i);
	(void)sp_buf_str(out, SP_STR("}},\"spec\":{\"replicas\":3,\"containers\":["));
	for (int c = 0; c < (whole ? 3 : 1); c++) {
		(void)sp_buf_printf(
			out,
			"%s{\"name\":\"container%d\",\"image\":\"registry.example.com/app:1.%d\",\"env\":[",
			c == 0 ? "" : ",", c, whole ? 0 : 1);
		for (int i = 0; i < (whole ? 8 : 2); i++)
			(void)sp_buf_printf(out, "%s{\"name\":\"VARIABLE_%d\",\"value\":\"v\"}",
					    i == 0 ? "" : ",", i);
		(void)sp_buf_str(out, SP_STR("],\"ports\":["));
		for (int i = 0; i < 4; i++)
			(void)sp_buf_printf(out, "%s{\"containerPort\":%d}", i == 0 ? "" : ",", 8080 + i);
		(void)sp_buf_str(out, SP_STR("]}"));
	}
	(void)sp_buf_str(out, SP_STR("]}}"));
}

static yyjson_mut_val *parse(sp_arena *a, yyjson_mut_doc *doc, sp_str text)
{
	yyjson_mut_val *v = NULL;
	SP_ASSERT(doc != NULL && sp_json_parse_mut(a, text, doc, &v, NULL) == SP_OK);
	return v;
}

typedef void (*work)(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *live, yyjson_mut_val *patch);

static void work_strategic(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *live, yyjson_mut_val *patch)
{
	yyjson_mut_val *ret = NULL;
	SP_ASSERT(sp_strategic_tree(a, doc, &t_small_kind, live, patch, &ret, NULL) == SP_OK);
}

static void work_merge(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *live, yyjson_mut_val *patch)
{
	yyjson_mut_val *ret = NULL;
	SP_ASSERT(sp_typed_merge(a, doc, &t_small_kind, live, patch, &ret, NULL) == SP_OK);
}

/* The whole of an apply: managedFields read and written, merge, comparison, conflicts. */
static void work_apply(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *live, yyjson_mut_val *patch)
{
	sp_apply_request q = {.arena = a,
			      .doc = doc,
			      .schema = &t_small_kind,
			      .api_version = SP_STR("v1"),
			      .kind = SP_STR("Small"),
			      .manager = SP_STR("bench"),
			      .now = SP_STR("2026-01-01T00:00:01Z")};
	yyjson_mut_val *ret = NULL;
	sp_code code = sp_apply(&q, live, patch, true, &ret, NULL);
	SP_ASSERT(code == SP_OK);
}

/* The best of several runs, each the mean of many rounds; only the work is timed. */
static double measure(sp_str live_text, sp_str patch_text, work fn)
{
	double best = 1e9;
	for (int run = 0; run < 5; run++) {
		double sum = 0;
		sp_arena a;
		sp_arena_init(&a, (size_t)64 << 20);
		for (int i = 0; i < ROUNDS / 5; i++) {
			yyjson_mut_doc *doc = sp_json_doc(&a);
			yyjson_mut_val *live = parse(&a, doc, live_text), *patch = parse(&a, doc, patch_text);
			double from = now_us();
			fn(&a, doc, live, patch);
			sum += now_us() - from;
			sp_arena_reset(&a);
		}
		sp_arena_done(&a);
		best = SP_MIN(best, sum / (ROUNDS / 5));
	}
	return best;
}

int main(void)
{
	sp_buf live, patch, owned;
	sp_buf_init(&live, 1 << 20);
	sp_buf_init(&patch, 1 << 20);
	sp_buf_init(&owned, 1 << 20);
	make_object(&live, true);
	make_object(&patch, false);
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	yyjson_mut_doc *doc = sp_json_doc(&a);
	sp_apply_request q = {.arena = &a,
			      .doc = doc,
			      .schema = &t_small_kind,
			      .api_version = SP_STR("v1"),
			      .kind = SP_STR("Small"),
			      .manager = SP_STR("bench"),
			      .now = SP_STR("2026-01-01T00:00:00Z")};
	yyjson_mut_val *object = NULL;
	SP_ASSERT(sp_apply(&q, NULL, parse(&a, doc, sp_buf_view(&live)), false, &object, NULL) == SP_OK);
	SP_ASSERT(sp_json_write_mut(&owned, object) == SP_OK);
	printf("bench strategic_merge %.2f us peer=none\n",
	       measure(sp_buf_view(&live), sp_buf_view(&patch), work_strategic));
	printf("bench apply_merge %.2f us peer=none\n",
	       measure(sp_buf_view(&live), sp_buf_view(&patch), work_merge));
	printf("bench apply_whole_same %.2f us peer=none\n",
	       measure(sp_buf_view(&owned), sp_buf_view(&live), work_apply));
	printf("bench apply_whole_change %.2f us peer=none\n",
	       measure(sp_buf_view(&owned), sp_buf_view(&patch), work_apply));
	sp_arena_done(&a);
	sp_buf_done(&live);
	sp_buf_done(&patch);
	sp_buf_done(&owned);
	return 0;
}
