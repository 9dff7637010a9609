/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node agent makes of a pod: any JSON object is read, planned, reported and turned into
 * configurations of the runtime without a crash, and what is reported is JSON again. The first byte chooses
 * what the runtime has; other first bytes feed the readers of resolv.conf, of logs and of redirects.
 */
#include <stdlib.h>

#include "node/config.h"
#include "node/eviction.h"
#include "node/log_lines.h"
#include "node/redirect.h"
#include "node/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sp_str no_object(void *arg, node_ref_kind kind, sp_str ns, sp_str name)
{
	(void)arg, (void)ns;
	if (name.len > 4)
		return (sp_str){NULL, 0};
	return kind == NODE_REF_SECRET ? SP_STR("{\"data\":{\"k\":\"czNjcmV0\"}}")
				       : SP_STR("{\"data\":{\"k\":\"v\"}}");
}
static sp_str token(void *arg, sp_str audience, int64_t expiration_s)
{
	(void)arg, (void)audience, (void)expiration_s;
	return SP_STR("t");
}
static node_verdict verdict(void *arg, node_probe_kind kind, sp_str id)
{
	return (node_verdict)((*(const uint8_t *)arg + (unsigned)kind + id.len) % 4);
}

/* The runtime has some of the containers, in states that the bits say. */
static void make_seen(const node_pod *p, uint8_t bits, sp_arena *a, node_seen *seen)
{
	sp_cri_pod_sandbox_metadata meta = {.attempt = bits % 3};
	sp_cri_pod_sandbox_network_status net = {.ip = SP_STR("10.0.0.1")};
	sp_cri_pod_sandbox_status box = {
		.id = SP_STR("b"), .metadata = &meta, .network = &net, .state = bits % 5 == 0};
	*seen = (node_seen){0};
	if (bits % 7 != 0 && node_seen_add_sandbox(seen, a, &box, NULL) != SP_OK)
		abort();
	for (size_t i = 0; i < p->n_containers && i < 32; i++) {
		sp_cri_container_metadata name = {.name = p->containers[i].name};
		sp_cri_container_status s = {.id = name.name,
					     .metadata = &name,
					     .state = (int32_t)((bits >> (i % 4)) % 4),
					     .exit_code = bits % 2};
		if ((bits + i) % 3 != 0 && node_seen_add_container(seen, a, &s, box.id, NULL) != SP_OK)
			abort();
	}
	node_seen_sort(seen);
}

static void configure(const node_pod *p, const node_seen *seen, sp_arena *a)
{
	node_place place = {.root = SP_STR("/r"),
			    .log_root = SP_STR("/l"),
			    .cgroup_root = SP_STR("kp"),
			    .memory_capacity = 1 << 30};
	node_field_source fields = {.pod = p, .memory_bytes = 1 << 30, .cpu_milli = 1000};
	node_objects objects = {.get = no_object};
	node_tokens tokens = {.get = token};
	node_volume_input in = {
		.fields = &fields, .objects = &objects, .tokens = &tokens, .root = place.root};
	node_volumes volumes;
	node_resolv dns = {0}, host = {0};
	node_dns_notes notes;
	node_dns_opts opts = {.host = &host, .domain = SP_STR("d")};
	sp_cri_pod_sandbox_config *box;
	(void)seen;
	if (node_dns_make(p, &opts, a, &dns, &notes, NULL) != SP_OK ||
	    node_sandbox_config(p, &place, &dns, 1, a, &box, NULL) != SP_OK ||
	    node_volumes_plan(&in, a, &volumes, NULL) != SP_OK)
		return;
	for (size_t i = 0; i < p->n_containers; i++) {
		node_env env;
		node_mounts mounts;
		sp_cri_container_config *config;
		if (node_env_make(&fields, &p->containers[i], &objects, NULL, NULL, a, &env, NULL) != SP_OK ||
		    node_mounts_make(p, &p->containers[i], &place, &volumes, &env, SP_STR("s"), a, &mounts,
				     NULL) != SP_OK)
			continue;
		const node_container_input c = {.pod = p,
						.c = &p->containers[i],
						.place = &place,
						.env = &env,
						.mounts = mounts.at,
						.n_mounts = mounts.n};
		(void)!node_container_config(&c, a, &config, NULL);
	}
}

