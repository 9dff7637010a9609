/* SPDX-License-Identifier: Apache-2.0 */
/* The codecs on a running Pod of two containers with managed fields (test/bench/pod.json, about 5 KB); the
 * peer of each figure is yyjson reading the same text. */
#include <stdio.h>
#include <time.h>

#include "base/yaml.h"
#include "kube/decode.h"
#include "kube/defaults.h"
#include "kube/encode.h"
#include "kube/protobuf.h"
#include "kube/transcode.h"
#include "kube/view.h"

#define ROUNDS 5000

typedef struct pod_view {
	sp_str name, ns, uid, node, phase, service_account, scheduler, pod_ip, host_ip, qos, restart_policy;
	int64_t generation, grace_s;
	int32_t priority;
	bool host_network, has_grace_s;
	sp_time created;
	sp_vlist containers, volumes, tolerations, conditions, statuses;
	sp_vmap labels;
} pod_view;
SP_VIEW(pod_view_desc, pod_view, "v1/Pod", SP_V(pod_view, name, "metadata.name"),
	SP_V(pod_view, ns, "metadata.namespace"), SP_V(pod_view, uid, "metadata.uid"),
	SP_V(pod_view, generation, "metadata.generation"),
	SP_V(pod_view, created, "metadata.creationTimestamp"), SP_V(pod_view, labels, "metadata.labels"),
	SP_V(pod_view, volumes, "spec.volumes"), SP_V(pod_view, containers, "spec.containers"),
	SP_V(pod_view, restart_policy, "spec.restartPolicy"),
	SP_VH(pod_view, grace_s, "spec.terminationGracePeriodSeconds"),
	SP_V(pod_view, service_account, "spec.serviceAccountName"), SP_V(pod_view, node, "spec.nodeName"),
	SP_V(pod_view, host_network, "spec.hostNetwork"), SP_V(pod_view, scheduler, "spec.schedulerName"),
	SP_V(pod_view, tolerations, "spec.tolerations"), SP_V(pod_view, priority, "spec.priority"),
	SP_V(pod_view, phase, "status.phase"), SP_V(pod_view, conditions, "status.conditions"),
	SP_V(pod_view, host_ip, "status.hostIP"), SP_V(pod_view, pod_ip, "status.podIP"),
	SP_V(pod_view, statuses, "status.containerStatuses"), SP_V(pod_view, qos, "status.qosClass"));

typedef struct bench {
	const sp_schema *schema;
	sp_str json, pb_raw, yaml;
	sp_arena arena;
	sp_buf out;
	yyjson_mut_val *tree; /* lives in another arena */
	yyjson_val *parsed;
} bench;

static double now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void do_parse(bench *b)
{
	yyjson_val *v;
	SP_ASSERT(sp_json_parse(&b->arena, b->json, &v, NULL) == SP_OK);
}

/* The library alone, with malloc. */
static void do_yyjson(bench *b)
{
	yyjson_doc *doc = yyjson_read(b->json.ptr, b->json.len, YYJSON_READ_NOFLAG);
	SP_ASSERT(doc != NULL);
	yyjson_doc_free(doc);
}

static void do_view(bench *b)
{
	pod_view v;
	SP_ASSERT(sp_view(&b->arena, b->json, &pod_view_desc, &v, NULL) == SP_OK);
	SP_ASSERT(v.phase.len != 0 && v.containers.n == 2);
}

static void do_view_fill(bench *b)
{
	pod_view v;
	sp_view_fill(b->parsed, &pod_view_desc, &v);
	SP_ASSERT(v.qos.len != 0);
}

static void do_decode(bench *b)
{
	yyjson_mut_val *v;
	yyjson_mut_doc *doc = sp_json_doc(&b->arena);
	SP_ASSERT(doc != NULL && sp_decode_json(&b->arena, b->schema, b->json, doc, NULL, &v, NULL) == SP_OK);
}

static void do_decode_strict(bench *b)
{
	yyjson_mut_val *v;
	sp_strict strict;
	strict.n = 0;
	yyjson_mut_doc *doc = sp_json_doc(&b->arena);
	SP_ASSERT(doc != NULL &&
		  sp_decode_json(&b->arena, b->schema, b->json, doc, &strict, &v, NULL) == SP_OK);
}

static void do_encode(bench *b)
{
	SP_ASSERT(sp_encode_json(&b->out, b->schema, b->tree) == SP_OK);
}

static void do_pb_encode(bench *b)
{
	SP_ASSERT(sp_protobuf_encode(&b->arena, &b->out, b->schema, b->json, NULL) == SP_OK);
}

