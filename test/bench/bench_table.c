/* SPDX-License-Identifier: Apache-2.0 */
/* A table of 10,000 objects of a Pod's size, written straight to a buffer. */
#include <stdio.h>
#include <time.h>

#include "kube/table.h"

#define ROWS 10000

static double now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void make_pod(sp_buf *out)
{
	(void)sp_buf_str(out, SP_STR("{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"shop-"
				     "6d5f4c7b9-abcde\","
				     "\"namespace\":\"shop\",\"creationTimestamp\":\"2025-12-31T23:50:00Z\","
				     "\"labels\":{\"app\":\"shop\"}},"
				     "\"spec\":{\"nodeName\":\"n1\",\"priority\":0,\"containers\":["));
	for (int i = 0; i < 20; i++)
		(void)sp_buf_printf(out,
				    "%s{\"name\":\"container-%d\",\"image\":\"registry.example.com/"
				    "shop:1.2.3\",\"env\":[{\"name\":"
				    "\"A\",\"value\":\"b\"}],\"resources\":{\"limits\":{\"cpu\":\"1\","
				    "\"memory\":\"1Gi\"}}}",
				    i > 0 ? "," : "", i);
	(void)sp_buf_str(out, SP_STR("]},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\"}}"));
}

int main(void)
{
	static const sp_column columns[] = {{.name = SP_STR_INIT("Phase"),
					     .type = SP_STR_INIT("string"),
					     .path = SP_STR_INIT(".status.phase")},
					    {.name = SP_STR_INIT("Node"),
					     .type = SP_STR_INIT("string"),
					     .path = SP_STR_INIT(".spec.nodeName")},
					    {.name = SP_STR_INIT("IP"),
					     .type = SP_STR_INIT("string"),
					     .path = SP_STR_INIT(".status.podIP")},
					    {.name = SP_STR_INIT("Age"),
					     .type = SP_STR_INIT("date"),
					     .path = SP_STR_INIT(".metadata.creationTimestamp")}};
	sp_kind kind = {.kind = SP_STR("Thing"), .columns = columns, .n_columns = SP_LEN(columns)};
	sp_table_options options = {.now = {.seconds = 1767225600}};
	sp_list_meta meta = {.resource_version = SP_STR("1")};
	const sp_table_plan *plan;
	sp_arena a;
	sp_buf pod, out;
	sp_table t;
	sp_arena_init(&a, 1 << 20);
	sp_buf_init(&pod, 1 << 20);
	sp_buf_init(&out, (size_t)64 << 20);
	make_pod(&pod);
	SP_ASSERT(sp_table_plan_make(&a, &kind, &plan, NULL) == SP_OK);
	double from = now_ms();
	sp_table_init(&t, plan, &options, &out);
	SP_ASSERT(sp_table_begin(&t, &meta) == SP_OK);
	for (int i = 0; i < ROWS; i++)
		SP_ASSERT(sp_table_row(&t, sp_buf_view(&pod), NULL) == SP_OK);
	SP_ASSERT(sp_table_end(&t) == SP_OK);
	double ms = now_ms() - from;
	printf("bench table_rows %.1f us/row (%zu byte objects) %.0f MB/s peer=none\n", ms * 1e3 / ROWS,
	       pod.len, (double)pod.len * ROWS / ms / 1e3);
	sp_table_done(&t);
	sp_buf_done(&out);
	sp_buf_done(&pod);
	sp_arena_done(&a);
	return 0;
}