/* What a pod says of its limits and of what it bears. */
static void judge(const node_pod *p, uint8_t bits, sp_arena *a)
{
	SP_AUTO_BUF out;
	node_pressures on = {.is_on = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0}};
	node_container_use *containers = sp_try_new(a, node_container_use, p->n_containers + 1);
	node_pod_use use = {.pod = p,
			    .is_known = true,
			    .memory = -1,
			    .containers = containers,
			    .n_containers = p->n_containers};
	node_pod_use two[2];
	sp_buf_init(&out, (size_t)1 << 20);
	if (containers == NULL)
		return;
	for (size_t i = 0; i < p->n_containers; i++)
		containers[i] = (node_container_use){
			.name = p->containers[i].name, .memory = bits, .rootfs = {true, bits * 1000, bits}};
	(void)node_pressures_admit(&on, p, &out);
	(void)node_pod_limits_storage(p);
	(void)node_storage_over(&use, bits % 2 != 0, &out);
	two[0] = two[1] = use;
	node_rank(two, 2, (node_signal)(bits % NODE_SIGNAL_COUNT_), false);
}

static void with_pod(uint8_t bits, sp_str json)
{
	node_pod *p;
	node_seen seen;
	node_actions actions;
	node_status status;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	SP_AUTO_BUF out;
	yyjson_val *tree;
	sp_arena_init(&a, (size_t)64 << 20);
	sp_buf_init(&out, (size_t)16 << 20);
	if (node_pod_parse(json, &p, NULL) != SP_OK)
		return;
	node_verdicts verdicts = {.of = verdict, .arg = &bits};
	make_seen(p, bits, &a, &seen);
	if (node_compute_actions(p, &seen, &verdicts, &a, &actions, NULL) == SP_OK &&
	    actions.n_starts > p->n_containers + p->n_init)
		abort();
	const node_status_input in = {.pod = p,
				      .seen = &seen,
				      .verdicts = &verdicts,
				      .runtime = SP_STR("r"),
				      .may_run = bits % 2 != 0,
				      .disruption = bits % 3 == 0 ? SP_STR("gone") : SP_STR(""),
				      .is_resetting = bits % 5 == 0};
	if (node_status_make(&in, &a, &status, NULL) == SP_OK &&
	    node_status_json(&out, &in, &status, 1, NULL) == SP_OK &&
	    sp_json_parse(&a, sp_buf_view(&out), &tree, NULL) != SP_OK)
		abort();
	configure(p, &seen, &a);
	judge(p, bits, &a);
	node_pod_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	sp_str rest = {(const char *)data + 1, size - 1};
	if (data[0] == 'r') {
		node_resolv r;
		node_resolv_read(rest, &r);
	} else if (data[0] == 'l') {
		SP_CLEANUP(node_log_lines_done) node_log_lines l;
		SP_AUTO_BUF out;
		sp_buf_init(&out, (size_t)4 << 20);
		node_log_lines_init(&l, &(node_log_filter){.limit_bytes = -1, .timestamps = true});
		(void)node_log_lines_add(&l, sp_str_sub(rest, 0, rest.len / 2), &out);
		(void)node_log_lines_add(&l, sp_str_sub(rest, rest.len / 2, rest.len), &out);
	} else if (data[0] == 'u') {
		SP_CLEANUP(sp_arena_done) sp_arena a;
		node_url from = {.host = SP_STR("h"), .port = SP_STR("80"), .path = SP_STR("/a/b?c")}, to;
		bool absolute;
		sp_arena_init(&a, (size_t)1 << 20);
		if (node_redirect(&from, rest, &a, &to, &absolute, NULL) == SP_OK &&
		    (to.path.len == 0 || to.path.ptr[0] != '/' || to.host.len == 0))
			abort();
	} else {
		with_pod(data[0], rest);
	}
	return 0;
}