static void do_pb_decode(bench *b)
{
	yyjson_mut_val *v;
	yyjson_mut_doc *doc = sp_json_doc(&b->arena);
	SP_ASSERT(doc != NULL && sp_protobuf_decode(&b->arena, b->schema, b->pb_raw, SP_STR("v1"),
						    SP_STR("Pod"), doc, &v, NULL) == SP_OK);
}

static void do_yaml_write(bench *b)
{
	SP_ASSERT(sp_transcode(&b->arena, b->schema, b->json, SP_ENC_YAML, &b->out, NULL) == SP_OK);
}

static void do_yaml_parse(bench *b)
{
	yyjson_mut_val *v;
	yyjson_mut_doc *doc = sp_json_doc(&b->arena);
	SP_ASSERT(doc != NULL && sp_yaml_parse(&b->arena, b->yaml, doc, NULL, &v, NULL) == SP_OK);
}

/* CPU time, the best of five runs: others use this machine too. */
static double measure(bench *b, void (*work)(bench *b))
{
	double best = 0;
	for (int run = 0; run < 5; run++) {
		double from = now_us();
		for (int i = 0; i < ROUNDS; i++) {
			work(b);
			sp_arena_reset(&b->arena);
			sp_buf_clear(&b->out);
		}
		double us = (now_us() - from) / ROUNDS;
		best = run == 0 || us < best ? us : best;
	}
	return best;
}

int main(void)
{
	static char text[16384];
	static char raw[16384];
	static char yaml[32768];
	FILE *f = fopen("test/bench/pod.json", "rb");
	SP_ASSERT(f != NULL);
	sp_str pod = {text, fread(text, 1, sizeof text, f)};
	(void)fclose(f);
	bench b = {.schema = sp_kind_by_kind(SP_STR(""), SP_STR("v1"), SP_STR("Pod"))->schema};
	sp_arena keep;
	SP_AUTO_BUF json;
	sp_arena_init(&keep, (size_t)64 << 20);
	sp_arena_init(&b.arena, (size_t)64 << 20);
	sp_buf_init(&b.out, (size_t)1 << 20);
	sp_buf_init(&json, (size_t)1 << 20);
	yyjson_mut_doc *doc = sp_json_doc(&keep);
	SP_ASSERT(doc != NULL && sp_decode_json(&keep, b.schema, pod, doc, NULL, &b.tree, NULL) == SP_OK);
	SP_ASSERT(sp_encode_json(&json, b.schema, b.tree) == SP_OK);
	b.json = sp_buf_view(&json);
	SP_ASSERT(sp_json_parse(&keep, b.json, &b.parsed, NULL) == SP_OK);
	SP_ASSERT(sp_protobuf_encode_raw(&keep, &b.out, b.schema, b.json, NULL) == SP_OK);
	SP_ASSERT(b.out.len <= sizeof raw);
	memcpy(raw, b.out.ptr, b.out.len);
	b.pb_raw = (sp_str){raw, b.out.len};
	sp_buf_clear(&b.out);
	SP_ASSERT(sp_yaml_write(&b.out, b.tree, NULL) == SP_OK && b.out.len <= sizeof yaml);
	memcpy(yaml, b.out.ptr, b.out.len);
	b.yaml = (sp_str){yaml, b.out.len};
	sp_buf_clear(&b.out);
	printf("bench kube_pod_json %zu bytes peer=none\n", b.json.len);
	printf("bench kube_pod_protobuf %zu bytes peer=none\n", b.pb_raw.len);
	static const struct {
		const char *name;
		void (*work)(bench *b);
	} rows[] = {
		{"kube_parse", do_parse},
		{"kube_view_with_parse", do_view},
		{"kube_view_fill", do_view_fill},
		{"kube_decode_json", do_decode},
		{"kube_decode_json_strict", do_decode_strict},
		{"kube_encode_json", do_encode},
		{"kube_json_to_protobuf", do_pb_encode},
		{"kube_protobuf_decode", do_pb_decode},
		{"kube_json_to_yaml", do_yaml_write},
		{"kube_yaml_parse", do_yaml_parse},
	};
	double peer = measure(&b, do_yyjson);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		double us = measure(&b, rows[i].work);
		printf("bench %s %.2f us peer=yyjson_read %.2f ratio=%.2f\n", rows[i].name, us, peer,
		       us / peer);
	}
	sp_arena_done(&b.arena);
	sp_arena_done(&keep);
	sp_buf_done(&b.out);
	return 0;
}
