/* SPDX-License-Identifier: Apache-2.0 */
/* Matching label selectors against packed labels and JSON, parsing them, and field selectors on a Pod. */
#include <stdio.h>
#include <time.h>

#include "kube/selector.h"

#define ROUNDS 1000000

static double now_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const sp_label labels[] = {
	{SP_STR_INIT("app.kubernetes.io/instance"), SP_STR_INIT("shop-1")},
	{SP_STR_INIT("app.kubernetes.io/name"), SP_STR_INIT("shop")},
	{SP_STR_INIT("app.kubernetes.io/version"), SP_STR_INIT("1.2.3")},
	{SP_STR_INIT("pod-template-hash"), SP_STR_INIT("6d5f4c7b9")},
	{SP_STR_INIT("tier"), SP_STR_INIT("front")},
};
static const char object_text[] = "{\"metadata\":{\"name\":\"shop-6d5f4c7b9-abcde\",\"namespace\":\"shop\","
				  "\"labels\":{\"app.kubernetes.io/instance\":"
				  "\"shop-1\",\"app.kubernetes.io/name\":\"shop\",\"app.kubernetes.io/"
				  "version\":\"1.2.3\",\"pod-template-hash\":"
				  "\"6d5f4c7b9\",\"tier\":\"front\"}},\"spec\":{\"nodeName\":\"n1\"},"
				  "\"status\":{\"phase\":\"Running\"}}";

int main(void)
{
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	sp_selector s, f;
	yyjson_val *object;
	size_t hits = 0;
	static const sp_field_kind pod = {.version = SP_STR_INIT("v1"), .kind = SP_STR_INIT("Pod")};
	sp_str text = SP_STR("app.kubernetes.io/name=shop,tier in (front,back),!canary");
	SP_ASSERT(sp_labels_parse(&a, text, &s, NULL) == SP_OK);
	SP_ASSERT(sp_json_parse(&a, sp_str_c(object_text), &object, NULL) == SP_OK);
	SP_ASSERT(sp_fields_parse(&a, SP_STR("spec.nodeName=n1,status.phase!=Failed"), &f, NULL) == SP_OK);
	SP_ASSERT(sp_fields_bind(&a, &pod, &f, NULL) == SP_OK);
	double from = now_ns();
	for (int i = 0; i < ROUNDS; i++)
		hits += sp_labels_match(&s, labels, SP_LEN(labels) - (size_t)(i & 1));
	printf("bench selector_match_packed %.1f ns peer=none\n", (now_ns() - from) / ROUNDS);
	yyjson_val *metadata = sp_json_last(object, SP_STR("metadata"));
	yyjson_val *json = sp_json_last(metadata, SP_STR("labels"));
	from = now_ns();
	for (int i = 0; i < ROUNDS; i++)
		hits += sp_labels_match_json(&s, json);
	printf("bench selector_match_json %.1f ns peer=none\n", (now_ns() - from) / ROUNDS);
	from = now_ns();
	for (int i = 0; i < ROUNDS; i++)
		hits += sp_fields_match(&f, object);
	printf("bench selector_match_fields %.1f ns peer=none\n", (now_ns() - from) / ROUNDS);
	sp_arena b;
	sp_arena_init(&b, 1 << 20);
	from = now_ns();
	for (int i = 0; i < ROUNDS / 10; i++) {
		SP_ASSERT(sp_labels_parse(&b, text, &s, NULL) == SP_OK);
		sp_arena_reset(&b);
	}
	printf("bench selector_parse %.1f ns peer=none\n", (now_ns() - from) / (ROUNDS / 10.0));
	SP_ASSERT(hits > 0);
	sp_arena_done(&b);
	sp_arena_done(&a);
	return 0;
}
